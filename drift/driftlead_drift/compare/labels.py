"""Labels from Postgres, joined to the rows that they belong to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson

from driftlead_drift.judging.truth import Labelled, Tally, label_result
from driftlead_drift.traffic.windows import SLACK, condition
from driftlead_formats.traffic import Traffic

AT_ONCE = 5_000  # rows in memory
EARLIER = timedelta(days=30)
"""How far back the version's own past is looked at."""


async def read_labels(
    connection: asyncpg.Connection,
    traffic: Traffic,
    answered: tuple[datetime, datetime],
    received: tuple[datetime, datetime],
    unit: timedelta,
) -> dict[datetime, Tally]:
    """By each `unit` of the time they came: labels `received` in a stretch of rows `answered` in another.

    Ends are excluded. Needs a transaction. Without the table `feedback` there are none.
    """
    if await connection.fetchval("SELECT to_regclass('feedback')") is None:
        return {}
    found: dict[datetime, Tally] = {}
    seconds = int(unit.total_seconds())
    rows = connection.cursor(
        "SELECT floor(extract(epoch FROM f.received_at) / $5)::bigint, f.label, f.label_text, "  # noqa: S608
        "l.prediction, l.prediction_label, l.outputs::text FROM feedback f "
        'JOIN inference_logs l ON l.request_id = f.request_id AND l."row" = f."row" '
        f"WHERE {condition(traffic, 'l.')} AND l.ts >= $1 AND l.ts < $2 "
        f"AND l.logged_at >= $1 - interval '{SLACK}' AND f.received_at >= $3 AND f.received_at < $4",
        *answered,
        *received,
        seconds,
        prefetch=AT_ONCE,
    )
    async for number, label, text, prediction, said, outputs in rows:
        when = datetime.fromtimestamp(number * seconds, UTC)
        row = Labelled(label, text, prediction, said, None if outputs is None else orjson.loads(outputs))
        found.setdefault(when, Tally()).add(label_result(row))
    return found


async def earlier_labels(
    connection: asyncpg.Connection, traffic: Traffic, start: datetime
) -> dict[datetime, Tally]:
    """By hours: labels of the version's rows before `start` that had come by then, at most EARLIER back."""
    since = (start - EARLIER, start)
    return await read_labels(connection, traffic, since, since, timedelta(hours=1))


def in_order(tallies: Mapping[datetime, Tally]) -> list[Tally]:
    """By time."""
    return [tally for _, tally in sorted(tallies.items())]
