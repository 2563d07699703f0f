"""Both sides of a comparison, minute by minute, from histograms and log in Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray

from driftlead_drift.check.windows import SLACK, Traffic, condition, in_stretch
from driftlead_drift.compare.comparison import Arm
from driftlead_drift.compare.labels import read_labels
from driftlead_drift.compare.truth import Tally
from driftlead_formats.binning import FeatureBins, Scanner
from driftlead_formats.histograms import LATENCY_BINS, unpack_latency

MINUTE = timedelta(minutes=1)
NO_LABELS = Tally()
SETTLED = timedelta(minutes=10)
"""Rows of a minute older than this do not come any more: pods deliver within seconds, and retry for
minutes."""


@dataclass
class Minutes:
    """What one side did, by the minute's start; filled from the database, each minute once it has ended.

    `predictions`: in the bins of prod's baseline; empty where there is none. `failures_known`: whether
    histograms told of requests that failed, which the log itself does not hold.
    """

    traffic: Traffic
    requests: dict[datetime, int] = field(default_factory=dict)
    errors: dict[datetime, int] = field(default_factory=dict)
    latency: dict[datetime, NDArray[np.int64]] = field(default_factory=dict)
    predictions: dict[datetime, NDArray[np.int64]] = field(default_factory=dict)
    labels: dict[datetime, Tally] = field(default_factory=dict)
    failures_known: bool = False


async def read(
    connection: asyncpg.Connection,
    side: Minutes,
    start: datetime,
    end: datetime,
    *,
    bins: FeatureBins | None,
    began: datetime,
) -> None:
    """Reads the minutes from `start` to before `end` anew; what was known of them is replaced.

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


def whole_minutes(start: datetime, end: datetime) -> list[datetime]:
    """The minutes that begin at `start` or later and have ended by `end`."""
    first = start.replace(second=0, microsecond=0)
    count = int((end - first) / MINUTE)
    return [first + n * MINUTE for n in range(max(count, 0))]


def arms(prod: Minutes, canary: Minutes, minutes: Sequence[datetime]) -> tuple[Arm, Arm]:
    """Both sides over the same minutes, as the judge takes them.

    Where no histograms tell of failed requests there is nothing to compare errors by: no requests at all are
    given, so that the check stays undecided instead of calling both faultless.
    """
    compared = bool(prod.predictions and canary.predictions)
    labels = bool(prod.labels and canary.labels)
    return (
        _arm(prod, minutes, compared=compared, labels=labels),
        _arm(canary, minutes, compared=compared, labels=labels),
    )


def _arm(side: Minutes, minutes: Sequence[datetime], *, compared: bool, labels: bool) -> Arm:
    return Arm(
        requests=_column(side.requests, minutes),
        errors=_column(side.errors, minutes),
        latency=_matrix(side.latency, minutes) if side.latency else None,
        predictions=_matrix(side.predictions, minutes) if compared else None,
        labels=[side.labels.get(minute, NO_LABELS) for minute in minutes] if labels else None,
    )


def _column(values: Mapping[datetime, int], minutes: Sequence[datetime]) -> NDArray[np.int64]:
    return np.array([values.get(minute, 0) for minute in minutes], dtype=np.int64)


def _matrix(values: Mapping[datetime, NDArray[Any]], minutes: Sequence[datetime]) -> NDArray[np.int64]:
    empty = np.zeros_like(next(iter(values.values())))
    if not minutes:
        return np.zeros((0, len(empty)), dtype=np.int64)
    return np.stack([values.get(minute, empty) for minute in minutes]).astype(np.int64)
