"""Persistence over disjoint windows, from the runs that a check every 15 minutes has recorded."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg

from driftlead_drift.check import runs
from driftlead_drift.judging.facts import Run
from driftlead_drift.judging.history import as_history, consecutive_before
from driftlead_formats.traffic import Traffic
from driftlead_log.migrate import migrate

WEEK = timedelta(days=7)
TRAFFIC = Traffic(model_name="demo", model_version="3", deployment="prod")


async def remembered(dsn: str, now: datetime) -> list[Run]:
    """What is read back of 1,500 runs, one every 15 minutes, each over the 7 days before it."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO drift_runs (run_id, deployment, model_name, model_version, window_from, window_to, "
        "rows, scheduled, verdict, exit_code, consecutive, message, features) "
        "SELECT 'run' || n, 'prod', 'demo', '3', ended - interval '7 days', ended, "
        "1000, true, 'changed', 0, 1, '', '{}' FROM generate_series(1, 1500) AS n, "
        "LATERAL (SELECT $1::timestamptz - n * interval '15 minutes' AS ended) AS run",
        now,
    )
    found = await runs.earlier(connection, TRAFFIC)
    await connection.close()
    return found


def test_a_window_of_a_week_is_found_although_checks_run_every_15_minutes(database: str) -> None:
    migrate(database)
    now = datetime.now(UTC)
    found = asyncio.run(remembered(database, now))
    assert [run.window_to for run in found] == sorted(run.window_to for run in found)
    assert 400 < len(found) < 430
    start, end = (now - WEEK).timestamp(), now.timestamp()
    assert consecutive_before(as_history(found, "3"), start, end, "3") == 2
