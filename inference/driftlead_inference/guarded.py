"""uvicorn's HTTP/1.1 protocol with the limits that it leaves out: header size and count, and time for the
head.

Leans on internals of uvicorn's `HttpToolsProtocol`; the tests of both fronts hold it to them at each update.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEADERS = 100
HEAD_SECONDS = 30.0
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Guarded(HttpToolsProtocol):
    """One connection. `parsing`: the parser stands within a message; `in_head`: within its head."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parsing = False
        self.in_head = False
        self.head_bytes = 0
        self.head_timer: asyncio.TimerHandle | None = None
        self.invalid = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client that never asks is closed like one that asks no more."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the timer."""
        self.disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, and ends a connection whose head grows or lasts too long."""
        super().data_received(data)
        if not self.in_head or self.transport.is_closing():
            return
        self.head_bytes += len(data)
        if self.head_bytes > HEAD_BYTES:
            self.end(TOO_LARGE)
        elif self.head_timer is None:
            self.head_timer = self.loop.call_later(HEAD_SECONDS, self.end, TOO_SLOW)

    def end(self, reply: bytes) -> None:
        """Says why, and closes."""
        self.disarm()
        if not self.transport.is_closing():
            self.transport.write(reply)
            self.transport.close()

    def disarm(self) -> None:
        """Cancels the head's timer."""
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP, after the replies to whole requests before it: uvicorn would drop
        those."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            super().send_400_response(msg)
        else:
            self.invalid = msg

    def on_response_complete(self) -> None:
        """A reply is written."""
        super().on_response_complete()
        if self.invalid and self.cycle.response_complete and not self.transport.is_closing():
            super().send_400_response(self.invalid)

    def on_message_begin(self) -> None:
        """A message begins."""
        self.parsing = self.in_head = True
        self.head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Counts; what is raised here is answered 400 by uvicorn, and the connection closed."""
        if len(self.headers) >= HEADERS:
            raise ValueError(f"more than {HEADERS} headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.in_head = False
        self.disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The message is whole."""
        self.parsing = False
        super().on_message_complete()
