"""A connection's one timer: it closes who asks no more, and nobody who waits for an answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from driftlead_inference.fronts.guarded import guarded_of

SECONDS = 0.5  # of the timer
REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


async def slow(scope: Any, receive: Any, send: Any) -> None:
    """Answers after more time than a connection may be idle."""
    await asyncio.sleep(3 * SECONDS)
    await quick(scope, receive, send)


async def quick(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def connected(
    application: Any, seconds: float = SECONDS
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client of a server whose connections may be idle for this time."""
    config = uvicorn.Config(application, lifespan="off", ws="none", log_config=None)
    config.timeout_keep_alive = seconds  # type: ignore[assignment]
    config.load()
    state, protocol = ServerState(), guarded_of(30)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def answered(reader: asyncio.StreamReader) -> None:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(2) == b"ok"


async def test_a_connection_is_closed_some_time_after_its_last_reply() -> None:
    idle = 1.2  # a machine that stands still for half a second must not look like a client that is gone
    async with connected(quick, idle) as (reader, writer):
        for _ in range(3):
            writer.write(REQUEST)
            await answered(reader)
            await asyncio.sleep(0.5 * idle)
        last = time.monotonic()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert time.monotonic() - last < 1 + 2 * idle


async def test_who_never_asks_is_closed_too() -> None:
    async with connected(quick) as (reader, _):
        assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_who_waits_for_an_answer_gets_it() -> None:
    async with connected(slow) as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST)
            await answered(reader)


async def test_who_is_still_asking_is_not_closed() -> None:
    async with connected(quick) as (reader, writer):
        for part in (REQUEST[:20], REQUEST[20:30], REQUEST[30:]):
            writer.write(part)
            await asyncio.sleep(1.5 * SECONDS)
        await answered(reader)
