"""The three ways of reading a window count alike: per-minute histograms, packed float32, JSON."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest
import pytest_asyncio

from driftlead_drift.judging.facts import Window
from driftlead_drift.traffic import reading
from driftlead_drift.traffic.reading import count
from driftlead_drift.traffic.windows import find_window
from driftlead_formats.baseline import Baseline, build
from driftlead_formats.histograms import CLASSES, LATENCY_BINS, pack
from driftlead_formats.traffic import Traffic
from driftlead_log.migrate import apply
from neighbours.logged import copy_rows

HOUR = timedelta(hours=1)
ROWS = 20_000
START = (datetime.now(UTC) - timedelta(hours=2)).replace(second=0, microsecond=0)
TRAFFIC = Traffic(model_name="m", model_version="1", deployment="prod")


def rows(seed: int, number: int = ROWS) -> np.ndarray:
    """Ordinary values, spikes, few values, missing ones, extremes, and what float32 rounds."""
    random = np.random.default_rng(seed)
    matrix = np.column_stack(
        [
            random.normal(size=number),
            random.integers(0, 4, number),
            np.where(random.random(number) < 0.4, 0.0, random.exponential(size=number)),
            random.integers(16_777_000, 16_777_400, number),
            random.choice([0.1, 0.2, -1e30], number),
        ]
    ).astype(np.float64)
    matrix[random.random(matrix.shape) < 0.02] = np.nan
    if seed:
        matrix[::97, 4] = 1e300  # beyond float32: missing, whichever way it comes
    return matrix


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    matrix = rows(0)
    random = np.random.default_rng(1)
    return build(
        {f"x{i}": matrix[:, i] for i in range(5)}, prediction=random.integers(0, 2, ROWS).astype(float)
    )


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    await apply(database)
    made = await asyncpg.connect(database, statement_cache_size=0)
    await made.execute("TRUNCATE inference_logs, drift_hist")
    try:
        yield made
    finally:
        await made.close()


async def log(
    connection: asyncpg.Connection, matrix: np.ndarray, *, packed: bool = True, start: datetime = START
) -> None:
    """One row every 0.18 s."""
    step = HOUR / len(matrix)
    with np.errstate(over="ignore"):
        single = matrix.astype("<f4")
    records = [
        (start + i * step, "m", "1", 1.0, json.dumps([None if np.isnan(v) else v for v in row]),
         float(i % 2), "prod", single[i].tobytes() if packed else None)
        for i, row in enumerate(matrix.tolist())
    ]  # fmt: skip
    await copy_rows(connection, records, "features_f32")


async def add_histograms(connection: asyncpg.Connection, matrix: np.ndarray, baseline: Baseline) -> None:
    """What pods write: counts per minute, here of two pods."""
    minute_of = np.arange(len(matrix)) * 60 // len(matrix)
    for minute in range(60):
        for pod in (0, 1):
            chosen = np.flatnonzero(minute_of == minute)[pod::2]
            answers = baseline.count_prediction(chosen % 2 * 1.0)
            assert answers is not None
            await connection.execute(
                "INSERT INTO drift_hist (minute, spool_id, model_name, model_version, deployment, "
                "baseline_sha, rows, features, prediction, latency) "
                "VALUES ($1, $2, 'm', '1', 'prod', $3, $4, $5, $6, $7)",
                START + timedelta(minutes=minute), uuid.uuid4(), baseline.sha256, len(chosen),
                pack(np.concatenate(baseline.count(matrix[chosen]))), pack(answers),
                pack(np.zeros((len(CLASSES), LATENCY_BINS), dtype=np.int64)),
            )  # fmt: skip


async def window(connection: asyncpg.Connection, start: datetime, end: datetime) -> Window:
    number, packed = await connection.fetchrow(
        "SELECT count(*), count(features_f32) FROM inference_logs WHERE ts >= $1 AND ts < $2", start, end
    )
    return Window(start=start, end=end, rows=number, packed=packed)


def same(one: reading.Counts, other: reading.Counts) -> bool:
    assert one.prediction is not None
    assert other.prediction is not None
    pairs = zip([*one.features, one.prediction], [*other.features, other.prediction], strict=True)
    return one.rows == other.rows and all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "margin", [timedelta(), timedelta(seconds=17.3), timedelta(minutes=3, seconds=0.001)]
)
async def test_histograms_packed_rows_and_json_give_identical_counts(
    connection: asyncpg.Connection, baseline: Baseline, margin: timedelta
) -> None:
    matrix = rows(2)
    await log(connection, matrix)
    where = await window(connection, START + margin, START + HOUR - margin)
    packed = await count(connection, TRAFFIC, where, baseline, most=10**9)
    await add_histograms(connection, matrix, baseline)
    histograms = await count(connection, TRAFFIC, where, baseline, most=10**9)
    await connection.execute("UPDATE inference_logs SET features_f32 = NULL; TRUNCATE drift_hist")
    as_json = await count(
        connection, TRAFFIC, await window(connection, where.start, where.end), baseline, most=10**9
    )
    assert (packed.path, histograms.path, as_json.path) == ("packed", "histograms", "json")
    assert packed.rows == where.rows > 15_000
    assert same(packed, histograms)
    assert same(packed, as_json)
    assert packed.stretches is not None
    assert len(packed.stretches.rows) > 8
    assert packed.stretches.rows.sum() == packed.rows
    for other in (histograms.stretches, as_json.stretches):
        assert other is not None
        assert np.array_equal(other.edges, packed.stretches.edges)
        assert np.array_equal(other.rows, packed.stretches.rows)
        for one, two in zip(other.features, packed.stretches.features, strict=True):
            assert np.array_equal(one, two)
    in_memory = baseline.count(matrix[: len(matrix)]) if margin == timedelta() else packed.features
    assert all(np.array_equal(a, b) for a, b in zip(packed.features, in_memory, strict=True))


async def test_rows_that_no_histogram_holds_are_never_left_out(
    connection: asyncpg.Connection, baseline: Baseline
) -> None:
    matrix = rows(4)
    await log(connection, matrix)
    await add_histograms(connection, matrix, baseline)
    await log(connection, matrix[:1], start=START + timedelta(minutes=30))
    counted = await count(
        connection, TRAFFIC, await window(connection, START, START + HOUR), baseline, most=10**9
    )
    assert (counted.path, counted.rows) == ("packed", ROWS + 1)


async def test_histograms_of_another_baseline_are_not_used(
    connection: asyncpg.Connection, baseline: Baseline
) -> None:
    matrix = rows(5)
    await log(connection, matrix)
    await add_histograms(connection, matrix, baseline)
    other = build({f"x{i}": rows(0, 10_000)[:, i] for i in range(5)})
    counted = await count(
        connection, TRAFFIC, await window(connection, START, START + HOUR), other, most=10**9
    )
    assert counted.path == "packed"


async def test_rows_with_and_without_packed_features_add_up(
    connection: asyncpg.Connection, baseline: Baseline
) -> None:
    matrix = rows(6)
    await log(connection, matrix[:5000], packed=False)
    await log(connection, matrix[5000:])
    counted = await count(
        connection, TRAFFIC, await window(connection, START, START + 2 * HOUR), baseline, most=10**9
    )
    assert (counted.path, counted.rows) == ("packed and json", ROWS)
    assert all(np.array_equal(a, b) for a, b in zip(counted.features, baseline.count(matrix), strict=True))


async def test_the_last_hour_is_found_by_the_databases_clock(connection: asyncpg.Connection) -> None:
    await log(connection, rows(7, 100), start=datetime.now(UTC) - timedelta(minutes=59, seconds=50))
    await log(connection, rows(7, 100), start=datetime.now(UTC) - timedelta(hours=5))
    found = await find_window(connection, TRAFFIC, HOUR)
    assert found.rows == found.packed == 100
    assert not found.cut
    assert found.end - found.start == HOUR
