"""What a recorder does when something is full, damaged, unreachable, twice or wrong: one in this process."""

import asyncio
import errno
import os
import resource
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from driftlead_formats.histograms import unpack
from driftlead_inference.recorder import Recorder, RecorderSettings, SpoolFull, SpoolUnusable
from driftlead_log import delivery, statements
from driftlead_log.migrate import apply
from neighbours import Postgres, recording
from neighbours.logged import serving_role
from neighbours.recording import until

UNREACHABLE = "postgresql://driftlead@127.0.0.1:9/none"


def opened(folder: Path, dsn: str = UNREACHABLE, **more: Any) -> Recorder:
    settings = RecorderSettings(dsn=lambda: dsn, spool_dir=folder, flush_seconds=0.01, **more)
    return Recorder.open(settings, recording.IDENTITY, recording.BASELINE)


@asynccontextmanager
async def delivering(folder: Path, dsn: str, **more: Any) -> AsyncIterator[Recorder]:
    recorder = opened(folder, dsn, **more)
    await recorder.start()
    yield recorder
    await recorder.drain(20)


async def ids(connection: asyncpg.Connection) -> list[str]:
    return [r[0] for r in await connection.fetch("SELECT request_id FROM inference_logs ORDER BY id")]


def named(count: int, prefix: str = "r") -> list[str]:
    return [f"{prefix}{number}/0" for number in range(count)]


def fill(recorder: Recorder, count: int, prefix: str = "r") -> None:
    for name in named(count, prefix):
        recorder.append([recording.row(name)])


def segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.seg") if path.stat().st_size)


