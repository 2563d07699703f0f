"""Both sides of a comparison, minute by minute, from histograms and log in Postgres."""

from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import orjson

from driftlead_drift.compare.labels import read_labels
from driftlead_drift.judging.evidence import MINUTE, Minutes, PodMinute
from driftlead_drift.traffic.windows import SLACK, condition, in_stretch
from driftlead_formats.baseline.binning import FeatureBins, Scanner
from driftlead_formats.histograms import unpack_latency
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
    side.pods |= await read_pods(connection, side.traffic, start, end)
    if bins is not None:
        await _read_predictions(connection, side, start, end, bins)
    side.labels |= await read_labels(connection, side.traffic, (began, end), (start, end), MINUTE)


async def read_pods(
    connection: asyncpg.Connection, traffic: Traffic, start: datetime, end: datetime
) -> dict[datetime, dict[str, PodMinute]]:
    """What each pod did in the minutes from `start` to before `end`, from the histograms."""
    # A spool's minute has a row for each baseline in whose bins it was counted, and each request is in every
    # one of these: the one with the most requests is taken.
    rows = await connection.fetch(
        "SELECT DISTINCT ON (minute, spool_id) minute, pod, rows, requests, failed_5xx, latency "  # noqa: S608
        f"FROM drift_hist WHERE {condition(traffic)} AND minute >= $1 AND minute < $2 "
        "ORDER BY minute, spool_id, requests DESC",
        start,
        end,
    )
    found: dict[datetime, dict[str, PodMinute]] = {}
    for row in rows:
        latency = unpack_latency(row["latency"])[0]
        seen = PodMinute(row["requests"] + row["failed_5xx"], row["failed_5xx"], latency, row["rows"])
        pods = found.setdefault(row["minute"], {})
        pods[row["pod"]] = pods[row["pod"]] + seen if row["pod"] in pods else seen
    return found


async def _read_predictions(
    connection: asyncpg.Connection, side: Minutes, start: datetime, end: datetime, bins: FeatureBins
) -> None:
    """Counts predictions by minute. Rows of one request are not independent: they count as their worth.

    n rows in requests of m_1, m_2, ... rows are worth n^2 / (m_1^2 + m_2^2 + ...) independent ones where a
    request's rows are all alike (Kish 1965, section 8.2), which is the most careful guess.
    """
    scanner = Scanner([bins])
    found: dict[int, list[object]] = {}
    squares: dict[int, int] = {}

    async def take(data: bytes) -> None:
        pending.extend(data)

    pending = bytearray()
    await connection.copy_from_query(
        'SELECT floor(extract(epoch FROM ts) / 60)::bigint, coalesce("row", 0), '  # noqa: S608
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
        when, place, number, label = line.split(b"\t", 3)
        text = orjson.loads(label)
        found.setdefault(int(when), []).append(orjson.loads(number) if text is None else text)
        # 1 + 3 + 5 + ... to the m-th odd number is m squared: each row adds its own by its place.
        squares[int(when)] = squares.get(int(when), 0) + 2 * int(place) + 1
    for minute_number, values in found.items():
        minute = datetime.fromtimestamp(minute_number * 60, UTC)
        codes = bins.codes(np.array(values, dtype=object)).reshape(-1, 1)
        counts = scanner.count(codes)[0].astype(np.float64)
        side.predictions[minute] = counts * (len(values) / squares[minute_number])


async def first_minute(connection: asyncpg.Connection, traffic: Traffic, since: datetime) -> datetime | None:
    """The minute in which this version first answered or failed after `since`, None if it did neither."""
    found: datetime | None = await connection.fetchval(
        "SELECT least("  # noqa: S608
        f"(SELECT min(ts) FROM inference_logs WHERE {condition(traffic)} AND ts >= $1 "
        f"AND logged_at >= $1 - interval '{SLACK}'), "
        f"(SELECT min(minute) FROM drift_hist WHERE {condition(traffic)} AND minute >= $1))",
        since,
    )
    return found
