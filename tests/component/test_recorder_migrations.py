"""The tables come to be: fresh, adopted from the seed's plain table, by many at once, under writers."""

import asyncio
import json

import asyncpg
import pytest

from driftlead_log.migrate import MigrationError, apply, migrations
from neighbours import Postgres
from neighbours.logged import serving_role
from neighbours.processes import ROOT

SEED_TABLE = """
CREATE TABLE inference_logs (
    id BIGSERIAL PRIMARY KEY, ts TIMESTAMPTZ DEFAULT now(),
    model_name TEXT NOT NULL, model_version TEXT NOT NULL,
    latency_ms DOUBLE PRECISION NOT NULL, features JSONB NOT NULL, prediction DOUBLE PRECISION NOT NULL,
    deployment TEXT NOT NULL)
"""
SEED_INSERT = """
INSERT INTO inference_logs (model_name, model_version, latency_ms, features, prediction, deployment)
VALUES ('DriftAwareDemoModel', '1', 2.5, $1, 0.5, $2)
"""
SEED_COMPARISON = """
SELECT deployment, COUNT(*) AS n, AVG(latency_ms) AS avg_latency, AVG(prediction) AS avg_pred
FROM inference_logs GROUP BY deployment
"""


async def test_a_fresh_database_takes_the_seeds_insert_and_answers_its_comparison(
    postgres_server: Postgres,
) -> None:
    dsn = postgres_server.create_database()
    assert await apply(dsn) == [m.name for m in migrations()]
    connection = await asyncpg.connect(dsn)
    for deployment in ("prod", "prod", "canary"):
        await connection.execute(SEED_INSERT, json.dumps([0] * 20), deployment)
    rows = {r["deployment"]: (r["n"], r["avg_latency"]) for r in await connection.fetch(SEED_COMPARISON)}
    assert rows == {"prod": (2, 2.5), "canary": (1, 2.5)}
    today = await connection.fetchval("SELECT DISTINCT tableoid::regclass::text FROM inference_logs")
    assert today.startswith("inference_logs_p2")
    assert await apply(dsn) == []
    await connection.close()


async def test_many_jobs_at_once_apply_every_file_once(postgres_server: Postgres) -> None:
    dsn = postgres_server.create_database()
    applied = await asyncio.gather(*(apply(dsn, wait=30) for _ in range(6)))
    assert sorted(name for names in applied for name in names) == [m.name for m in migrations()]


async def test_a_plain_seed_table_is_adopted_with_its_rows_rights_and_views(
    postgres_server: Postgres,
) -> None:
    dsn = postgres_server.create_database()
    connection = await asyncpg.connect(dsn)
    await connection.execute(SEED_TABLE)
    await connection.execute("CREATE VIEW latest AS SELECT max(id) AS id FROM inference_logs")
    role = f"old_{dsn[-8:]}"
    await connection.execute(f"CREATE ROLE {role}; GRANT INSERT, SELECT ON inference_logs TO {role}")
    await connection.execute(f"GRANT USAGE ON SEQUENCE inference_logs_id_seq TO {role}")
    for _ in range(3):
        await connection.execute(SEED_INSERT, "[1, 2]", "prod")
    await apply(dsn)
    await connection.execute(f"SET ROLE {role}")
    await connection.execute(SEED_INSERT, "[3, 4]", "prod")
    await connection.execute("RESET ROLE")
    parts = await connection.fetch(
        "SELECT id, tableoid::regclass::text AS part FROM inference_logs ORDER BY id"
    )
    assert [p["id"] for p in parts] == [1, 2, 3, 4]
    assert [p["part"] == "inference_logs_seed" for p in parts] == [True, True, True, False]
    assert await connection.fetchval("SELECT id FROM latest") == 4
    await connection.close()


async def test_a_large_seed_table_takes_the_key_that_was_built_without_a_lock(
    postgres_server: Postgres,
) -> None:
    dsn = postgres_server.create_database()
    connection = await asyncpg.connect(dsn)
    await connection.execute(SEED_TABLE)
    await connection.execute(SEED_INSERT, "[1, 2]", "prod")
    page = (ROOT / "docs/reference/prediction-log.md").read_text().split("## An existing table")[1]
    steps = [line.strip() for line in page.splitlines() if line.startswith("    ")]
    assert len(steps) == 2
    for step in steps:
        await connection.execute(step)
    await connection.execute(SEED_INSERT, "[1, 2]", "prod")  # between the steps and the migration
    index = await connection.fetchval(
        "SELECT relfilenode FROM pg_class WHERE relname = 'inference_logs_seed_key'"
    )
    await apply(dsn)
    after = await connection.fetchval(
        "SELECT relfilenode FROM pg_class WHERE relname = 'inference_logs_seed_key'"
    )
    assert index == after
    assert await connection.fetchval("SELECT count(*) FROM inference_logs_seed") == 2
    await connection.execute(SEED_INSERT, "[1, 2]", "prod")
    assert await connection.fetchval("SELECT max(id) FROM inference_logs") == 3
    await connection.close()


async def test_a_seed_table_is_adopted_while_an_older_server_writes(postgres_server: Postgres) -> None:
    dsn = postgres_server.create_database()
    writer = await asyncpg.connect(dsn)
    await writer.execute(SEED_TABLE)
    stop, written = asyncio.Event(), 0

    async def write() -> None:
        nonlocal written
        while not stop.is_set():
            await writer.execute(SEED_INSERT, "[1]", "prod")
            written += 1

    task = asyncio.create_task(write())
    await asyncio.sleep(0.2)
    await apply(dsn, wait=30)
    await asyncio.sleep(0.2)
    stop.set()
    await task
    assert written > 10
    assert await writer.fetchval("SELECT count(DISTINCT id) FROM inference_logs") == written
    assert await writer.fetchval("SELECT count(*) FROM inference_logs_default") == 0
    await writer.close()


async def test_a_table_of_another_shape_is_refused_with_its_columns_named(postgres_server: Postgres) -> None:
    dsn = postgres_server.create_database()
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE inference_logs (id bigserial PRIMARY KEY, features json)")
    with pytest.raises(MigrationError, match="features is json, not jsonb"):
        await apply(dsn)
    assert await connection.fetchval("SELECT relkind FROM pg_class WHERE relname = 'inference_logs'") == b"r"
    await connection.close()


async def test_a_table_that_stays_locked_is_said_and_nothing_is_changed(
    postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftlead_log.migrate.LOCK_TIMEOUT", "200ms")
    dsn = postgres_server.create_database()
    reader = await asyncpg.connect(dsn)
    await reader.execute(SEED_TABLE)
    async with reader.transaction():
        await reader.fetch("SELECT * FROM inference_logs")
        with pytest.raises(MigrationError, match="stayed locked"):
            await apply(dsn)
    assert "0001_inference_logs" in await apply(dsn)
    await reader.close()


async def test_a_serving_role_can_log_and_do_nothing_else(postgres_server: Postgres) -> None:
    dsn = postgres_server.create_database()
    owner = await asyncpg.connect(dsn)
    role = await serving_role(owner)
    await apply(dsn)
    await owner.execute(f"SET ROLE {role}")
    await owner.execute(SEED_INSERT, "[1]", "prod")
    for forbidden in ("SELECT * FROM inference_logs", "DELETE FROM inference_logs", "DROP TABLE log_spools"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(forbidden)
    await owner.close()


async def test_a_database_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(MigrationError, match="cannot be reached"):
        await apply("postgresql://nobody@127.0.0.1:9/none")
