"""A window from Postgres as counts, by the cheapest way that its rows allow; memory does not grow with the
traffic.

Per-minute histograms where they hold every row of the minutes, else packed float32, else JSON. All three
count alike."""

from datetime import datetime, timedelta

import asyncpg
import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.facts import Window
from driftlead_drift.judging.stretches import edges
from driftlead_drift.traffic.counting import Counter, Counts
from driftlead_drift.traffic.rows import (
    HEADER_BYTES,
    TRAILER,
    count_lines,
    count_packed,
    packed_tuple,
)
from driftlead_drift.traffic.windows import condition, in_stretch
from driftlead_formats.baseline import Baseline
from driftlead_formats.histograms import by_feature, unpack
from driftlead_formats.traffic import Traffic

BATCH_BYTES = 1 << 20
JSON_BYTES = 1 << 18  # a batch of text takes some fifteen times its size while it is parsed
MINUTE = timedelta(minutes=1)


async def count(
    connection: asyncpg.Connection, traffic: Traffic, window: Window, baseline: Baseline, *, most: int
) -> Counts:
    """Counts a window. Where rows must be read and are more than `most`, each k-th is."""
    counter = Counter(baseline, stretches_of(window))
    if await count_histograms(connection, traffic, window, counter):
        return counter.counts(scanned=max(window.rows, counter.rows), every=1, path="histograms")
    every = max(1, -(-window.rows // most))
    condition_ = sampled(in_stretch(traffic, window.start, window.end), every)
    path = await count_rows(connection, condition_, counter, packed=window.packed)
    return counter.counts(scanned=window.rows, every=every, path=path)


def stretches_of(window: Window) -> NDArray[np.float64] | None:
    """Edges of the stretches in which the window is counted too: whole minutes, as histograms are."""
    first, last = window.first or window.start, window.last or window.end
    return edges(first.timestamp(), last.timestamp(), window.rows, shortest=MINUTE.total_seconds())


def sampled(where: str, every: int) -> str:
    """Each `every`-th of the rows, by their id."""
    return where if every == 1 else f"{where} AND id % {every} = 0"


async def count_rows(connection: asyncpg.Connection, where: str, counter: Counter, *, packed: int = 1) -> str:
    """Counts rows, packed ones by their float32, the others by JSON; by which ways, in words."""
    if not packed or not packable(counter.baseline):
        await copy_json(connection, where, counter)
        return "json"
    size = 4 * len(counter.baseline.features)
    await copy_packed(connection, f"{where} AND octet_length(features_f32) = {size}", counter)
    before = counter.rows
    await copy_json(connection, f"{where} AND octet_length(features_f32) IS DISTINCT FROM {size}", counter)
    return "packed" if counter.rows == before else "packed and json"


def packable(baseline: Baseline) -> bool:
    """Whether float32 says all of a row: no text, and nothing that float32 cannot tell apart."""
    outputs = [baseline.prediction] if baseline.prediction else []
    return all(bins.kind != "categorical" for bins in (*baseline.features, *outputs))


async def copy_json(connection: asyncpg.Connection, where: str, counter: Counter) -> None:
    """Counts the column `features` by COPY, in small batches."""
    pending = bytearray()

    async def take(data: bytes) -> None:
        pending.extend(data)
        if len(pending) >= JSON_BYTES:
            end = pending.rindex(b"\n") + 1
            count_lines(bytes(pending[:end]), counter)
            del pending[:end]

    await connection.copy_from_query(
        "SELECT extract(epoch FROM ts)::float8, "  # noqa: S608
        "CASE WHEN prediction NOT IN ('NaN', 'Infinity', '-Infinity') THEN prediction END, "
        f"to_json(prediction_label), features FROM inference_logs WHERE {where}",
        output=take,
        format="text",
        delimiter=",",
        null="null",
    )
    count_lines(bytes(pending), counter)


async def copy_packed(connection: asyncpg.Connection, where: str, counter: Counter) -> None:
    """Counts the column `features_f32` by COPY BINARY; `where` leaves only rows of the right length."""
    size = packed_tuple(len(counter.baseline.features)).itemsize
    pending = bytearray()
    header = HEADER_BYTES

    async def take(data: bytes) -> None:
        nonlocal header
        pending.extend(data)
        if header and len(pending) >= header:
            del pending[:header]
            header = 0
        if len(pending) >= BATCH_BYTES:
            end = len(pending) // size * size
            count_packed(bytes(pending[:end]), counter)
            del pending[:end]

    await connection.copy_from_query(
        f"SELECT ts, prediction, features_f32 FROM inference_logs WHERE {where}",  # noqa: S608
        output=take,
        format="binary",
    )
    count_packed(bytes(pending.removesuffix(TRAILER)), counter)


async def count_histograms(
    connection: asyncpg.Connection, traffic: Traffic, window: Window, counter: Counter
) -> bool:
    """Counts whole minutes by their histograms and the ends of the window by rows; whether that was possible.

    It is when the histograms of this baseline hold at least as many rows as the log has in those minutes:
    both were written in the same transactions, so they are the same rows, and those that the log does not
    keep."""
    start, end = _whole(window)
    if start >= end or not window.rows:
        return False
    ours = f"{condition(traffic)} AND minute >= $1 AND minute < $2 AND baseline_sha = $3"
    query = f"SELECT sum(rows) FROM drift_hist WHERE {ours}"  # noqa: S608
    held = await connection.fetchval(query, start, end, counter.baseline.sha256)
    ends = [(window.start, start), (end, window.end)]
    outside = [
        await connection.fetchval(f"SELECT count(*) FROM inference_logs WHERE {in_stretch(traffic, *each)}")  # noqa: S608
        for each in ends
    ]
    if held is None or held < window.rows - sum(outside):
        return False
    query = f"SELECT minute, rows, features, prediction FROM drift_hist WHERE {ours}"  # noqa: S608
    stored = await connection.fetch(query, start, end, counter.baseline.sha256)
    if not _add_minutes(stored, counter):
        return False
    for each, rows in zip(ends, outside, strict=True):
        if rows:
            await count_rows(connection, in_stretch(traffic, *each), counter)
    return True


def _add_minutes(stored: list[asyncpg.Record], counter: Counter) -> bool:
    """Adds the minutes' vectors; False, and nothing added, where they are not in the baseline's layout."""
    baseline = counter.baseline
    width = sum(bins.bin_count for bins in baseline.features)
    outputs = baseline.prediction.bin_count if baseline.prediction else 0
    places = counter.place([row["minute"].timestamp() for row in stored])
    features, answers, rows = (
        np.zeros((places.max(initial=0) + 1, *shape), dtype=np.int64) for shape in ((width,), (outputs,), ())
    )
    for place, row in zip(places, stored, strict=True):
        vectors = unpack(row["features"]), unpack(row["prediction"])
        if len(vectors[0]) != width or (outputs and len(vectors[1]) != outputs):
            return False
        features[place] += vectors[0]
        rows[place] += row["rows"]
        if outputs:
            answers[place] += vectors[1]
    for place in np.unique(places).tolist():
        held = by_feature(features[place], baseline)
        counter.add_counts(held, answers[place] if outputs else None, int(rows[place]), place)
    return True


def _whole(window: Window) -> tuple[datetime, datetime]:
    """The first and the last boundary of minutes within the window."""
    end = window.end.replace(second=0, microsecond=0)
    start = window.start.replace(second=0, microsecond=0)
    return (start if start == window.start else start + MINUTE), end
