"""A server that follows a traffic file, and a canary beside it that is good or fails, in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftlead_inference.service import Service
from driftlead_inference.settings import Front
from driftlead_inference.traffic.file import TrafficFile
from driftlead_inference.traffic.forwarder import Forwarder
from serving import Kept, front, service_of, talk

GOOD = b'{"features":[1,2,3]}'
Behaviour = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]


@dataclass
class Side:
    """A server of a pair."""

    service: Service
    log: Kept
    port: int


@dataclass
class FakeCanary:
    """A canary that does what it is told with each whole request; `heads` are those that it got."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


def forwarder_of(service: Service, path: Path, **options: Any) -> Forwarder:
    """A forwarder that follows a file, as a start makes one."""

    def count(outcome: Any) -> None:
        assert service.log is not None
        service.log.count_forwarded(
            outcome.version, outcome.deployment, outcome.status_class, outcome.latency_ms
        )

    service.forwarder = Forwarder(TrafficFile(path), count, **options)
    return service.forwarder


def written(path: Path, port: int, **changes: Any) -> Path:
    """A traffic file; by default everything is forwarded."""
    document = {"canary": {"url": f"http://127.0.0.1:{port}", "version": "5"}, "weight": 100, **changes}
    path.write_text(json.dumps(document))
    return path


@asynccontextmanager
async def prod_of(kind: Front, path: Path, **options: Any) -> AsyncIterator[Side]:
    """A server of version 3 that follows the file."""
    service, log = service_of()
    forwarder = forwarder_of(service, path, **options)
    async with front(service, kind) as port:
        try:
            yield Side(service, log, port)
        finally:
            await forwarder.close(0.1)


@asynccontextmanager
async def pair(kind: Front, folder: Path, **changes: Any) -> AsyncIterator[tuple[Side, Side]]:
    """Prod of version 3 and a canary of version 5, each with a log of its own."""
    service, log = service_of(version="5")
    async with front(service, kind) as port:
        path = written(folder / "traffic.json", port, **changes)
        async with prod_of(kind, path) as prod:
            yield prod, Side(service, log, port)


@asynccontextmanager
async def fake(behaviour: Behaviour) -> AsyncIterator[FakeCanary]:
    """A canary that answers whatever it likes."""
    canary, tasks = FakeCanary(), set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                canary.heads.append(head)
                canary.bodies.append(await reader.readexactly(length))
                await behaviour(writer, canary.bodies[-1])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    canary.port = server.sockets[0].getsockname()[1]
    try:
        yield canary
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answer(
    body: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json", more: bytes = b""
) -> bytes:
    """A reply with a length."""
    return b"HTTP/1.1 %b\r\ncontent-type: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
        status, kind, more, len(body), body,
    )  # fmt: skip


def saying(reply: bytes) -> Behaviour:
    """Always the same bytes."""

    async def behave(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(reply)

    return behave


async def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits until something is true; fails when it does not come to that."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.005)


async def said(port: int, request: bytes) -> bytes:
    """The whole reply to one request that ends its connection."""
    return await talk(port, [request])


def post(body: bytes = GOOD, path: str = "/predict", headers: bytes = b"") -> bytes:
    """A request with an id that ends its connection."""
    head = b"POST %b HTTP/1.1\r\nhost: x\r\nx-request-id: r-1\r\nconnection: close\r\n" % path.encode()
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (head, headers, len(body), body)


def of_canary(prediction: bytes = b"1.0") -> bytes:
    """A body of `/predict` as a canary would say it."""
    return b'{"prediction":%b,"model_name":"Demo","model_version":"5","request_id":"r-1"}' % prediction


async def hangs(writer: asyncio.StreamWriter, body: bytes) -> None:
    """Answers when nobody waits any more."""
    await asyncio.sleep(10)