def spoil(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.write_bytes(b"{")


async def test_an_outage_delays_rows_and_nothing_else(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    address = [UNREACHABLE]
    settings = RecorderSettings(
        dsn=lambda: address[0], spool_dir=tmp_path, flush_seconds=0.01, batch_bytes=20_000
    )
    recorder = Recorder.open(settings, recording.IDENTITY, recording.BASELINE)
    await recorder.start()
    fill(recorder, 2000)
    await until(lambda: bool(recorder.health()["error"]))
    await asyncio.sleep(0.1)
    health = recorder.health()
    assert health["pending"] == 2000 and health["dropped"] == 0
    assert float(str(health["lag_seconds"])) >= 0.1
    address[0] = dsn
    await until(lambda: recorder.pending == 0)
    assert recorder.health()["lag_seconds"] == 0
    assert recorder.health()["error"] == ""
    await recorder.drain(5)
    assert await ids(connection) == named(2000)
    assert await connection.fetchval("SELECT bool_and(logged_at >= ts) FROM inference_logs")


async def test_a_restarted_server_tells_what_its_predecessor_left_and_delivers_it(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    recorder = opened(tmp_path)
    fill(recorder, 30)
    await recorder.drain(0.1)
    recorder = opened(tmp_path, dsn)
    assert recorder.health()["pending"] == 30
    assert 0 <= float(str(recorder.health()["lag_seconds"])) < 5
    fill(recorder, 5, "new")
    await recorder.drain(20)
    assert recorder.health()["pending"] == 0
    assert await ids(connection) == named(30) + named(5, "new")


async def test_without_traffic_too_the_end_of_an_outage_is_noticed(dsn: str, tmp_path: Path) -> None:
    address = [UNREACHABLE]
    settings = RecorderSettings(dsn=lambda: address[0], spool_dir=tmp_path, flush_seconds=0.01)
    recorder = Recorder.open(settings, recording.IDENTITY)
    await recorder.start()
    await until(lambda: recorder.health()["error"])
    address[0] = dsn
    await until(lambda: not recorder.health()["error"])
    await recorder.drain(5)


async def test_a_poison_row_among_a_thousand_is_put_aside_whole(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    async with delivering(tmp_path, dsn, batch_bytes=2**20) as recorder:
        batch = [recording.row(name) for name in named(1000)]
        batch[617] = msgspec.structs.replace(batch[617], features_json=b'["\\u0000"]')
        recorder.append(batch)
        await until(lambda: recorder.pending == 0)
        assert recorder.health()["rejected"] == 1
        fill(recorder, 1, "after")
    assert await ids(connection) == [n for n in named(1000) if n != "r617/0"] + ["after0/0"]
    rejected = await connection.fetchrow("SELECT * FROM inference_logs_rejected")
    assert rejected["seq"] == 618 and rejected["sqlstate"] == "22P05"
    assert b"r617/0" in rejected["record"]


async def test_a_second_server_on_one_folder_is_refused(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(SpoolUnusable, match="another server uses"):
        opened(tmp_path)
    await first.drain(0.1)
    await opened(tmp_path).drain(0.1)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnusable, match=r"cannot be written.*DRIFTLEAD_SPOOL_DIR"):
        opened(tmp_path / "file")


@pytest.mark.parametrize("damage", ["truncated", "payload bit", "header bit", "garbage behind"])
async def test_a_damaged_tail_is_found_counted_and_never_sent(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path, damage: str
) -> None:
    recorder = opened(tmp_path)
    fill(recorder, 100)
    await recorder.drain(0.1)
    path = segments(tmp_path)[-1]
    content = bytearray(path.read_bytes())
    last = content.rindex(b"DLS1")
    hurt = len(content) - last
    if damage == "truncated":
        del content[-7:]
        hurt -= 7
    elif damage == "payload bit":
        content[-20] ^= 4
    elif damage == "header bit":
        content[last + 9] ^= 1
    else:
        hurt = 33
        content += os.urandom(hurt)
    path.write_bytes(content)
    async with delivering(tmp_path, dsn) as recorder:
        fill(recorder, 3, "new")
        await until(lambda: recorder.pending == 0)
        assert recorder.health()["corrupt_bytes"] == hurt
    kept = 100 if damage == "garbage behind" else 99
    assert await ids(connection) == named(kept) + named(3, "new")
    noted = await connection.fetchrow("SELECT * FROM inference_logs_dropped")
    assert (noted["reason"], noted["bytes"]) == ("corrupt", hurt)
    assert noted["rows_dropped"] == (1 if damage in {"truncated", "payload bit"} else 0)


async def test_a_flipped_bit_in_the_middle_costs_one_frame_and_says_which(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    recorder = opened(tmp_path)
    fill(recorder, 50)
    await recorder.drain(0.1)
    path = segments(tmp_path)[-1]
    content = bytearray(path.read_bytes())
    place = content.index(b"DLS1", len(content) // 2)
    content[place + 5] ^= 1  # in a header: what is lost is told by the hole in the numbers
    path.write_bytes(content)
    async with delivering(tmp_path, dsn):
        pass
    present = {r[0] for r in await connection.fetch("SELECT seq FROM inference_logs")}
    missing = set(range(1, 51)) - present
    assert len(missing) == 1
    noted = await connection.fetch("SELECT * FROM inference_logs_dropped WHERE rows_dropped > 0")
    assert [(n["first_seq"], n["last_seq"], n["reason"]) for n in noted] == [(*missing, *missing, "corrupt")]


async def test_rows_after_a_lost_tail_that_was_delivered_are_not_taken_for_delivered(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    async with delivering(tmp_path, dsn) as recorder:
        fill(recorder, 40)
    for path in segments(tmp_path):
        os.truncate(path, 0)  # the machine crashed before the page cache reached the disk
    async with delivering(tmp_path, dsn) as recorder:
        fill(recorder, 40, "new")
    assert await ids(connection) == named(40) + named(40, "new")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_drops_by_number_and_goes_on_when_there_is_room(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    async with delivering(tmp_path, dsn) as recorder:
        fill(recorder, 10)
        await until(lambda: recorder.pending == 0)

        def full(fd: int, buffers: Any) -> int:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr("driftlead_inference.recorder.spool.os.writev", full)
        fill(recorder, 5, "lost")
        monkeypatch.undo()
        fill(recorder, 10, "new")
        assert recorder.health()["dropped"] == 5
    assert await ids(connection) == named(10) + named(10, "new")
    noted = await connection.fetch(
        "SELECT first_seq, last_seq, rows_dropped, reason FROM inference_logs_dropped"
    )
    assert [tuple(n) for n in noted] == [(11, 15, 5, "disk-full")]


async def test_a_write_that_the_disk_takes_half_leaves_no_half_frame(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    recorder = opened(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (66_000, hard))  # a real short write, then a real error
    try:
        for name in named(400):
            recorder.append([recording.row(name)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    dropped = int(str(recorder.health()["dropped"]))
    assert dropped > 0
    await recorder.drain(0.1)
    async with delivering(tmp_path, dsn) as recorder:
        pass
    assert recorder.health()["corrupt_bytes"] == 0
    assert len(await ids(connection)) == 400 - dropped
    assert await connection.fetchval("SELECT sum(rows_dropped) FROM inference_logs_dropped") == dropped


async def test_what_is_dropped_is_not_pending_and_leaves_no_lag(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    address = [UNREACHABLE]
    settings = RecorderSettings(
        dsn=lambda: address[0],
        spool_dir=tmp_path,
        flush_seconds=0.01,
        batch_bytes=20_000,
        spool_bytes=100_000,
    )
    recorder = Recorder.open(settings, recording.IDENTITY)
    await recorder.start()
    fill(recorder, 1000)
    dropped = int(str(recorder.health()["dropped"]))
    assert 0 < dropped < 1000
    assert recorder.health()["pending"] == 1000 - dropped
    address[0] = dsn
    await until(lambda: recorder.pending == 0)
    assert recorder.health()["lag_seconds"] == 0
    await recorder.drain(5)
    assert len(await ids(connection)) == 1000 - dropped
    assert await connection.fetchval("SELECT sum(rows_dropped) FROM inference_logs_dropped") == dropped
    assert await connection.fetchval("SELECT seq FROM log_spools") == 1000


async def test_a_full_spool_refuses_where_the_setting_says_so(tmp_path: Path) -> None:
    recorder = opened(tmp_path, spool_bytes=2000, spool_full="refuse")
    with pytest.raises(SpoolFull, match="rows wait for the database"):
        fill(recorder, 100)
    assert recorder.health()["dropped"] == 0
    assert recorder.last_seq == recorder.health()["pending"]
    await recorder.drain(0.1)


async def test_whoever_waits_no_longer_for_a_commit_is_forgotten_and_the_others_wait_on(
    tmp_path: Path, dsn: str, connection: asyncpg.Connection
) -> None:
    recorder = opened(tmp_path, dsn, mode="durable")
    waiting = [
        asyncio.create_task(recorder.durable(recorder.append([recording.row(name)]))) for name in named(50)
    ]
    await asyncio.sleep(0)
    for task in waiting[:49]:
        task.cancel()
    await asyncio.wait(waiting, timeout=0)
    assert len(recorder._waiting) == 1
    await recorder.start()
    await asyncio.wait_for(waiting[49], 20)
    assert len(await ids(connection)) == 50
    await recorder.drain(20)


async def test_durable_answers_after_the_commit_and_one_commit_serves_all_who_wait(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    async with delivering(tmp_path, dsn, mode="durable") as recorder:

        async def client(name: str) -> None:
            await recorder.durable(recorder.append([recording.row(name)]))
            assert await database_has(dsn, name)

        async def database_has(dsn: str, name: str) -> bool:
            connection = await asyncpg.connect(dsn)
            try:
                return bool(
                    await connection.fetchval("SELECT 1 FROM inference_logs WHERE request_id = $1", name)
                )
            finally:
                await connection.close()

        await asyncio.gather(*(client(name) for name in named(30)))
        assert recorder.writer.progress.transactions < 10
    assert sorted(await ids(connection)) == sorted(named(30))


async def test_a_predecessor_that_slept_before_its_transaction_writes_nothing(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    recorder = opened(tmp_path)
    fill(recorder, 30)
    spool = recorder.spool
    chunk = spool.read(0, 10**6)
    assert chunk is not None
    first = spool.segments[0]
    await delivery.register(connection, chunk.source, first.start, 0)
    piece = delivery.Piece(chunk.source, first.start, chunk.end, chunk.frames)
    successor = await asyncpg.connect(dsn)
    await delivery.deliver(successor, piece, delivery.Minutes())
    with pytest.raises(delivery.Moved) as moved:  # awake again, with the place that it knew
        await delivery.deliver(connection, piece, delivery.Minutes())
    assert moved.value.off == chunk.end
    assert await ids(connection) == named(30)
    assert await connection.fetchval("SELECT sum(rows) FROM drift_hist") == 30
    await successor.close()
    await recorder.drain(0.1)


async def test_a_predecessor_that_stalls_in_its_transaction_is_ended_and_writes_nothing(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        statements, "BEGIN", statements.BEGIN.replace("lock_timeout = '5s'", "lock_timeout = '200ms'")
    )
    recorder = opened(tmp_path, dsn)
    fill(recorder, 30)
    await recorder.start()
    await until(lambda: recorder.pending == 0)
    name = f"driftlead-log {recorder.spool.id}"
    stalled = await asyncpg.connect(dsn, server_settings={"application_name": name})
    await stalled.execute("BEGIN")
    await stalled.fetch(statements.LOCK, recorder.spool.id)
    fill(recorder, 5, "new")
    await until(lambda: recorder.pending == 0)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await stalled.execute("COMMIT")
    await recorder.drain(5)
    assert await ids(connection) == named(30) + named(5, "new")


async def test_a_clock_that_jumps_moves_minutes_and_nothing_else(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    noon = 1_790_000_000.0 // 60 * 60
    jumps = [0, 1, 3600, -86_400, 2, 59, 60, 40_000_000, 3]
    async with delivering(tmp_path, dsn) as recorder:
        for number, jump in enumerate(jumps):
            recorder.append([recording.row(f"j{number}", ts=noon + jump)])
            assert float(str(recorder.health()["lag_seconds"])) >= 0
            await asyncio.sleep(0.02)
    assert await ids(connection) == [f"j{number}" for number in range(len(jumps))]
    minutes = await connection.fetch("SELECT minute, rows FROM drift_hist ORDER BY minute")
    assert [(m["minute"].timestamp() - noon, m["rows"]) for m in minutes] == [
        (-86_400, 1), (0, 5), (60, 1), (3600, 1), (39_999_960, 1),
    ]  # fmt: skip


async def test_credentials_are_asked_for_at_each_connection(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    suffix = dsn[-8:]
    for role in ("first", "second"):
        await connection.execute(f"CREATE ROLE {role}_{suffix} LOGIN")
        await connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}_{suffix}")
        await connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}_{suffix}")
    current = [f"first_{suffix}"]
    settings = RecorderSettings(
        dsn=lambda: dsn.replace("driftlead@", f"{current[0]}@"),
        spool_dir=tmp_path,
        flush_seconds=0.01,
        pooler=True,
    )
    recorder = Recorder.open(settings, recording.IDENTITY)
    await recorder.start()
    fill(recorder, 10)
    await until(lambda: recorder.pending == 0)
    current[0] = f"second_{suffix}"
    await connection.execute(f"ALTER ROLE first_{suffix} NOLOGIN")
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", f"first_{suffix}"
    )
    fill(recorder, 10, "new")
    await until(lambda: recorder.pending == 0)
    await recorder.drain(5)
    assert await ids(connection) == named(10) + named(10, "new")


async def test_sampling_logs_a_share_of_requests_and_counts_all(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    async with delivering(tmp_path, dsn, sample=0.25) as recorder:
        for number in range(400):
            recorder.append(recording.rows(f"s{number}", 2))
        recorder.count_status(4, 1.0)
        recorder.count_status(5, 9.0)
    logged = await connection.fetch(
        "SELECT split_part(request_id, '/', 1) AS request, seq FROM inference_logs ORDER BY id"
    )
    assert 120 < len(logged) < 280
    assert [r["seq"] for r in logged] == list(range(1, len(logged) + 1))
    counted = await connection.fetch("SELECT * FROM drift_hist")
    assert sum(c["rows"] for c in counted) == 800
    assert sum(unpack(c["features"]).sum() for c in counted) == 800 * recording.FEATURES
    assert sum(c["failed_4xx"] for c in counted) == sum(c["failed_5xx"] for c in counted) == 1
    assert await connection.fetchval("SELECT count(*) FROM inference_logs_dropped") == 0


async def test_a_redacted_feature_reaches_neither_disk_nor_database_nor_histogram(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    names = tuple(f"f{place}" for place in range(recording.FEATURES))
    secret = recording.row("secret")
    text = secret.features_json.split(b",")[2].strip()
    recorder = opened(tmp_path, dsn, redact=("f2",), feature_names=names)
    recorder.append([secret])
    assert text not in segments(tmp_path)[0].read_bytes()
    await recorder.drain(5)
    row = await connection.fetchrow("SELECT features->2 = 'null' AS gone, features_f32 FROM inference_logs")
    assert row["gone"]
    counts = unpack(await connection.fetchval("SELECT features FROM drift_hist"))
    assert counts.sum() == recording.FEATURES - 1


async def test_tables_that_are_not_yet_there_are_waited_for(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    dsn = postgres_server.create_database()
    async with delivering(tmp_path, dsn) as recorder:
        fill(recorder, 10)
        await until(lambda: "log_spools" in str(recorder.health()["error"]))
        await apply(dsn)
        await until(lambda: recorder.pending == 0)
    connection = await asyncpg.connect(dsn)
    assert await ids(connection) == named(10)
    await connection.close()


async def test_rows_count_for_more_than_a_baseline_that_is_gone(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    recorder = opened(tmp_path)
    fill(recorder, 20)
    await recorder.drain(0.1)
    spoil(tmp_path, "baseline-*")
    settings = RecorderSettings(dsn=lambda: dsn, spool_dir=tmp_path, flush_seconds=0.01)
    recorder = Recorder.open(settings, recording.IDENTITY)  # the next version has no baseline
    await recorder.drain(20)
    assert await ids(connection) == named(20)
    assert await connection.fetchval("SELECT sum(rows) FROM drift_hist WHERE baseline_sha = ''") == 20


async def test_segments_of_nobody_and_segments_that_vanish_are_counted(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    recorder = opened(tmp_path)
    fill(recorder, 20)
    await recorder.drain(0.1)
    size = segments(tmp_path)[0].stat().st_size
    spoil(tmp_path, "run-*.json")
    recorder = opened(tmp_path, dsn)
    fill(recorder, 20, "gone")
    lost = segments(tmp_path)[-1]
    size += lost.stat().st_size
    lost.unlink()
    await recorder.start()
    await until(lambda: recorder.health()["corrupt_bytes"] == size)
    await recorder.drain(5)
    assert await ids(connection) == []
    assert await connection.fetchval("SELECT sum(bytes) FROM inference_logs_dropped") == size


async def test_a_position_that_somebody_deletes_doubles_nothing(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    async with delivering(tmp_path, dsn) as recorder:
        fill(recorder, 20)
        await until(lambda: recorder.pending == 0)
        await connection.execute("DELETE FROM log_spools")
        fill(recorder, 20, "new")
        await until(lambda: recorder.pending == 0)
    assert await ids(connection) == named(20) + named(20, "new")


async def test_a_copy_of_the_folder_that_was_used_elsewhere_is_noticed_and_new_rows_are_delivered(
    dsn: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    original = opened(tmp_path / "original")
    fill(original, 20)
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    async with delivering(tmp_path / "copy", dsn) as copy:
        fill(copy, 5, "copy")
    original.writer._settings = copy.writer._settings  # its database is back
    await original.start()
    await until(lambda: original.writer.progress.floor > 0)
    fill(original, 5, "original")
    await until(lambda: original.pending == 0)
    await original.drain(5)
    assert await ids(connection) == named(20) + named(5, "copy") + named(5, "original")


async def test_the_serving_role_has_every_right_that_a_recorder_ever_needs(
    postgres_server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = postgres_server.create_database()
    owner = await asyncpg.connect(dsn)
    role = await serving_role(owner)
    await apply(dsn)
    recorder = opened(tmp_path, spool_bytes=65_000)
    fill(recorder, 300)  # more than fits: some are dropped
    await recorder.drain(0.1)
    content = bytearray(segments(tmp_path)[0].read_bytes())
    content[100] ^= 1
    segments(tmp_path)[0].write_bytes(content)
    serving = dsn.replace("driftlead@", f"{role}@")
    monkeypatch.setattr(statements, "BEGIN", statements.BEGIN.replace("'5s'", "'200ms'"))
    async with delivering(tmp_path, serving) as recorder:
        await until(lambda: recorder.pending == 0)
        stalled = await asyncpg.connect(
            serving, server_settings={"application_name": f"driftlead-log {recorder.spool.id}"}
        )
        await stalled.execute("BEGIN")
        await stalled.fetch(statements.LOCK, recorder.spool.id)
        recorder.append([msgspec.structs.replace(recording.row("poison"), features_json=b'["\\u0000"]')])
        recorder.count_status(5, 3.0)
        await until(lambda: recorder.pending == 0)
    dropped, rejected, logged = await owner.fetchrow(
        "SELECT (SELECT sum(rows_dropped) FROM inference_logs_dropped), "
        "(SELECT count(*) FROM inference_logs_rejected), (SELECT count(*) FROM inference_logs)"
    )
    assert dropped > 1 and rejected == 1
    assert dropped + rejected + logged == recorder.last_seq
    await owner.close()
