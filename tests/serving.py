"""Both fronts in this process, around a model of one line, with clock and request ids that repeat."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from itertools import count
from typing import Any

import numpy as np
import uvicorn
from numpy.typing import NDArray

from driftlead_inference.batching import Batcher, Pace
from driftlead_inference.engines.base import LoadedEngine
from driftlead_inference.fronts.app import create_app
from driftlead_inference.fronts.guarded import guarded_of
from driftlead_inference.fronts.wire import wire_of
from driftlead_inference.metrics import Metrics
from driftlead_inference.model.answers import AnswerForm
from driftlead_inference.model.prepared import Prepared, Source
from driftlead_inference.prediction_log import Off
from driftlead_inference.recorder.types import Row
from driftlead_inference.rows.signature import Signature, unnamed
from driftlead_inference.rows.validation import RowValidator
from driftlead_inference.service import Service, Serving
from driftlead_inference.settings import Front, Settings
from driftlead_log.frames import Mark

DATE = re.compile(rb"\r\ndate: [^\r\n]*")


class Sum:
    """A classifier: whether a row's sum is positive. A null counts as 0, 13 is refused, 14 has no answer."""

    flavour = "sklearn"

    def predict(self, data: Any, probabilities: bool = False) -> tuple[NDArray[Any], Any]:
        table = np.asarray(data, dtype=np.float64)
        if (table == 13).any():
            raise ValueError("thirteen brings bad luck")
        sums = np.nansum(table, axis=1)
        answers = np.where((table == 14).any(axis=1), np.nan, (sums > 0).astype(float))
        likely = np.stack([1 / (1 + np.exp(sums)), 1 / (1 + np.exp(-sums))], axis=1)
        return answers, likely if probabilities else None


class Kept(Off):
    """A log that keeps its rows here."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.marks: list[Mark] = []  # of each row
        self.forwarded: list[tuple[str, str, int]] = []
        self.failed: list[int] = []
        self.committed = asyncio.Event()
        self.appended = asyncio.Event()

    def append(self, rows: Any, mark: Mark = Mark.NONE) -> int:
        self.rows.extend(rows)
        self.marks.extend([mark] * len(rows))
        self.appended.set()
        return len(self.rows)

    async def durable(self, seq: int) -> None:
        await self.committed.wait()

    def count_status(self, status_class: int, latency_ms: float) -> None:
        self.failed.append(status_class)

    def count_forwarded(self, version: str, deployment: str, status_class: int, latency_ms: float) -> None:
        self.forwarded.append((version, deployment, status_class))


def known(validator: RowValidator, version: str = "3") -> Prepared:
    """What was found out about a classifier of two classes, at rest in every respect but its rows."""
    return Prepared(
        source=Source("registry", "Demo", version, "s3://mlflow/3", run_id="r1"),
        digest="d",
        signature=validator.signature,
        flavour="sklearn",
        engine="sklearn",
        engine_reason="",
        takes="array",
        accepts_missing=tuple(sorted(validator.accepts_missing)),
        accepts_huge=validator.accepts_huge,
        example=[0.0] * validator.width,
        example_kind="zeros",
        classes=[0, 1],
        probabilities=True,
        answer=AnswerForm("float64"),
    )


def service_of(
    signature: Signature | None = None, pace: Pace | None = None, version: str = "3", **changes: Any
) -> tuple[Service, Kept]:
    """A service that is ready. Call it in a running loop."""
    signature = signature or unnamed(3)
    options = {"model": "models:/Demo/3", "log_mode": "async", "postgres_dsn": "x", **changes}
    service = Service(Settings(**options), Metrics("prod"))
    validator = RowValidator(signature, frozenset({1}))
    engine = LoadedEngine(Sum(), signature, "array", ())
    batcher = Batcher(
        engine,
        validator,
        pace or Pace(0.0, 0.0),
        service.metrics,
        service.answered,
        batch_rows=service.settings.batch_rows,
        waiting_rows=service.settings.waiting_rows,
    )
    kept = Kept()
    service.log = kept
    service.ids = map("id-{}".format, count(1))
    service.clock = lambda: 1_700_000_000.0
    service.serving = Serving(known(validator, version), validator, batcher, "2026-01-01T00:00:00+00:00")
    return service, kept


@asynccontextmanager
async def front(service: Service, kind: Front) -> AsyncIterator[int]:
    """A uvicorn server with one of the fronts; its port."""
    app = create_app(service)
    app.publish("Demo", "3")
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=wire_of(service) if kind is Front.WIRE else guarded_of(service.settings.body_seconds),
        ws="none",
        proxy_headers=False,
        lifespan="off",
        access_log=False,
        server_header=False,
        log_config=None,
    )
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]  # they are pytest's
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await task


class Listener(asyncio.Protocol):
    """Collects what a server says until it closes; `reset` says that the kernel may have dropped the end."""

    def __init__(self) -> None:
        self.answer = b""
        self.reset = False
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.answer += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.reset = exc is not None
        self.closed.set()


async def talk(port: int, parts: list[bytes], pause: float = 0.0, patience: float = 3.0) -> bytes:
    """Everything that a server answers to parts sent one after another, until it closes; dates left out."""
    return (await conversation(port, parts, pause, patience)).answer


async def conversation(port: int, parts: list[bytes], pause: float, patience: float = 3.0) -> Listener:
    """The same, with whether the connection was reset: a server that closes without reading all does that."""
    transport, listener = await asyncio.get_running_loop().create_connection(Listener, "127.0.0.1", port)
    for part in parts:
        transport.write(part)
        await asyncio.sleep(pause)
    try:
        await asyncio.wait_for(listener.closed.wait(), patience)
    finally:
        transport.abort()
    listener.answer = DATE.sub(b"", listener.answer)
    return listener
