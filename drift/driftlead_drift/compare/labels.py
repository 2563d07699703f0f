"""Labels from Postgres, joined to the rows that they belong to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson

from driftlead_drift.judging.evidence import LabelBlock
from driftlead_drift.judging.truth import Labelled, LabelResult, Tally, label_result
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
) -> dict[LabelBlock, Tally]:
    """By each `unit` of the time they came and of the time their rows were answered: labels `received` in a
    stretch of rows `answered` in another.

    Ends are excluded. Needs a transaction. Without the table `feedback` there are none.
    """
    if await connection.fetchval("SELECT to_regclass('feedback')") is None:
        return {}
    found: dict[LabelBlock, Tally] = {}
    seconds = int(unit.total_seconds())
    rows = connection.cursor(
        "SELECT floor(extract(epoch FROM f.received_at) / $5)::bigint, "  # noqa: S608
        "floor(extract(epoch FROM l.ts) / $5)::bigint, l.request_id, f.label, f.label_text, "
        "l.prediction, l.prediction_label, l.outputs::text FROM feedback f "
        'JOIN inference_logs l ON l.request_id = f.request_id AND l."row" = f."row" '
        f"WHERE {condition(traffic, 'l.')} AND l.ts >= $1 AND l.ts < $2 "
        f"AND l.logged_at >= $1 - interval '{SLACK}' AND f.received_at >= $3 AND f.received_at < $4 "
        "ORDER BY 1, 2, 3",
        *answered,
        *received,
        seconds,
        prefetch=AT_ONCE,
    )
    request: list[LabelResult] = []
    current: tuple[int, int, str] | None = None

    def close() -> None:
        if current is not None:
            came, answered_at = (datetime.fromtimestamp(n * seconds, UTC) for n in current[:2])
            found.setdefault((came, answered_at), Tally()).add(*request)

    async for came, at, request_id, label, text, prediction, said, outputs in rows:
        if (came, at, request_id) != current:
            close()
            request, current = [], (came, at, request_id)
        row = Labelled(label, text, prediction, said, None if outputs is None else orjson.loads(outputs))
        request.append(label_result(row))
    close()
    return found


async def earlier_labels(
    connection: asyncpg.Connection, traffic: Traffic, start: datetime
) -> dict[LabelBlock, Tally]:
    """By hours: labels of the version's rows before `start` that had come by then, at most EARLIER back."""
    since = (start - EARLIER, start)
    return await read_labels(connection, traffic, since, since, timedelta(hours=1))


def in_order(tallies: Mapping[LabelBlock, Tally]) -> list[Tally]:
    """By time."""
    return [tally for _, tally in sorted(tallies.items())]
