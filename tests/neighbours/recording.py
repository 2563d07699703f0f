"""A server's recorder in a process that is killed, and a client that remembers what was answered."""

import asyncio
import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from driftlead_formats.baseline import Baseline, build
from driftlead_inference.recorder import Identity, Recorder, RecorderSettings, Row
from neighbours.processes import IMPORTS

FEATURES = 5
IDENTITY = Identity(
    model_name="flights",
    model_version="3",
    deployment="prod",
    cluster="cluster",
    namespace="team",
    resource="demo",
    pod="demo-prod-0",
)

# Children fork from a process that has imported everything, which Python 3.11 finds by PYTHONPATH only.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["neighbours.recording"])


def _baseline() -> Baseline:
    random_ = np.random.default_rng(7)
    columns = {f"f{i}": random_.normal(size=2000).astype(np.float32) for i in range(FEATURES)}
    return build(columns, prediction=random_.normal(size=2000))


BASELINE = _baseline()  # a reference of the features that `row` draws


def row(request_id: str, *, place: int = 0, ts: float | None = None, value: float | None = None) -> Row:
    """A plausible row, its features drawn from its id."""
    draw = random.Random(request_id)
    values = np.array([draw.gauss(0, 1) for _ in range(FEATURES)], dtype="<f4")
    if draw.random() < 0.1:
        values[0] = np.nan
    text = json.dumps([None if np.isnan(v) else float(v) for v in values]).encode()
    return Row(
        ts=time.time() if ts is None else ts,
        request_id=request_id,
        row=place,
        latency_ms=draw.uniform(0.2, 20),
        features_json=text,
        features_f32=values.tobytes(),
        prediction=draw.gauss(0, 1) if value is None else value,
    )


def rows(name: str, count: int, **more: Any) -> list[Row]:
    """Rows of one request."""
    return [row(f"{name}/{place}", place=place, **more) for place in range(count)]


@dataclass
class Child:
    """A running server; `acknowledged`: (sequence number of the last row, request ids) that were answered."""

    process: BaseProcess
    pipe: Connection
    acknowledged: list[tuple[int, list[str]]] = field(default_factory=list)
    silent: bool = False  # its end of the pipe is closed

    def read(self, seconds: float) -> None:
        """Takes what was answered in the next seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.silent:
            if self.pipe.poll(left):
                try:
                    self.acknowledged.append(self.pipe.recv())
                except EOFError:
                    self.silent = True

    def wait_for(self, answers: int, seconds: float = 60) -> None:
        """Waits until this number of requests was answered."""
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < answers and time.monotonic() < deadline:
            self.read(0.02)
        assert len(self.acknowledged) >= answers, f"only {len(self.acknowledged)} answers in {seconds} s"

    def send(self, sign: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, sign)

    def kill(self) -> None:
        """kill -9; what was answered before is read to the end."""
        self.process.kill()
        self._end()

    def stop(self, seconds: float = 60) -> None:
        """SIGTERM: drains and ends."""
        self.process.terminate()  # type: ignore[attr-defined]
        self._end(seconds)
        assert self.process.exitcode == 0, f"it ended with {self.process.exitcode}"

    def _end(self, seconds: float = 10) -> None:
        self.read(seconds)
        self.process.join(5)
        self.pipe.close()

    @property
    def ids(self) -> list[str]:
        """The request ids that were answered."""
        return [identifier for _, ids in self.acknowledged for identifier in ids]


_running: list[BaseProcess] = []


def kill_all() -> None:
    """Ends whatever a failed test left behind."""
    while _running:
        process = _running.pop()
        if process.is_alive():
            process.kill()


def start(name: str, dsn: str, folder: Path, **options: Any) -> Child:
    """Starts a server whose clients send requests named `name-n` without end."""
    os.environ["PYTHONPATH"] = IMPORTS
    receiving, sending = _context.Pipe(duplex=False)
    process = _context.Process(target=_run, args=(name, dsn, folder, options, sending), daemon=True)
    process.start()
    _running.append(process)
    sending.close()
    return Child(process, receiving)


def _run(name: str, dsn: str, folder: Path, options: dict[str, Any], pipe: Connection) -> None:
    asyncio.run(_serve(name, dsn, folder, options, pipe))


async def _serve(name: str, dsn: str, folder: Path, options: dict[str, Any], pipe: Connection) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    requests, drain = options.pop("requests", 10**9), options.pop("drain", 30)
    pause = options.pop("pause", 0.001)
    settings = RecorderSettings(dsn=lambda: dsn, spool_dir=folder, flush_seconds=0.01, **options)
    recorder = Recorder.open(settings, IDENTITY, BASELINE)
    await recorder.start()

    async def client(name: str) -> None:
        for number in range(requests):
            if stopping.is_set():
                return
            pipe.send(await _answered(f"{name}-{number}", recorder))
            await asyncio.sleep(pause)

    await asyncio.gather(*(client(f"{name}-{c}") for c in range(4)))
    await stopping.wait()
    await recorder.drain(drain)


async def _answered(name: str, recorder: Recorder) -> tuple[int, list[str]]:
    """A request of some rows; what its answer says."""
    batch = rows(name, random.choice([1, 1, 2, 7]))
    seq = recorder.append(batch)
    if recorder.health()["mode"] == "durable":
        await recorder.durable(seq)
    return seq, [one.request_id for one in batch]


async def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Waits until something is true; fails when it does not come to that."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.01)


def in_flight(children: Sequence[Child], clients: int = 4, most: int = 7) -> int:
    """How many rows may be in the log unanswered: each client had one request under way at a kill."""
    return len(children) * clients * most
