"""Which rows of the log are meant: a version's window of traffic, found in Postgres, and as SQL.

Two clocks stamp a row. `ts` is the pod's time of acceptance and decides which window it belongs to;
`logged_at` is the database's time of arrival, by which partitions are cut. A query names both, the second
with an hour of slack for pods whose clock is ahead, so that partitions of earlier days are not read. A window
ends at the database's present, not at ours.

A window never spans two versions: it starts after the last row that another version answered under the same
deployment (`cut`). Rows may still lie in a pod's spool when the window is read; they are not waited for, the
report says up to when the slowest pod has delivered (`pending_since`).
"""

from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.facts import Window
from driftlead_formats.traffic import Traffic

SLACK = timedelta(hours=1)
"""How far a pod's clock may be ahead of the database's: `logged_at`, by which partitions are cut, is the
latter's.
"""


def condition(traffic: Traffic, table: str = "") -> str:
    """The rows of a Traffic as SQL; COPY takes no parameters, so the values are quoted here.

    `table`: what stands before each column (`l.`).
    """
    parts = {
        "model_name": traffic.model_name,
        "model_version": traffic.model_version,
        **deployment_columns(traffic),
    }
    return " AND ".join(f"{table}{name} = {literal(value)}" for name, value in parts.items())


def deployment_columns(traffic: Traffic) -> dict[str, str]:
    """The columns that tell whose traffic a row is, of whatever model."""
    where = {"cluster": traffic.cluster, "namespace": traffic.namespace, "resource": traffic.resource}
    return {"deployment": traffic.deployment, **{name: value for name, value in where.items() if value}}


def literal(value: str) -> str:
    """A text as an SQL literal, whatever it holds. Raises CannotJudgeError for a NUL."""
    if "\0" in value:
        raise CannotJudgeError(f"{value!r} holds a NUL byte, which no name in the log can have")
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


async def serving_version(connection: asyncpg.Connection, traffic: Traffic) -> str | None:
    """The version that answered last, None when nothing was logged."""
    where = " AND ".join(
        f"{name} = {literal(value)}"
        for name, value in {"model_name": traffic.model_name, **deployment_columns(traffic)}.items()
    )
    found: str | None = await connection.fetchval(
        f"SELECT model_version FROM inference_logs WHERE {where} ORDER BY ts DESC NULLS LAST LIMIT 1"  # noqa: S608
    )
    return found


async def find_window(connection: asyncpg.Connection, traffic: Traffic, length: timedelta) -> Window:
    """The last `length` of traffic up to the database's present; it starts where the version changed last."""
    now: datetime = await connection.fetchval("SELECT now()")
    start = now - length
    window = await _measured(connection, traffic, start, now)
    if window.last is None:
        return window
    others = " AND ".join(f"{name} = {literal(value)}" for name, value in deployment_columns(traffic).items())
    changed: datetime | None = await connection.fetchval(
        f"SELECT max(ts) FROM inference_logs WHERE {others} AND {SINCE} AND ts <= $3 "  # noqa: S608
        f"AND (model_name <> {literal(traffic.model_name)} "
        f"OR model_version <> {literal(traffic.model_version)})",
        start,
        now,
        window.last,
    )
    if changed is not None:
        window = await _measured(connection, traffic, changed + timedelta(microseconds=1), now)
        window = replace(window, cut=True)
    return replace(window, pending_since=await watermark(connection, traffic))


SINCE = f"ts >= $1 AND ts < $2 AND logged_at >= $1 - interval '{SLACK}'"


async def _measured(
    connection: asyncpg.Connection, traffic: Traffic, start: datetime, end: datetime
) -> Window:
    row = await connection.fetchrow(
        "SELECT count(*), min(ts), max(ts), count(octet_length(features_f32)) FROM inference_logs "  # noqa: S608
        f"WHERE {condition(traffic)} AND {SINCE}",
        start,
        end,
    )
    rows, first, last, packed = row if row is not None else (0, None, None, 0)
    return Window(start=start, end=end, rows=rows, first=first, last=last, packed=packed)


async def watermark(connection: asyncpg.Connection, traffic: Traffic) -> datetime | None:
    """The acceptance time up to which the slowest live pod has delivered; None where no pod lags.

    A spool that moved in the last ten minutes but whose last row is older than its last move by more than a
    minute is behind.
    """
    where = {"cluster": traffic.cluster, "namespace": traffic.namespace, "resource": traffic.resource}
    named = " AND ".join(f"{name} = {literal(value)}" for name, value in where.items() if value) or "TRUE"
    slowest: datetime | None = await connection.fetchval(
        f"SELECT min(last_ts) FROM log_spools WHERE {named} AND updated_at > now() - interval '10 minutes' "  # noqa: S608
        "AND last_ts < updated_at - interval '1 minute'"
    )
    return slowest


def in_stretch(traffic: Traffic, start: datetime, end: datetime) -> str:
    """The rows from `start` to before `end` as SQL; partitions of earlier days are not touched."""
    since, until = literal(start.isoformat()), literal(end.isoformat())
    return (
        f"{condition(traffic)} AND ts >= {since} AND ts < {until} "
        f"AND logged_at >= {since}::timestamptz - interval '{SLACK}'"
    )
