"""uvicorn's HTTP/1.1 protocol with the limits that it leaves out: header size and count, and time for the
head; with writes that leave together, and one timer for all idle times of a connection.

A client may offer to go on in another protocol, as Java's does with every request (`Upgrade: h2c`). The
parser would take what follows the head for that protocol and drop it, the body too (uvicorn#2722). Nothing
but HTTP/1.1 is spoken here, so such a request is read once more without its offer (`without_offer`).

Leans on internals of uvicorn's `HttpToolsProtocol`; the tests of both fronts hold it to them at each update.
"""

import asyncio
import re
from functools import lru_cache
from itertools import chain
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from driftlead_inference.fronts.outgoing import Outgoing, PendingWrites
from driftlead_inference.problems import (
    CONTENT_TYPE,
    NO_TUNNEL,
    NOT_HTTP,
    TOO_LARGE,
    TOO_SLOW,
    Problem,
    too_many_headers,
    wrong_host,
)

HEAD_BYTES = 64 * 1024
HEADERS = 100
# RFC 9110 section 7.2: a name or an address, and a port; empty where the target has no authority.
HOST = re.compile(rb"(?:\[[0-9A-Za-z:.%_~\-]+\]|[!$%&'()*+,\-.0-9;=A-Z_a-z~]*)(?::[0-9]*)?")


@lru_cache(256)
def is_host(value: bytes) -> bool:
    """Whether it is a host. Clients say the same one with every request."""
    return HOST.fullmatch(value.strip()) is not None


class Guarded(HttpToolsProtocol):
    """One connection. `parsing`: the parser stands within a message; `in_head`: within its head.

    `request_seconds`: how long a request may take to arrive, once its first bytes are there.
    """

    request_seconds = 30.0
    pending_writes: PendingWrites

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parsing = False
        self.in_head = False
        self.head_bytes = 0  # of a head that is not whole yet, as it came
        self.read_bytes = 0  # of what came at once: less than a head may have needs no adding up
        self.timer: asyncio.TimerHandle | None = None
        self.idle_since = 0.0  # when the last reply was written, by the loop's clock; 0: there was none
        self.fault: Problem = NOT_HTTP  # what a parser that gives up is about
        self.invalid = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client that never asks is closed like one that asks no more."""
        super().connection_made(transport)
        self.outgoing = Outgoing(transport, self.pending_writes)
        self.transport = self.outgoing  # type: ignore[assignment]
        self.keep_alive(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        self.disarm()
        super()._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, and ends a connection whose head grows or whose request lasts too long."""
        if self.invalid:  # the connection ends once the replies before are written
            return
        self.read_bytes = len(data)
        left = self.feed(data)
        while left:
            left[:1] = self.feed(left[0])
        if not self.parsing or self.transport.is_closing():
            return
        if self.in_head:
            self.head_bytes += len(data)
        if self.head_bytes > HEAD_BYTES:
            self.end(TOO_LARGE)
        elif self.timer is None:
            self.timer = self.loop.call_later(self.request_seconds, self.end, TOO_SLOW)

    def feed(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        """Has the parser read it. What is left to read: nothing, or a head without its offer and what follows
        it."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self.scope["method"] != "CONNECT":
                return [self.without_offer(), memoryview(data)[offer.args[0] :]]
            self.fault = NO_TUNNEL
            self.send_400_response("")
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("")
        return []

    def without_offer(self) -> bytes:
        """Sets a new parser. The head that the last one read, but for `Upgrade`, which may be ignored (RFC
        9110, 7.8); a parser took it apart, so it cannot be read in two ways."""
        fields = b"".join(b"%b: %b\r\n" % pair for pair in self.headers if pair[0] != b"upgrade")
        method, version = self.scope["method"].encode(), self.parser.get_http_version().encode()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, fields)

    def _should_upgrade(self) -> bool:
        """Where the parser stops at an offer uvicorn starts nothing: `feed` goes on."""
        return True

    def end(self, problem: Problem) -> None:
        """Says why, and closes; an application that waits for the rest is told that the client left."""
        self.disarm()
        if self.transport.is_closing():
            return
        body = problem.body()
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (
            b"".join(b"%b: %b\r\n" % pair for pair in self.server_state.default_headers),
            CONTENT_TYPE,
            len(body),
        )
        self.transport.write(STATUS_LINE[problem.status] + head + body)
        self.transport.close()

    def disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def send_400_response(self, msg: str) -> None:
        """Refuses what is not HTTP, after the replies to requests before it, which uvicorn would drop."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            self.end(self.fault)
        else:
            self.invalid = True

    @property
    def busy(self) -> bool:
        """Whether a request arrives or is under way."""
        return self.parsing or (self.cycle is not None and not self.cycle.response_complete)

    def on_response_complete(self) -> None:
        """A reply is written: uvicorn's own words, but for the timer, and for what was not HTTP behind it."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.invalid:
            self.end(self.fault)
        else:
            self.idle()

    def idle(self) -> None:
        """The connection waits for its next request."""
        self.idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.keep_alive(self.timeout_keep_alive)

    def keep_alive(self, seconds: float) -> None:
        """Sets the timer of an idle connection."""
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Closes an idle connection. The timer is not set again for each reply: it looks how old the last one
        is."""
        self.timeout_keep_alive_task = None
        left = self.timeout_keep_alive - (self.loop.time() - self.idle_since)
        if self.busy or (left > 0.01 and self.idle_since):
            self.keep_alive(max(left, 1.0))
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """The timer goes on while a request is under way."""

    def on_message_begin(self) -> None:
        self.parsing = self.in_head = True
        self.head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole; what is raised here ends the parser, and with it the connection."""
        self.in_head = False
        self.head_bytes = 0
        if (fault := self.fault_of_head()) is not None:
            self.fault = fault
            raise ValueError(fault.detail)
        super().on_headers_complete()

    def fault_of_head(self) -> Problem | None:
        """Why a head that is whole is refused."""
        headers = self.headers
        if len(headers) > HEADERS:
            return too_many_headers(HEADERS)
        if self.read_bytes > HEAD_BYTES and sum(map(len, chain(*headers))) > HEAD_BYTES:
            return TOO_LARGE
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) == 1:
            return None if is_host(hosts[0]) else wrong_host(hosts)
        return None if not hosts and self.parser.get_http_version() < "1.1" else wrong_host(hosts)

    def on_message_complete(self) -> None:
        self.parsing = False
        if self.timer is not None:
            self.disarm()
        super().on_message_complete()


def guarded_of(seconds: float) -> type[Guarded]:
    """The protocol class with a time limit, for uvicorn's `http` setting."""

    class ServiceGuarded(Guarded):
        """Connections of one server: their writes leave together."""

        request_seconds = seconds
        pending_writes = PendingWrites()

    return ServiceGuarded
