"""One server's figures: right answers, throughput, latency, CPU, memory, start, and its rows in Postgres."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from benchmarks.side_by_side import data, load, processes
from benchmarks.side_by_side.figures import CONNECTIONS, Measured, Plan
from benchmarks.side_by_side.processes import SERVER_CORE, Running
from benchmarks.side_by_side.servers import LIMIT, OURS, Server
from hack.tools import NotInstalledError

CHECKED = 50
ARRIVAL_SECONDS = 180


def measure(server: Server, home: Path, dsn: str, plan: Plan, *, prepare: bool) -> Measured:
    """Starts, checks and loads one server. One that does not start or does not answer right says so in
    `failed`.

    `prepare`: it is started once before, which converts its model; what is measured is what a restart costs.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    found = Measured(server.name, server.kind, server.model, now, os.getloadavg()[0], logs=server.logs)
    try:
        if prepare:
            with processes.started(server, home, dsn):
                found.answered += 1
            found.made = int(server.kind == OURS)
        with processes.started(server, home, dsn) as running:
            found.cold = running.cold
            found.answered += 1
            check(server, running, home, found)
            pace(server, running, home, plan, found)
            before, already = processes.used(running.pid)[0], found.answered
            saturate(server, running, home, plan, found)
            found.megabytes = processes.used(running.pid)[1]
            if server.logs:
                asyncio.run(settle(server, running, dsn, found))
            spent = processes.used(running.pid)[0] - before
            found.cpu_all_us = spent / max(1, found.answered - already) * 1e6
    except (NotInstalledError, RuntimeError, TimeoutError, OSError, ValueError) as error:
        found.failed = f"{type(error).__name__}: {error}"
    return found


def check(server: Server, running: Running, home: Path, found: Measured) -> None:
    """Holds answers against scikit-learn's own. Raises RuntimeError at the first wrong one."""
    if server.kind == LIMIT:
        return
    read = data.DIALECTS[server.dialect].read
    bodies, answers = data.bodies(home, server.dialect), data.expected(home, server.model)
    for body, right in zip(bodies[:CHECKED], answers[:CHECKED], strict=True):
        status, reply = processes.ask(running.port, server.path, body)
        if status != 200 or float(read(reply)) != right:
            raise RuntimeError(f"answers {status} {reply!r} where scikit-learn says {right}")
        found.answered += 1
    if server.kind == OURS:
        found.engine = processes.ask(running.port, "/health")[1]["engine"]


def saturate(server: Server, running: Running, home: Path, plan: Plan, found: Measured) -> None:
    """Throughput and CPU a request, after a second's warm-up."""
    url, bodies = f"http://127.0.0.1:{running.port}{server.path}", home / f"{server.dialect}.txt"
    runs = [load.wrk(url, bodies, CONNECTIONS[0], 1)]
    others: list[float] = []
    for connections in CONNECTIONS:
        with shared(running, others) as spent:
            some = [load.wrk(url, bodies, connections, plan.seconds) for _ in range(plan.runs)]
        found.rates[str(connections)] = [run.rate for run in some]
        found.cpu_us[str(connections)] = spent[0] / max(1, sum(run.answers for run in some)) * 1e6
        runs += some
    found.others = max(others)
    found.answered += sum(run.answers for run in runs)
    found.errors += sum(run.errors for run in runs)


@contextmanager
def shared(running: Running, others: list[float]) -> Iterator[list[float]]:
    """Appends the CPU seconds that the server spent meanwhile to what it yields, and to `others` the share of
    its core that went elsewhere."""
    spent: list[float] = []
    began, mine, all_ = time.monotonic(), processes.used(running.pid)[0], processes.busy(SERVER_CORE)
    yield spent
    spent.append(processes.used(running.pid)[0] - mine)
    elsewhere = processes.busy(SERVER_CORE) - all_ - spent[0]
    others.append(max(0.0, elsewhere / (time.monotonic() - began)))


def pace(server: Server, running: Running, home: Path, plan: Plan, found: Measured) -> None:
    """Latency at a constant rate, after a second's warm-up; before the saturation, whose backlog of log rows
    would still be on its way to Postgres."""
    found.rate, bodies = plan.rate, data.bodies(home, server.dialect)
    warm = load.open_loop(running.port, server.path, bodies, found.rate, 1)
    found.answered += len(warm.latencies)
    for _ in range(plan.runs):
        run = load.open_loop(running.port, server.path, bodies, found.rate, plan.latency_seconds)
        found.answered += len(run.latencies)
        found.errors += run.errors
        if run.latencies:
            found.p50.append(run.percentile(0.5))
            found.p99.append(run.percentile(0.99))


async def settle(server: Server, running: Running, dsn: str, found: Measured) -> None:
    """Waits until every row is in the table, and counts.

    wrk ends with requests under way, which are answered, logged and not counted by it: our server says itself
    how many rows it has made, and has to have delivered all of them.
    """
    before, began = found.made, time.monotonic()
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            if server.kind == OURS:
                found.made = before + processes.ask(running.port, "/health")[1]["log"]["last_seq"]
            found.rows = await connection.fetchval("SELECT count(*) FROM inference_logs")
            found.behind = time.monotonic() - began
            if found.rows >= max(found.answered, found.made) or found.behind > ARRIVAL_SECONDS:
                break
            await asyncio.sleep(0.2)
        found.counted = await connection.fetchval("SELECT coalesce(sum(rows), 0)::bigint FROM drift_hist")
    finally:
        await connection.close()
