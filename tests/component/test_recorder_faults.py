"""The fault suite of the prediction log: whatever is killed or cut, each answered row is there once."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from driftlead_formats.histograms import unpack, unpack_latency
from driftlead_log.migrate import apply
from neighbours import Postgres, recording
from neighbours.postgres import postgres, serving
from neighbours.recording import Child

ROUNDS = int(os.environ.get("DRIFTLEAD_FAULT_ROUNDS", "8"))


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    recording.kill_all()


async def verify(dsn: str, children: Sequence[Child]) -> dict[str, int]:
    """design.md's promise, id by id; returns how often each id stands in the log."""
    connection = await asyncpg.connect(dsn)
    try:
        logged = Counter(r[0] for r in await connection.fetch("SELECT request_id FROM inference_logs"))
        dropped = await connection.fetch("SELECT first_seq, last_seq, reason FROM inference_logs_dropped")
        await verify_histograms(connection)
    finally:
        await connection.close()
    assert max(logged.values(), default=1) == 1, [i for i, n in logged.items() if n > 1][:5]
    answered = {i for child in children for i in child.ids}
    lost = []
    for child in children:
        for last, ids in child.acknowledged:
            seqs = dict(zip(ids, range(last - len(ids) + 1, last + 1), strict=True))
            lost += [
                (i, seq)
                for i, seq in seqs.items()
                if i not in logged and not any(d["first_seq"] <= seq <= d["last_seq"] for d in dropped)
            ]
    assert not lost, f"{len(lost)} answered rows are lost, for example {lost[:5]}"
    assert len(set(logged) - answered) <= recording.in_flight(children)
    return dict(logged)


async def verify_histograms(connection: asyncpg.Connection) -> None:
    """The counts are those of the rows in the log, bin by bin."""
    rows = await connection.fetch("SELECT features_f32, prediction, row FROM inference_logs")
    counted = await connection.fetch("SELECT * FROM drift_hist")
    assert sum(c["rows"] for c in counted) == len(rows)
    if not rows:
        return
    base = recording.BASELINE
    matrix = np.frombuffer(b"".join(r["features_f32"] for r in rows), dtype="<f4").reshape(len(rows), -1)
    expected = np.concatenate(base.count(matrix))
    np.testing.assert_array_equal(sum(unpack(c["features"]) for c in counted), expected)
    predictions = base.count_prediction([r["prediction"] for r in rows])
    np.testing.assert_array_equal(sum(unpack(c["prediction"]) for c in counted), predictions)
    requests = sum(r["row"] == 0 for r in rows)
    assert sum(c["requests"] for c in counted) == requests
    assert sum(unpack_latency(c["latency"])[0].sum() for c in counted) == requests


@pytest.mark.parametrize("mode", ["async", "durable"])
async def test_a_server_killed_at_random_moments_loses_and_doubles_nothing(
    dsn: str, tmp_path: Path, mode: str
) -> None:
    children = []
    for number in range(ROUNDS):
        child = recording.start(f"round{number}", dsn, tmp_path, mode=mode)
        children.append(child)
        child.wait_for(1)
        child.read(random.uniform(0, 0.25))
        child.kill()
    last = recording.start("last", dsn, tmp_path, mode=mode, requests=1)
    children.append(last)
    last.wait_for(4)
    last.stop()
    logged = await verify(dsn, children)
    assert len(logged) >= ROUNDS
    connection = await asyncpg.connect(dsn)
    order = await connection.fetch("SELECT seq FROM inference_logs ORDER BY id")
    assert [r["seq"] for r in order] == list(range(1, len(order) + 1))
    assert await connection.fetchval("SELECT count(*) FROM inference_logs_dropped") == 0
    await connection.close()


async def test_durable_loses_nothing_even_when_the_node_and_its_disk_are_lost(
    dsn: str, tmp_path: Path
) -> None:
    child = recording.start("node", dsn, tmp_path, mode="durable")
    child.wait_for(50)
    child.kill()
    shutil.rmtree(tmp_path)
    assert len(await verify(dsn, [child])) >= 50


