"""Postgres through PgBouncer in transaction mode: each transaction meets another session than the last."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from driftlead_log.migrate import MigrationError, migrate
from neighbours import Postgres
from neighbours.inference import inference_server
from neighbours.models import baseline_file, regression, rows, saved
from neighbours.pgbouncer import SESSIONS, pgbouncer, sessions

COUNT = 500


@dataclass(frozen=True)
class Database:
    """The same database directly, and through the pooler."""

    direct: str
    pooled: str

    def rows(self, query: str) -> list[asyncpg.Record]:
        """What a query gives, asked directly."""

        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.direct)
            try:
                return await connection.fetch(query)
            finally:
                await connection.close()

        return asyncio.run(fetch())


@pytest.fixture(scope="module")
def database(postgres_server: Postgres) -> Iterator[Database]:
    direct = postgres_server.create_database()
    with pgbouncer(postgres_server) as port:
        pooled = direct.replace(f":{postgres_server.port}/", f":{port}/")
        assert len(asyncio.run(sessions(pooled))) == SESSIONS
        yield Database(direct, pooled)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("pooled") / "demo", regression(), rows())


@pytest.fixture(scope="module")
def filled(database: Database, model: Path) -> Database:
    """Migrated through the pooler, with acknowledged predictions of a server that logs through it."""
    assert migrate(database.pooled)
    assert migrate(database.pooled) == []
    log = {
        "DRIFTLEAD_POSTGRES_DSN": database.pooled,
        "DRIFTLEAD_LOG_MODE": "durable",
        "DRIFTLEAD_LOG_POOLER": "true",
    }
    with inference_server(model, **log) as server:
        for start in range(0, COUNT, 50):
            server.predict(rows(COUNT, seed=3)[start : start + 50].tolist())
    return database


def test_migrations_run_through_it_and_each_of_them_once(filled: Database) -> None:
    numbers = [row["number"] for row in filled.rows("SELECT number FROM driftlead_migrations ORDER BY 1")]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 3


def test_every_acknowledged_prediction_is_there_once(filled: Database) -> None:
    (row,) = filled.rows(
        "SELECT count(*) AS n, count(DISTINCT (request_id, row)) AS each FROM inference_logs"
    )
    assert (row["n"], row["each"]) == (COUNT, COUNT)


def test_a_scheduled_check_reads_and_remembers_through_it(filled: Database, tmp_path: Path) -> None:
    (name,) = {row["model_name"] for row in filled.rows("SELECT DISTINCT model_name FROM inference_logs")}
    words = ["check", "--model", f"models:/{name}/0", "--deployment", "prod", "--window", "1h"]
    words += ["--period", "none", "--baseline", str(baseline_file(tmp_path)), "--scheduled", "--json"]
    for run in (1, 2):
        done = subprocess.run(
            [sys.executable, "-m", "driftlead_drift", *words],
            check=False,
            capture_output=True,
            text=True,
            env={"DRIFTLEAD_POSTGRES_DSN": filled.pooled, "DRIFTLEAD_TERMINATION_LOG": str(tmp_path / "end")},
        )
        assert done.returncode in (0, 2), done.stdout + done.stderr
        assert json.loads(done.stdout)["rows"] == COUNT
        assert len(filled.rows("SELECT * FROM drift_runs")) == run
        assert "left as they are" not in done.stderr
    assert timeouts(filled) == {"0"}


def timeouts(database: Database) -> set[str]:
    """The statement timeouts of the sessions that the pooler keeps, which others are given too."""

    async def ask() -> set[str]:
        connection = await asyncpg.connect(database.pooled, statement_cache_size=0)
        try:
            return {
                await connection.fetchval("SELECT current_setting('statement_timeout')") for _ in range(8)
            }
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_pooler_whose_database_is_unreachable_is_named_in_words(database: Database) -> None:
    with pytest.raises(MigrationError, match="the database cannot be reached"):
        migrate(database.pooled.rpartition("/")[0] + "/nowhere")
