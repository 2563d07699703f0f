"""What a pod cannot deliver before it goes lies in S3, and is delivered exactly once by whoever finds it."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import asyncpg
import boto3
import pytest

from driftlead_drift.settings import Connections
from driftlead_drift.traffic.import_segments import import_uploaded
from driftlead_formats.histograms import unpack
from driftlead_inference.recorder import Recorder, RecorderSettings
from driftlead_log.segments import Imported, import_segments, prefix
from driftlead_log.store import S3Store, StoreUnreachable
from neighbours import S3, recording
from neighbours.recording import until

UNREACHABLE = "postgresql://driftlead@127.0.0.1:9/none"
WHERE = prefix("cluster", "team", "demo")


@pytest.fixture
def store(s3: S3, request: pytest.FixtureRequest) -> S3Store:
    variables = s3.environment()
    bucket = f"spool-{abs(hash(request.node.name)) % 10**9}"
    boto3.client(
        "s3", endpoint_url=s3.endpoint, aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key, region_name="us-east-1",
    ).create_bucket(Bucket=bucket)  # fmt: skip
    return S3Store(bucket, lambda: variables)


def opened(folder: Path, dsn: str, **more: Any) -> Recorder:
    settings = RecorderSettings(dsn=lambda: dsn, spool_dir=folder, flush_seconds=0.01, **more)
    return Recorder.open(settings, recording.IDENTITY, recording.BASELINE)


async def left_behind(folder: Path, store: S3Store, count: int = 3000, dsn: str = UNREACHABLE) -> Recorder:
    """A recorder that goes while the database is unreachable."""
    recorder = opened(folder, dsn, store=store, spool_bytes=4 * 2**20)
    await recorder.start()
    for number in range(count):
        recorder.append([recording.row(f"r{number}")])
    await recorder.drain(4)
    return recorder


async def whole(connection: asyncpg.Connection, count: int = 3000) -> None:
    """Every row once, in order, and counted once."""
    ids = [r[0] for r in await connection.fetch("SELECT request_id FROM inference_logs ORDER BY seq, id")]
    assert ids == [f"r{number}" for number in range(count)]
    counted = await connection.fetch("SELECT rows, features FROM drift_hist")
    assert sum(c["rows"] for c in counted) == count
    assert sum(unpack(c["features"]).sum() for c in counted) == count * recording.FEATURES


async def test_undelivered_rows_are_uploaded_and_imported_once(
    connection: asyncpg.Connection, tmp_path: Path, store: S3Store
) -> None:
    began = time.monotonic()
    await left_behind(tmp_path, store)
    assert time.monotonic() - began < 10
    keys = store.list(WHERE)
    assert len(keys) > 1 and all(key.endswith(".seg") for key in keys)
    done = await import_segments(connection, store, WHERE)
    assert done == Imported(segments=len(keys), rows=3000)
    assert store.list(WHERE) == []
    await whole(connection)


async def test_importers_at_the_same_time_and_the_pod_itself_deliver_once_together(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path, store: S3Store
) -> None:
    await left_behind(tmp_path, store)
    others = [await asyncpg.connect(dsn) for _ in range(3)]
    again = opened(tmp_path, dsn, store=store, spool_bytes=4 * 2**20)  # its container was only restarted
    await asyncio.gather(again.start(), *(import_segments(other, store, WHERE) for other in others))
    await again.drain(20)
    for other in others:
        await other.close()
    await whole(connection)


async def test_another_pod_of_the_resource_delivers_when_it_has_nothing_else_to_do(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path, store: S3Store
) -> None:
    await left_behind(tmp_path / "gone", store)
    other = opened(tmp_path / "other", dsn, store=store, import_seconds=0.1)
    await other.start()
    await until(lambda: not store.list(WHERE))
    await other.drain(5)
    assert other.writer.progress.imported == 3000
    await whole(connection)


async def test_what_was_dropped_travels_with_what_was_not(
    connection: asyncpg.Connection, tmp_path: Path, store: S3Store
) -> None:
    recorder = opened(tmp_path, UNREACHABLE, store=store, spool_bytes=100_000)
    for number in range(1000):
        recorder.append([recording.row(f"r{number}")])
    dropped = sum(recorder.dropped.values())
    assert 0 < dropped < 1000
    await recorder.drain(2)
    done = await import_segments(connection, store, WHERE)
    assert done.rows == 1000 - dropped
    noted = await connection.fetch(
        "SELECT first_seq, last_seq, rows_dropped, reason FROM inference_logs_dropped"
    )
    assert [tuple(n) for n in noted] == [(1001 - dropped, 1000, dropped, "spool-full")]


async def test_the_drift_job_brings_it_in_and_says_what_it_cannot(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await left_behind(tmp_path, store, 200)
    settings = Connections(cluster="cluster", namespace="team", resource="demo", report_bucket=store.bucket)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    assert (await import_uploaded(connection, settings)).rows == 0
    for name, value in store.variables().items():
        monkeypatch.setenv(name, value)
    assert (await import_uploaded(connection, settings.model_copy(update={"report_bucket": None}))).rows == 0
    assert (await import_uploaded(connection, settings)).rows == 200
    await whole(connection, 200)


async def test_what_was_partly_delivered_is_completed(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path, store: S3Store
) -> None:
    await left_behind(tmp_path, store)
    copy = tmp_path.with_name("copy")
    shutil.copytree(tmp_path, copy)
    first = opened(copy, dsn, batch_bytes=10_000)
    await first.start()
    await until(lambda: first.writer.progress.rows > 0)
    assert first.writer.progress.rows < 3000
    first.writer._connection.terminate()  # type: ignore[union-attr]
    first._task.cancel()  # type: ignore[union-attr]
    await import_segments(connection, store, WHERE)
    await whole(connection)


async def test_a_segment_whose_predecessor_is_missing_waits(
    connection: asyncpg.Connection, tmp_path: Path, store: S3Store
) -> None:
    await left_behind(tmp_path, store)
    keys = store.list(WHERE)
    first = store.get(keys[0])
    assert first is not None
    await import_segments(connection, _Only(store, keys[:1]), WHERE)
    second = store.get(keys[1])
    assert second is not None
    store.delete(keys[1])
    done = await import_segments(connection, store, WHERE)
    assert "must come first" in done.left[0] and done.rows == 0
    store.put(keys[1], second)
    await import_segments(connection, store, WHERE)
    await whole(connection)


class _Only:
    """A store that shows some keys."""

    def __init__(self, store: S3Store, keys: list[str]) -> None:
        self._keys = keys
        self.get, self.put, self.delete = store.get, store.put, store.delete

    def list(self, prefix: str) -> list[str]:
        return self._keys


async def test_an_object_that_is_damaged_is_left_alone_and_said(
    connection: asyncpg.Connection, tmp_path: Path, store: S3Store
) -> None:
    await left_behind(tmp_path, store, 100)
    (key,) = store.list(WHERE)
    body = store.get(key)
    assert body is not None
    store.put(key, body[:-30])
    done = await import_segments(connection, store, WHERE)
    assert done.rows == 0 and "checksum" in done.left[0]
    store.put(key, body)
    await import_segments(connection, store, WHERE)
    await whole(connection, 100)


async def test_with_the_store_unreachable_too_rows_stay_in_the_folder(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    nowhere = S3Store("none", lambda: {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9"})
    with pytest.raises(StoreUnreachable, match="cannot list"):
        nowhere.list("x")
    began = time.monotonic()
    await left_behind(tmp_path, nowhere, 500)
    assert time.monotonic() - began < 10
    again = opened(tmp_path, dsn)
    await again.drain(20)
    await whole(connection, 500)
