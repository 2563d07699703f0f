"""What earlier runs found, and the record of this one: table drift_runs, or a folder of reports.

History serves two ends: windows in a row that drifted (persistence), and how much live traffic varies between
periods where the baseline cannot say. Both need disjoint windows, so with a check every 15 minutes and
windows of a week the last 400 runs are not enough; before them the last run of each day is kept in view.

`features` is JSON that later releases read: names may be added to it, never changed (`psi`, `dof`, `noise`).
Two checks at the same time each leave their row; of the baselines that they make of a version's first window
the first one's stays.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.facts import Run, Window
from driftlead_drift.report.past_runs import from_report, known_verdict
from driftlead_formats.baseline import Baseline
from driftlead_formats.traffic import Traffic

KEPT_DAYS = 400
"""A year of seasons and some days."""
MOST = 400


COLUMNS = (
    "run_id, window_from, window_to, rows, scheduled, verdict, exit_code, consecutive, message, features, "
    "baseline_sha256, report_uri"
)


async def earlier(connection: asyncpg.Connection, traffic: Traffic) -> list[Run]:
    """Runs of the same version and traffic, oldest first: the last 400, and before them the last of each day.

    A check every 15 minutes makes 400 runs in four days; windows of 7 days are disjoint only from older ones.
    """
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM (SELECT *, "  # noqa: S608
        "row_number() OVER (ORDER BY window_to DESC, recorded_at DESC) AS recent, "
        "row_number() OVER (PARTITION BY date_trunc('day', window_to) "
        "ORDER BY scheduled DESC, window_to DESC, recorded_at DESC) AS of_day "
        "FROM drift_runs WHERE model_name = $1 AND model_version = $2 AND deployment = $3 "
        "AND cluster = $4 AND namespace = $5 AND resource = $6) AS ours "
        "WHERE recent <= $7 OR of_day = 1 ORDER BY window_to DESC, recorded_at DESC",
        *_key(traffic),
        MOST,
    )
    return [
        Run(
            **{
                **row,
                "verdict": known_verdict(row["verdict"]),
                "features": orjson.loads(row["features"]),
                "baseline_sha256": row["baseline_sha256"] or "",
            }
        )
        for row in reversed(rows)
    ]


async def record(connection: asyncpg.Connection, traffic: Traffic, run: Run) -> None:
    """Remembers a run."""
    values = ", ".join(f"${place}" for place in range(1, 19))
    await connection.execute(
        "INSERT INTO drift_runs (model_name, model_version, deployment, cluster, namespace, resource, "  # noqa: S608
        f"{COLUMNS}) VALUES ({values})",
        *_key(traffic),
        run.run_id,
        run.window_from,
        run.window_to,
        run.rows,
        run.scheduled,
        run.verdict,
        run.exit_code,
        run.consecutive,
        run.message,
        orjson.dumps(run.features).decode(),
        run.baseline_sha256,
        run.report_uri,
    )


async def forget(connection: asyncpg.Connection) -> None:
    """Forgets runs older than 400 days."""
    await connection.execute(
        "DELETE FROM drift_runs WHERE recorded_at < now() - make_interval(days => $1)", KEPT_DAYS
    )


async def first_window_baseline(connection: asyncpg.Connection, traffic: Traffic) -> Baseline | None:
    """The baseline that an earlier run made of this version's first window, None if none did."""
    document = await connection.fetchval(
        "SELECT document FROM drift_baselines WHERE model_name = $1 AND model_version = $2 "
        "AND deployment = $3 AND cluster = $4 AND namespace = $5 AND resource = $6",
        *_key(traffic),
    )
    return None if document is None else Baseline.from_json(document)


async def keep_baseline(
    connection: asyncpg.Connection, traffic: Traffic, window: Window, baseline: Baseline
) -> None:
    """Keeps the first window's baseline; of two runs at the same time the first one's stays."""
    await connection.execute(
        "INSERT INTO drift_baselines (model_name, model_version, deployment, cluster, namespace, resource, "
        "window_from, window_to, document) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO "
        "NOTHING",
        *_key(traffic),
        window.start,
        window.end,
        baseline.to_json().decode(),
    )


def from_folder(folder: Path, baseline_sha256: str) -> list[Run]:
    """Runs that reports in a folder tell of, of the same baseline, oldest first."""
    runs = []
    for file in sorted(folder.glob("*.json")):
        try:
            report = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            raise CannotJudgeError(
                f"the report {file} in --history cannot be read: {error}; remove it from the folder"
            ) from error
        if isinstance(report, dict) and report.get("baseline", {}).get("sha256") == baseline_sha256:
            runs.append(from_report(report))
    return sorted(runs, key=lambda run: run.window_to)


def save(folder: Path, report: Mapping[str, Any]) -> None:
    """Keeps a report in the folder of --history."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{report['run_id']}.json").write_bytes(orjson.dumps(report))
    except OSError as error:
        raise CannotJudgeError(
            f"the report cannot be kept in {folder}: {error.strerror or error}; name another --history"
        ) from error


def _key(traffic: Traffic) -> Sequence[str]:
    return (
        traffic.model_name,
        traffic.model_version,
        traffic.deployment,
        traffic.cluster,
        traffic.namespace,
        traffic.resource,
    )
