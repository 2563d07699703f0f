"""Asks a canary over kept connections: HTTP/1.1 in the event loop, one request a connection at a time.

The number of connections is bounded, and so is what a canary that hangs can hold: beyond it nobody waits,
`Busy` is raised at once. An answer that is given up is not read any more: its connection is closed, so that
what comes late can never be taken for the answer to another request. No request is sent twice, for a canary
may have logged it before its connection broke.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec

CONNECTIONS = 64
IDLE_SECONDS = 15.0  # shorter than any server's own limit, so that none closes while we write
HELD_UP_SECONDS = 0.01
GRACE_SECONDS = 0.005
HELD_BYTES = 64 * 1024**2  # of all answers that are being received: a canary must not fill our memory


class Unreachable(Exception):  # noqa: N818 - what is seen of the canary
    """No connection could be made."""


class Lost(Exception):  # noqa: N818 - what is seen of the canary
    """The connection ended, or said what is not HTTP, before the answer was whole."""


class Busy(Exception):  # noqa: N818 - a state of ours
    """All connections are in use."""


class Message(msgspec.Struct, frozen=True):
    """A request as it is sent on: the same body, and the headers that change how it is read."""

    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Answer(msgspec.Struct):
    """A whole reply; the names of `headers` are lower-case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Connection(asyncio.Protocol):
    """One kept connection. `answer` is set while a request is under way."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[Answer] | None = None
        self.since = 0.0  # of the last answer, by the loop's clock
        self.kept = False  # the answer was whole, and another request may follow
        self.headers: dict[bytes, bytes] = {}
        self.parts: list[bytes] = []
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(Lost(f"the connection ended: {exc or 'the canary closed it'}"))
        self.forget()
        self.client.ended(self)

    async def ask(self, data: bytes) -> Answer:
        """The answer. Raises `Lost`."""
        assert self.transport is not None  # noqa: S101 - it is connected
        self.answer = asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        self.on_message_begin()
        self.transport.write(data)
        return await self.answer

    @property
    def usable(self) -> bool:
        """Whether another request may be asked over it."""
        return self.kept and self.transport is not None and not self.transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; bytes that nobody asked for end the connection."""
        if self.answer is None or self.answer.done():
            self.close()
            return
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(Lost(f"its answer is not HTTP: {error}"))
            self.close()

    def on_message_begin(self) -> None:
        """A second answer to one request is not read; it ends the connection after the first."""
        self.forget()
        self.headers, self.kept = {}, False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)
        self.size += len(body)
        self.client.held += len(body)
        if self.client.held > HELD_BYTES:
            self.fail(Lost(f"its answers take more than {HELD_BYTES} bytes"))
            self.close()

    def forget(self) -> None:
        """Frees what was received."""
        self.client.held -= self.size
        self.parts, self.size = [], 0

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:  # an interim answer; the final one follows
            return
        if self.answer is not None and not self.answer.done():
            self.kept = self.parser.should_keep_alive()
            self.answer.set_result(Answer(status, self.headers, b"".join(self.parts)))
            self.forget()

    def fail(self, error: Exception) -> None:
        """Ends the request that is under way."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)

    def close(self) -> None:
        self.kept = False
        if self.transport is not None:
            self.transport.abort()


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """`asyncio.timeout`, but that this process was held up itself is not the canary's fault.

    A container that used up its processor quota stands still for a tenth of a second. When it goes on, timers
    come before what was received meanwhile, and every answer would be late at once. So a timer that is late
    itself looks again after the next reads.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds

    async with asyncio.timeout(None) as limit:

        def expire() -> None:
            if loop.time() - deadline > HELD_UP_SECONDS:
                timers.append(loop.call_later(GRACE_SECONDS, lambda: limit.reschedule(loop.time())))
            else:
                limit.reschedule(loop.time())

        timers = [loop.call_at(deadline, expire)]
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()


class Client:
    """The connections to one canary."""

    def __init__(self, url: str, most: int = CONNECTIONS) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = parts.port or (443 if self.tls else 80)
        self.head = b" HTTP/1.1\r\nhost: %b\r\ncontent-length: " % parts.netloc.encode()
        self.most = most
        self.retired = False
        self.held = 0  # bytes of answers that are being received
        self.open = 0  # connections, those included that are being made
        self.idle: list[Connection] = []
        self.all: set[Connection] = set()

    async def ask(self, message: Message, seconds: float) -> Answer:
        """The answer. Raises `Busy`, `Unreachable`, `Lost`, or TimeoutError after `seconds`."""
        async with patience(seconds):
            connection = self.waiting() or await self.connect()
            try:
                answer = await connection.ask(self.data(message))
            except BaseException:
                connection.close()
                raise
        if connection.usable and not self.retired:
            connection.since = asyncio.get_running_loop().time()
            self.idle.append(connection)
        else:
            connection.close()
        return answer

    def data(self, message: Message) -> bytes:
        """A request's bytes."""
        lines = b"".join(b"%b: %b\r\n" % pair for pair in message.headers)
        length = b"%d\r\n" % len(message.body)
        return b"".join((b"POST ", message.target, self.head, length, lines, b"\r\n", message.body))

    def waiting(self) -> Connection | None:
        """The idle connection that was used last."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self.idle:
            connection = self.idle.pop()
            if connection.usable and connection.since > oldest:
                return connection
            connection.close()
        return None

    async def connect(self) -> Connection:
        """A new connection. Raises `Busy` or `Unreachable`."""
        if self.open >= self.most:
            raise Busy
        self.open += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), self.host, self.port, ssl=self.tls
            )
        except BaseException as error:
            self.open -= 1
            if isinstance(error, OSError):
                raise Unreachable(str(error)) from error
            raise
        self.all.add(connection)
        return connection

    def ended(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection in self.all:
            self.all.discard(connection)
            self.open -= 1
        if connection in self.idle:
            self.idle.remove(connection)

    def close_idle(self) -> None:
        """Closes what was not used for long."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        for connection in [each for each in self.idle if each.since <= oldest]:
            self.idle.remove(connection)
            connection.close()

    def retire(self) -> None:
        """Closes idle connections, and the others once they are answered: nobody asks here any more."""
        self.retired = True
        while self.idle:
            self.idle.pop().close()

    def close(self) -> None:
        """Closes all connections; requests under way end as lost."""
        self.retired = True
        for connection in list(self.all):
            connection.close()
