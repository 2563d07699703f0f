"""Partitions of the prediction log: days ahead are made, days past their keep are dropped.

Each change is a short transaction with a lock timeout: while it waits, the servers' spools take the rows.
(Postgres detaches a partition concurrently only where there is no default one; we want the default, because
a log whose partitions nobody makes must go on taking rows.)
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

LOCK = 0x64726966746C6562  # beside the one of migrations
LOCK_TIMEOUT = "2s"
DAY = timedelta(days=1)
SPOOLS_KEPT = timedelta(days=365)
"""How long positions of spools are kept: an undelivered segment that is older is not imported."""

log = structlog.get_logger(__name__)


@dataclass
class Maintained:
    """What a call changed: partitions by name, rows that left the default one, tables that stayed locked."""

    created: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    moved: int = 0
    busy: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Partition:
    """A partition's bounds; `start` None reaches back without end."""

    name: str
    start: datetime | None
    end: datetime


async def maintain(
    connection: asyncpg.Connection, now: datetime, ahead_days: int = 14, keep_days: int = 90
) -> Maintained:
    """Makes partitions until `ahead_days` after `now`, drops those that ended `keep_days` before it.

    `now` must be aware. The connection's role must own `inference_logs` (or be a member of the owner). Rows
    that lie in the default partition, because nobody called this in time, move to their days. A table that
    stays locked is left for the next call and named in `busy`.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    oldest, done = today - keep_days * DAY, Maintained()
    existing = await partitions(connection)
    wanted = {today + n * DAY for n in range(ahead_days + 1)} | await _days_in_default(connection, oldest)
    for day in sorted(wanted):
        if not any((p.start is None or p.start <= day) and day < p.end for p in existing):
            await _create(connection, day, done)
    for partition in existing:
        if partition.end <= oldest:
            await _drop(connection, partition, done)
    await _forget(connection, oldest, today - SPOOLS_KEPT)
    log.info("partitions maintained", **vars(done))
    return done


async def partitions(connection: asyncpg.Connection) -> list[Partition]:
    """The range partitions of `inference_logs`, oldest first."""
    async with connection.transaction():
        await connection.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'")
        rows = await connection.fetch(
            "SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound "
            "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'inference_logs'::regclass"
        )
    found = [_partition(row["name"], row["bound"]) for row in rows]
    return sorted((p for p in found if p), key=lambda p: p.end)


def _partition(name: str, bound: str) -> Partition | None:
    match = re.fullmatch(r"FOR VALUES FROM \((?:'([^']+)'|MINVALUE)\) TO \('([^']+)'\)", bound)
    if match is None:
        return None  # the default partition, or one that somebody else made
    start, end = match.groups()
    return Partition(name, _time(start) if start else None, _time(end))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


async def _days_in_default(connection: asyncpg.Connection, oldest: datetime) -> set[datetime]:
    days = await connection.fetch(
        "SELECT DISTINCT date_trunc('day', logged_at, 'UTC') AS day FROM inference_logs_default "
        "WHERE logged_at >= $1",
        oldest,
    )
    return {row["day"].astimezone(UTC) for row in days}


@asynccontextmanager
async def _short_transaction(
    connection: asyncpg.Connection, name: str, done: Maintained
) -> AsyncIterator[None]:
    """A transaction that gives up, and says so in `busy`, when a lock does not come in time."""
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            yield
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
        log.warning("a partition stayed locked, left for the next run", partition=name, error=str(error))
        done.busy.append(name)


async def _create(connection: asyncpg.Connection, day: datetime, done: Maintained) -> None:
    name = f"inference_logs_p{day:%Y%m%d}"
    bounds = f"'{day.isoformat()}', '{(day + DAY).isoformat()}'".split(", ")
    inside = f"logged_at >= {bounds[0]} AND logged_at < {bounds[1]}"
    async with _short_transaction(connection, name, done):
        if await connection.fetchval("SELECT to_regclass($1)", name):
            return  # another job made it a moment ago
        await connection.execute(f"CREATE TABLE {name} (LIKE inference_logs INCLUDING DEFAULTS)")
        await connection.execute(
            "LOCK TABLE ONLY inference_logs IN SHARE UPDATE EXCLUSIVE MODE; "
            "LOCK TABLE inference_logs_default IN ACCESS EXCLUSIVE MODE"
        )
        moved = await connection.execute(
            f"WITH late AS (DELETE FROM inference_logs_default WHERE {inside} RETURNING *) "  # noqa: S608
            f"INSERT INTO {name} SELECT * FROM late"
        )
        await connection.execute(
            f"ALTER TABLE inference_logs ATTACH PARTITION {name} "
            f"FOR VALUES FROM ({bounds[0]}) TO ({bounds[1]})"
        )
        done.moved += int(moved.split()[-1])
        done.created.append(name)


async def _drop(connection: asyncpg.Connection, partition: Partition, done: Maintained) -> None:
    async with _short_transaction(connection, partition.name, done):
        await connection.execute(f'DROP TABLE IF EXISTS "{partition.name}"')
        done.dropped.append(partition.name)


async def _forget(connection: asyncpg.Connection, oldest: datetime, spools: datetime) -> None:
    """Deletes what has no partitions and is past its keep."""
    await connection.execute("DELETE FROM inference_logs_default WHERE logged_at < $1", oldest)
    await connection.execute("DELETE FROM drift_hist WHERE minute < $1", oldest)
    await connection.execute("DELETE FROM inference_logs_rejected WHERE rejected_at < $1", oldest)
    await connection.execute("DELETE FROM inference_logs_dropped WHERE recorded_at < $1", oldest)
    await connection.execute("DELETE FROM log_spools WHERE updated_at < $1", spools)
