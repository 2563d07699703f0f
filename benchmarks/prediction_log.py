"""What the prediction log costs: append, histograms, delivery, bytes per row.

Run: python -m benchmarks.prediction_log [DSN]. Without a DSN a private Postgres is started. Figures are
medians; nothing is pinned to a core.
"""

import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import numpy as np

from driftlead_formats.baseline import build
from driftlead_inference.recorder import Identity, Recorder, RecorderSettings, Row
from driftlead_log import row_tuples
from driftlead_log.counting import count
from driftlead_log.frames import Frame, Kind
from driftlead_log.migrate import apply
from neighbours import postgres
from neighbours.recording import until

FEATURES = 20
IDENTITY = Identity(
    model_name="DriftAwareDemoModel",
    model_version="3",
    deployment="prod",
    cluster="kind",
    namespace="default",
    resource="demo",
    pod="demo-prod-5f7c9-abcde",
)
RANDOM = np.random.default_rng(1)
MATRIX = RANDOM.normal(size=(5000, FEATURES)).astype("<f4")
BASELINE = build({f"f{i}": MATRIX[:, i] for i in range(FEATURES)}, prediction=RANDOM.random(5000))
TEXTS = [json.dumps([round(float(v), 3) for v in values]).encode() for values in MATRIX]
PACKED = [values.tobytes() for values in MATRIX]


def rows(number: int, size: int) -> list[Row]:
    return [
        Row(1.79e9 + number, f"{number:08x}-4b5e-4c6f-8d7a-{i:012x}", 0, 1.25, TEXTS[(number + i) % 5000],
            PACKED[(number + i) % 5000], 0.5)
        for i in range(size)
    ]  # fmt: skip


def median_us(work: Callable[[int], object], times: int, per: int) -> float:
    """Median microseconds per row of `work(i)`, measured in groups."""
    taken = []
    for i in range(times):
        began = time.perf_counter()
        work(i)
        taken.append((time.perf_counter() - began) / per * 1e6)
    return statistics.median(taken)


def appending() -> None:
    print("append: microseconds per row, and what one row takes in the spool")
    for size in (1, 8, 32, 256):
        with tempfile.TemporaryDirectory() as folder:
            settings = RecorderSettings(dsn=lambda: "", spool_dir=Path(folder), spool_bytes=2**30)
            recorder = Recorder.open(settings, IDENTITY, BASELINE)
            batches = [rows(i, size) for i in range(max(20, 4000 // size))]
            cost = median_us(lambda i, b=batches, r=recorder: r.append(b[i]), len(batches), size)  # type: ignore[misc]
            held = recorder.spool.size / recorder.last_seq
            print(f"  batches of {size:>3}: {cost:6.2f} us/row   {held:6.0f} bytes/row")


def counting() -> None:
    print("histograms: microseconds per row (20 features, prediction, latency)")
    for size in (16, 256, 1024):
        payload = row_tuples.payload(rows(0, size), 1)
        frame = Frame(Kind.ROWS, 1, size, payload, 0, len(payload))
        cost = median_us(lambda _, f=frame: count([f], BASELINE), 40, size)  # type: ignore[misc]
        print(f"  batches of {size:>4}: {cost:6.2f} us/row")


async def delivering(dsn: str, total: int = 60_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = RecorderSettings(dsn=lambda: dsn, spool_dir=Path(folder), spool_bytes=2**30)
        recorder = Recorder.open(settings, IDENTITY, BASELINE)
        for i in range(total // 32):
            recorder.append(rows(i, 32))
        began, cpu = time.perf_counter(), time.process_time()
        await recorder.start()
        await until(lambda: not recorder.pending, 120)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        done = recorder.writer.progress
        print(
            f"delivery of a backlog (duty {settings.duty:.0%}): {recorder.last_seq / seconds:,.0f} rows/s, "
            f"{cpu / recorder.last_seq * 1e6:.1f} us client CPU/row, {done.transactions} transactions"
        )
        await recorder.drain(10)
    connection = await asyncpg.connect(dsn)
    size = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('inference_logs') WHERE isleaf"
    )
    written = await connection.fetchval("SELECT count(*) FROM inference_logs")
    print(f"in Postgres: {written} rows of {recorder.last_seq} appended, {size / written:.0f} bytes/row")
    await connection.close()


async def steady(dsn: str, rate: int, seconds: int = 5) -> None:
    """How long a row waits at a steady rate, and what the writer costs."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder.open(
            RecorderSettings(dsn=lambda: dsn, spool_dir=Path(folder)), IDENTITY, BASELINE
        )
        await recorder.start()
        lags, cpu, began = [], time.process_time(), time.perf_counter()
        for i in range(rate * seconds):
            recorder.append([Row(time.time(), f"{i:036x}", 0, 1.0, TEXTS[i % 5000], PACKED[i % 5000], 0.5)])
            lags.append(recorder.lag_seconds)
            await asyncio.sleep(max(0, began + (i + 1) / rate - time.perf_counter()))
        cpu = (time.process_time() - cpu) / seconds
        lags.sort()
        print(
            f"at {rate}/s: lag median {lags[len(lags) // 2] * 1e3:.0f} ms, "
            f"p99 {lags[int(len(lags) * 0.99)] * 1e3:.0f} ms, "
            f"{recorder.writer.progress.transactions / seconds:.1f} transactions/s, {cpu:.1%} of a core"
        )
        await recorder.drain(10)


async def main(dsn: str) -> None:
    await apply(dsn)
    appending()
    counting()
    await delivering(dsn)
    for rate in (100, 1000):
        await steady(dsn, rate)
    print(f"resident at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with postgres(fsync=True) as server:
            asyncio.run(main(server.create_database()))
