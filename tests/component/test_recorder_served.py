"""Rows of requests that met a canary: which answers users got, and each request counted once."""

import time
from pathlib import Path

import asyncpg

from driftlead_formats.histograms import unpack_latency
from driftlead_inference.recorder import Recorder, RecorderSettings
from driftlead_log import row_tuples
from driftlead_log.frames import Mark
from driftlead_log.row_tuples import Identity
from neighbours import recording
from neighbours.recording import until

CANARY = Identity(
    model_name="flights", model_version="5", deployment="canary", cluster="cluster", namespace="team",
    resource="demo", pod="demo-canary-0",
)  # fmt: skip


def opened(folder: Path, dsn: str, identity: Identity) -> Recorder:
    settings = RecorderSettings(dsn=lambda: dsn, spool_dir=folder, flush_seconds=0.01)
    return Recorder.open(settings, identity, recording.BASELINE)


async def test_a_row_says_whether_a_user_got_it_and_each_request_counts_once(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    prod = opened(tmp_path / "prod", dsn, recording.IDENTITY)
    canary = opened(tmp_path / "canary", dsn, CANARY)
    # Direct; answered by the canary; late; copied; refused by both.
    prod.append([recording.row("direct")])
    canary.append([recording.row("good"), recording.row("good", place=1)], Mark.FORWARDED)
    prod.count_forwarded("5", "canary", 2, 1.5)
    canary.append([recording.row("late")], Mark.FORWARDED)
    prod.append([recording.row("late")], Mark.FALLBACK)
    prod.count_forwarded("5", "canary", 5, 50.0)
    prod.append([recording.row("copied")])
    canary.append([recording.row("copied")], Mark.COPIED)
    prod.count_forwarded("5", "canary", 2, 2.5)
    prod.count_forwarded("5", "canary", 4, 3.0)
    for recorder in (canary, prod):
        await recorder.start()
        await until(lambda recorder=recorder: recorder.pending == 0)  # type: ignore[misc]
        await recorder.drain(5)

    rows = await connection.fetch(
        "SELECT request_id, deployment, served, fallback, seq FROM inference_logs ORDER BY deployment, id"
    )
    assert [tuple(row) for row in rows] == [
        ("good", "canary", None, False, 1),
        ("good", "canary", None, False, 2),
        ("late", "canary", None, False, 3),
        ("copied", "canary", False, False, 4),
        ("direct", "prod", True, False, 1),
        ("late", "prod", True, True, 2),
        ("copied", "prod", True, False, 3),
    ]
    served = await connection.fetch(
        'SELECT request_id, "row", deployment FROM inference_logs_served ORDER BY request_id, "row"'
    )
    assert [tuple(row) for row in served] == [
        ("copied", 0, "prod"),
        ("direct", 0, "prod"),
        ("good", 0, "canary"),
        ("good", 1, "canary"),
        ("late", 0, "prod"),
    ]
    counted = await connection.fetch(
        "SELECT deployment, model_version, sum(rows) AS rows, sum(requests) AS requests, sum(failed_4xx) AS "
        "refused, sum(failed_5xx) AS failed FROM drift_hist GROUP BY 1, 2 ORDER BY 1"
    )
    assert [tuple(row) for row in counted] == [("canary", "5", 4, 2, 1, 1), ("prod", "3", 3, 2, 0, 0)]
    vectors = [unpack_latency(row[0]) for row in await connection.fetch("SELECT latency FROM drift_hist")]
    assert sum(vector.sum() for vector in vectors) == 6  # as many as requests and failures


async def test_marked_and_other_rows_lie_in_one_batch_and_a_bad_one_is_told_apart(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    recorder = opened(tmp_path, dsn, CANARY)
    marks = list(Mark)
    for number in range(200):
        row = recording.row(f"r-{number}")
        if number in (50, 131):
            row.features_json = b'["\\u0000"]'  # what JSONB refuses
        recorder.append([row], marks[number % len(marks)])
    await recorder.start()
    await until(lambda: recorder.pending == 0)
    await recorder.drain(5)
    found = await connection.fetch("SELECT request_id, served, fallback FROM inference_logs ORDER BY seq")
    assert len(found) == 198
    said = {Mark.NONE: (True, False), Mark.FORWARDED: (None, False), Mark.COPIED: (False, False),
            Mark.FALLBACK: (True, True)}  # fmt: skip
    for row in found:
        assert tuple(row)[1:] == said[marks[int(row["request_id"][2:]) % len(marks)]]
    assert await connection.fetchval("SELECT count(*) FROM inference_logs_rejected") == 2


async def test_rows_of_a_server_of_before_are_served(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """It writes the columns that it knows."""
    tuples = [row_tuples.marked(b"\0\x11" + b"x", mark)[:2] for mark in Mark]
    assert {len(row_tuples.MARKED_COLUMNS)} == {int.from_bytes(each, "big") for each in tuples}
    await connection.execute(
        "INSERT INTO inference_logs (ts, model_name, model_version, latency_ms, features, prediction, "
        "deployment, request_id, \"row\") VALUES (now(), 'flights', '3', 1, '[1]', 0, 'prod', 'old', 0)"
    )
    assert await connection.fetchval("SELECT request_id FROM inference_logs_served") == "old"


async def test_an_id_that_is_used_again_later_hides_nothing(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    prod = opened(tmp_path / "prod", dsn, recording.IDENTITY)
    canary = opened(tmp_path / "canary", dsn, CANARY)
    now = time.time()
    canary.append([recording.row("same", ts=now - 3600)], Mark.FORWARDED)
    prod.append([recording.row("same", ts=now)], Mark.FALLBACK)
    for recorder in (canary, prod):
        await recorder.start()
        await until(lambda recorder=recorder: recorder.pending == 0)  # type: ignore[misc]
        await recorder.drain(5)
    assert await connection.fetchval("SELECT count(*) FROM inference_logs_served") == 2