async def test_a_server_that_stands_still_for_a_while_goes_on_as_if_nothing_had_been(
    dsn: str, tmp_path: Path
) -> None:
    child = recording.start("stopped", dsn, tmp_path)
    for _ in range(max(3, ROUNDS // 5)):
        child.wait_for(len(child.acknowledged) + 10)
        child.send(signal.SIGSTOP)
        child.read(random.uniform(0.05, 0.5))
        child.send(signal.SIGCONT)
    child.stop()
    logged = await verify(dsn, [child])
    assert len(logged) == len(child.ids)


async def test_a_database_killed_under_load_gets_every_row_once(tmp_path: Path) -> None:
    with postgres(fsync=True) as server, ExitStack() as servers:
        dsn = server.create_database()
        await apply(dsn)
        child = recording.start("pg", dsn, tmp_path)
        for _ in range(max(2, ROUNDS // 5)):
            child.wait_for(len(child.acknowledged) + 20)
            child.read(random.uniform(0, 0.3))
            pid = server.pid()
            server.crash()
            await asyncio.to_thread(os.waitpid, pid, 0)
            child.read(0.3)
            restart(server, servers)
            child.wait_for(len(child.acknowledged) + 20)
        child.stop()
        await verify(dsn, [child])


def restart(server: Postgres, servers: ExitStack) -> None:
    """Postgres again after a crash; its old children must have noticed first."""
    deadline = time.monotonic() + 30
    while True:
        try:
            servers.enter_context(serving(server, fsync=True))
            return
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@asynccontextmanager
async def cutting_proxy(dsn: str, share: float, *, deliver: bool) -> AsyncIterator[tuple[str, list[int]]]:
    """A TCP proxy that cuts at COMMIT: after the server has it (`deliver`) or before; no answer comes."""
    host, _, name = dsn.removeprefix("postgresql://").partition("@")[2].partition("/")
    port, cuts = int(host.rpartition(":")[2]), [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        back = asyncio.create_task(pump(there_reader, writer))
        while data := await reader.read(1 << 16):
            if data.startswith(b"Q") and b"COMMIT" in data and random.random() < share:
                cuts[0] += 1
                back.cancel()
                if deliver:
                    there_writer.write(data)
                    await there_writer.drain()
                    await asyncio.sleep(0.05)
                break
            there_writer.write(data)
            await there_writer.drain()
        for stream in (writer, there_writer):
            stream.close()
        await asyncio.gather(back, return_exceptions=True)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxied = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://driftlead@127.0.0.1:{proxied}/{name}", cuts
    finally:
        server.close()


@pytest.mark.parametrize("deliver", [True, False], ids=["after the commit", "before the commit"])
async def test_a_connection_cut_at_the_commit_loses_and_doubles_nothing(
    dsn: str, tmp_path: Path, deliver: bool
) -> None:
    async with cutting_proxy(dsn, 0.3, deliver=deliver) as (proxied, cuts):
        child = recording.start("cut", proxied, tmp_path, pause=0.02, drain=50)
        await asyncio.to_thread(child.wait_for, 100)
        while cuts[0] < max(3, ROUNDS // 4):
            await asyncio.to_thread(child.read, 0.05)
        await asyncio.to_thread(child.stop)
    await verify(dsn, [child])
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM inference_logs") == len(child.ids)
    await connection.close()


@pytest.mark.parametrize("after", ["kill", "stop"])
async def test_a_full_spool_drops_by_number_even_when_the_server_is_killed(
    dsn: str, tmp_path: Path, after: str
) -> None:
    unreachable = "postgresql://driftlead@127.0.0.1:9/none"
    full = recording.start("full", unreachable, tmp_path, spool_bytes=70_000, drain=0.2)
    full.wait_for(200)
    if after == "kill":
        full.kill()
    else:
        full.stop()
    next_one = recording.start("next", dsn, tmp_path, spool_bytes=70_000, requests=20)
    next_one.wait_for(80)
    next_one.stop()
    logged = await verify(dsn, [full, next_one])
    connection = await asyncpg.connect(dsn)
    dropped = await connection.fetch("SELECT * FROM inference_logs_dropped")
    assert dropped and {d["reason"] for d in dropped} == {"spool-full"}
    newest = max(seq for seq, _ in next_one.acknowledged)
    assert sum(d["rows_dropped"] for d in dropped) + len(logged) == newest
    await connection.close()
