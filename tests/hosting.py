"""The inference server in this process: prepared, converted and served by its own code, on a real socket.

A process of its own for each of some hundred models would take most of an hour. What is left out is the
child process that prepares, and the clock: which engine serves is said here, not raced for.
"""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import structlog

from asking import NAME, Client
from driftlead_inference import startup
from driftlead_inference.engines.onnx import convert
from driftlead_inference.metrics import Metrics
from driftlead_inference.model.preparing import PrepareRequest
from driftlead_inference.prepare import __main__ as preparing_process
from driftlead_inference.service import Service
from driftlead_inference.settings import Front, Settings
from neighbours.inference import asked
from serving import front


@dataclass(frozen=True)
class Hosted:
    """Where it listens, and the service itself."""

    url: str
    service: Service

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        return asked(self.url + path, body, headers)


async def prepare(settings: Settings) -> Path:
    """What the preparing process does, here."""
    request = PrepareRequest(
        settings.model, settings.name, "", str(settings.cache_dir), settings.onnx, "", 120
    )
    entry, convertible = preparing_process.prepare(request)
    if convertible is not None:
        preparing_process.converted(entry, request, convertible)
    return entry


@contextmanager
def hosted(
    folder: Path,
    home: Path,
    names: Sequence[str] | None = None,
    *,
    onnx: str = "off",
    kind: Front = Front.WIRE,
) -> Iterator[Client]:
    """A server of a model's folder. `onnx`: "auto" serves by ONNX Runtime wherever that was verified."""
    settings = Settings(
        model=str(folder), name=NAME, log_mode="off", cache_dir=home, spool_dir=home / "spool", onnx=onnx
    )
    port: list[int] = []
    failed: list[BaseException] = []
    ready, done = threading.Event(), threading.Event()
    service: list[Service] = []

    async def serve() -> None:
        service.append(Service(settings, Metrics("prod")))
        await startup.load(service[0])
        async with front(service[0], kind) as number:
            port.append(number)
            ready.set()
            await asyncio.to_thread(done.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
            ready.set()

    patches = (
        mock.patch.object(startup, "prepare", prepare),
        mock.patch.object(startup, "freeze", lambda: None),
        mock.patch.object(convert, "race", lambda *_: (True, 0.0, 0.0)),
    )
    # Drawing a traceback with its variables takes half a second.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    thread = threading.Thread(target=run, daemon=True)
    for patch in patches:
        patch.start()
    try:
        thread.start()
        ready.wait()
        if failed:
            raise failed[0]
        yield Client(Hosted(f"http://127.0.0.1:{port[0]}", service[0]), names)
    finally:
        done.set()
        thread.join()
        for patch in patches:
            patch.stop()
