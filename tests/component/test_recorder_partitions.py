"""Partitions ahead and retention of the prediction log."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from driftlead_log.migrate import apply
from driftlead_log.partitions import maintain, partitions
from neighbours import Postgres

ROW = (
    "INSERT INTO inference_logs "
    "(model_name, model_version, latency_ms, features, prediction, deployment, logged_at)"
)


@pytest.fixture
async def connection(postgres_server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    dsn = postgres_server.create_database()
    await apply(dsn)
    connected = await asyncpg.connect(dsn)
    yield connected
    await connected.close()


async def insert(connection: asyncpg.Connection, logged_at: datetime) -> None:
    await connection.execute(f"{ROW} VALUES ('m', '1', 1, '[]', 1, 'prod', $1)", logged_at)


async def test_days_ahead_exist_after_a_call_and_a_second_call_changes_nothing(
    connection: asyncpg.Connection,
) -> None:
    now = datetime.now(UTC)
    first = await maintain(connection, now, ahead_days=20)
    again = await maintain(connection, now, ahead_days=20)
    assert len(first.created) == 6
    assert not again.created and not again.dropped and not again.busy
    assert (await partitions(connection))[-1].end > now + timedelta(days=20)


async def test_rows_that_fell_into_the_default_partition_move_to_their_day(
    connection: asyncpg.Connection,
) -> None:
    late = datetime.now(UTC) + timedelta(days=40)
    for hours in (0, 1, 30):
        await insert(connection, late + timedelta(hours=hours))
    assert await connection.fetchval("SELECT count(*) FROM inference_logs_default") == 3
    done = await maintain(connection, late, ahead_days=2)
    assert done.moved == 3
    assert await connection.fetchval("SELECT count(*) FROM inference_logs_default") == 0
    assert await connection.fetchval("SELECT count(*) FROM inference_logs") == 3


async def test_days_past_their_keep_are_dropped_with_everything_of_their_age(
    connection: asyncpg.Connection,
) -> None:
    now = datetime.now(UTC)
    await insert(connection, now)
    later = now + timedelta(days=9)
    await insert(connection, later)
    done = await maintain(connection, later, ahead_days=1, keep_days=7)
    assert len(done.dropped) == 2
    assert await connection.fetchval("SELECT count(*) FROM inference_logs") == 1


async def test_a_partition_that_somebody_reads_is_left_for_the_next_call(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, postgres_server: Postgres
) -> None:
    monkeypatch.setattr("driftlead_log.partitions.LOCK_TIMEOUT", "100ms")
    later = datetime.now(UTC) + timedelta(days=9)
    database = await connection.fetchval("SELECT current_database()")
    reader = await asyncpg.connect(postgres_server.dsn(database))
    async with reader.transaction():
        await reader.fetch("SELECT count(*) FROM inference_logs")
        done = await maintain(connection, later, ahead_days=1, keep_days=7)
    assert len(done.busy) == 2 and not done.dropped
    assert len((await maintain(connection, later, ahead_days=1, keep_days=7)).dropped) == 2
    await reader.close()


async def test_an_adopted_seed_table_is_dropped_when_its_keep_is_over(postgres_server: Postgres) -> None:
    dsn = postgres_server.create_database()
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "CREATE TABLE inference_logs (id BIGSERIAL PRIMARY KEY, ts TIMESTAMPTZ DEFAULT now(), "
        "model_name TEXT NOT NULL, model_version TEXT NOT NULL, latency_ms DOUBLE PRECISION NOT NULL, "
        "features JSONB NOT NULL, prediction DOUBLE PRECISION NOT NULL, deployment TEXT NOT NULL)"
    )
    await apply(dsn)
    later = datetime.now(UTC) + timedelta(days=8)
    assert "inference_logs_seed" in (await maintain(connection, later, ahead_days=1, keep_days=7)).dropped
    await connection.execute(f"{ROW} VALUES ('m', '1', 1, '[]', 1, 'prod', now())")
    await connection.close()
