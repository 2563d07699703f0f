"""Both sides of a comparison, minute by minute, from histograms and log in Postgres."""

from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import orjson

from driftlead_drift.compare.labels import read_labels
from driftlead_drift.judging.evidence import MINUTE, Minutes
from driftlead_drift.traffic.windows import SLACK, condition, in_stretch
from driftlead_formats.baseline.binning import FeatureBins, Scanner
from driftlead_formats.histograms import LATENCY_BINS, unpack_latency
from driftlead_formats.traffic import Traffic

SETTLED = timedelta(minutes=10)
"""Rows of a minute older than this do not come any more: pods deliver within seconds, and retry for
minutes."""


async def read_minutes(
    connection: asyncpg.Connection,
    side: Minutes,
    start: datetime,
    end: datetime,
    *,
    bins: FeatureBins | None,
    began: datetime,
) -> None:
    """Reads the minutes from `start` to before `end` again; what was known of them is replaced.

    Labels count in the minute they came, for rows answered since the comparison `began`: the same traffic.
    """
    await _read_histograms(connection, side, start, end)
    if bins is not None:
        await _read_predictions(connection, side, start, end, bins)
    side.labels |= await read_labels(connection, side.traffic, (began, end), (start, end), MINUTE)


async def _read_histograms(
    connection: asyncpg.Connection, side: Minutes, start: datetime, end: datetime
) -> None:
    # A spool's minute has a row for each baseline in whose bins it was counted, and each request is in every
    # one of these: the one with the most rows is taken.
    rows = await connection.fetch(
        "SELECT DISTINCT ON (minute, spool_id) minute, rows, failed_5xx, latency FROM drift_hist "  # noqa: S608
        f"WHERE {condition(side.traffic)} AND minute >= $1 AND minute < $2 "
        "ORDER BY minute, spool_id, rows DESC",
        start,
        end,
    )
    for minute in {row["minute"] for row in rows}:
        side.requests[minute], side.errors[minute] = 0, 0
        side.latency[minute] = np.zeros(LATENCY_BINS, dtype=np.int64)
    for row in rows:
        side.failures_known = True
        side.requests[row["minute"]] += row["rows"] + row["failed_5xx"]
        side.errors[row["minute"]] += row["failed_5xx"]
        side.latency[row["minute"]] = side.latency[row["minute"]] + unpack_latency(row["latency"])[0]


async def _read_predictions(
    connection: asyncpg.Connection, side: Minutes, start: datetime, end: datetime, bins: FeatureBins
) -> None:
    scanner = Scanner([bins])
    found: dict[int, list[object]] = {}

    async def take(data: bytes) -> None:
        pending.extend(data)

    pending = bytearray()
    await connection.copy_from_query(
        "SELECT floor(extract(epoch FROM ts) / 60)::bigint, "  # noqa: S608
        "CASE WHEN prediction NOT IN ('NaN', 'Infinity', '-Infinity') THEN prediction END, "
        "to_json(prediction_label) FROM inference_logs "
        f"WHERE {in_stretch(side.traffic, start, end)} ORDER BY 1",
        output=take,
        format="csv",
        delimiter="\t",
        quote="\x01",
        null="null",
    )
    for line in bytes(pending).splitlines():
        when, number, label = line.split(b"\t", 2)
        text = orjson.loads(label)
        found.setdefault(int(when), []).append(orjson.loads(number) if text is None else text)
    for minute_number, values in found.items():
        minute = datetime.fromtimestamp(minute_number * 60, UTC)
        codes = bins.codes(np.array(values, dtype=object)).reshape(-1, 1)
        side.predictions[minute] = scanner.count(codes)[0]


async def first_row(connection: asyncpg.Connection, traffic: Traffic, since: datetime) -> datetime | None:
    """When this version answered first after `since`, None if it did not."""
    found: datetime | None = await connection.fetchval(
        f"SELECT min(ts) FROM inference_logs WHERE {condition(traffic)} AND ts >= $1 "  # noqa: S608
        f"AND logged_at >= $1 - interval '{SLACK}'",
        since,
    )
    return found
