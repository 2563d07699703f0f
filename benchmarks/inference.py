"""Predictions per second and core, side by side: this server, `mlflow models serve`, the usual FastAPI
service.

Run: python benchmarks/inference.py [--seconds 4] [--only wire-log,...]. Needs two cores, root (for scheduler
weights; without it, a quiet machine), and wrk (apt-get install wrk).

The server has core 0 alone; the generator and Postgres share core 1. Every request has one of 5,000 bodies.
Throughput: the median of three runs at 32 and at 128 connections. Latency: an open loop at a constant rate,
counted from when a request was due, so a server that stalls cannot hide it. A server that logs must have
every row of every 200 in the table when it is done.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import asyncpg  # noqa: E402
import joblib  # noqa: E402
import mlflow  # noqa: E402
import mlflow.sklearn  # noqa: E402
from sklearn.datasets import make_classification  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from driftlead_data import baseline  # noqa: E402
from driftlead_drift.migrate import migrate  # noqa: E402
from neighbours import postgres  # noqa: E402
from neighbours.mlflow import answers  # noqa: E402
from neighbours.processes import free_port, stop, wait_until  # noqa: E402

PYTHON = sys.executable
SERVE = [PYTHON, "-m", "driftlead_inference", "serve", "--host", "127.0.0.1"]
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function init(args)
  reqs, n = {}, 0
  for line in io.lines(args[1]) do reqs[#reqs + 1] = wrk.format(nil, nil, nil, line) end
end
function request() n = n % #reqs + 1; return reqs[n] end
function done(s, l, r)
  io.write(string.format('JSON {"rps": %f, "n": %d, "bad": %d}\\n', s.requests / (s.duration / 1e6),
  s.requests,
    s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout))
end
"""


@dataclass(frozen=True)
class Server:
    """How one is started. `{port}`, `{model}`, `{joblib}` are filled in; `logs` says that rows must
    arrive."""

    name: str
    command: list[str]
    model: str = "regression"
    environment: dict[str, str] = field(default_factory=dict)
    path: str = "/predict"
    ready: str = "/readyz"
    key: str = "features"
    logs: bool = False


def ours(name: str, model: str, *, logs: bool, **environment: str) -> Server:
    mode = {"DRIFTLEAD_LOG_MODE": "async" if logs else "off"}
    command = [*SERVE, "--port", "{port}", "--model", "{model}"]
    return Server(name, command, model, {**mode, **environment}, logs=logs)


def mlflow_serve(model: str) -> Server:
    command = [str(Path(PYTHON).with_name("mlflow")), "models", "serve", "-m", "{model}", "-p", "{port}"]
    return Server(
        f"mlflow models serve, {model}",
        [*command, "--env-manager", "local"],
        model,
        {},
        "/invocations",
        "/ping",
        "inputs",
    )


def uvicorn_of(application: str) -> list[str]:
    return [
        PYTHON,
        "-m",
        "uvicorn",
        application,
        "--port",
        "{port}",
        "--no-access-log",
        "--app-dir",
        "{servers}",
    ]


SERVERS = [
    ours("wire, log", "regression", logs=True),
    ours("wire, no log", "regression", logs=False),
    ours("wire, durable", "regression", logs=True, DRIFTLEAD_LOG_MODE="durable"),
    ours("asgi, log", "regression", logs=True, DRIFTLEAD_FRONT="asgi"),
    Server("uvicorn, constant reply", uvicorn_of("raw:app"), ready="/"),
    Server(
        "FastAPI + INSERT",
        uvicorn_of("naive:app"),
        environment={"MODEL": "{joblib}"},
        ready="/docs",
        logs=True,
    ),
    mlflow_serve("regression"),
    ours("wire, log, forest by ONNX", "forest", logs=True),
    ours("wire, log, forest by scikit-learn", "forest", logs=True, DRIFTLEAD_ONNX="off"),
    mlflow_serve("forest"),
]


def train(home: Path) -> None:
    """The models as folders of MLflow and as joblib, and the bodies."""
    table, classes = make_classification(20_000, 20, random_state=0)
    models = {
        "regression": make_pipeline(StandardScaler(), LogisticRegression()),
        "forest": RandomForestClassifier(100, random_state=0),
    }
    binned = baseline.build({f"f{at}": table[:, at] for at in range(20)}, prediction=classes)
    for name, model in models.items():
        model.fit(table, classes)
        mlflow.sklearn.save_model(
            model,
            home / name,
            signature=mlflow.models.infer_signature(table, classes),
            input_example=table[:1],
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
        (home / name / "driftlead").mkdir()
        (home / name / baseline.ARTIFACT).write_bytes(binned.to_json())
        joblib.dump(model, home / f"{name}.joblib")
    dice = random.Random(1)
    rows = [[round(float(value), 6) for value in dice.choice(table)] for _ in range(5000)]
    for key, wrap in (("features", False), ("inputs", True)):
        lines = (json.dumps({key: [row] if wrap else row}) for row in rows)
        (home / f"{key}.txt").write_text("\n".join(lines) + "\n")
    (home / "post.lua").write_text(LUA)


def favour(pid: int) -> None:
    """Gives a process group the largest scheduler weight, so that other work hardly counts."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("-19")


@contextlib.contextmanager
def started(server: Server, home: Path, dsn: str) -> Iterator[tuple[int, int, float]]:
    """The server on core 0: port, process id, seconds from exec to its first answer."""
    port = free_port()
    known = {
        "port": str(port),
        "model": str(home / server.model),
        "joblib": str(home / f"{server.model}.joblib"),
        "servers": str(ROOT / "benchmarks/servers"),
    }
    environment = {name: value.format(**known) for name, value in server.environment.items()}
    path = f"{Path(PYTHON).parent}:{os.environ['PATH']}"  # where MLflow looks for its uvicorn
    environment |= {
        "PATH": path,
        "DSN": dsn,
        "DRIFTLEAD_POSTGRES_DSN": dsn,
        "DRIFTLEAD_CACHE_DIR": str(home / "cache"),
        "DRIFTLEAD_SPOOL_DIR": str(home / f"spool-{port}"),
    }
    began = time.monotonic()
    process = subprocess.Popen(
        ["taskset", "-c", "0", *(word.format(**known) for word in server.command)],
        env={**os.environ, **environment},
        stdout=(home / "server.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    favour(process.pid)
    try:
        url = f"http://127.0.0.1:{port}{server.ready}"
        wait_until(lambda: answers(url), server.name, 300, lambda: process.poll() is None)
        yield port, process.pid, time.monotonic() - began
    finally:
        stop(process, 30)


def family(pid: int) -> list[int]:
    """The process and all below it."""
    children = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    return [pid, *(each for child in children for each in family(int(child)))]


def used(pid: int) -> tuple[float, float]:
    """CPU seconds and resident megabytes of a process tree."""
    seconds = megabytes = 0.0
    for each in family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        megabytes += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return seconds, megabytes


def wrk(server: Server, home: Path, port: int, connections: int, seconds: float) -> dict[str, float]:
    """One run of the generator."""
    url = f"http://127.0.0.1:{port}{server.path}"
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:.0f}s",
        "--timeout",
        "10s",
        "-s",
        home / "post.lua",
        url,
    ]
    process = subprocess.Popen(
        [*command, "--", home / f"{server.key}.txt"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    favour(process.pid)
    output, _ = process.communicate()
    found: dict[str, float] = json.loads(output.split("JSON ")[1])
    return found


async def open_loop(server: Server, home: Path, port: int, rate: int, seconds: float) -> list[float]:
    """Latencies in milliseconds at a constant rate over 64 connections, each from when its request was
    due."""
    lines = (home / f"{server.key}.txt").read_bytes().splitlines()
    head = f"POST {server.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    idle: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(64):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    found: list[float] = []

    async def ask(number: int, due: float) -> None:
        reader, writer = await idle.get()
        body = lines[number % len(lines)]
        writer.write(head.encode() + b"%d\r\n\r\n%b" % (len(body), body))
        reply = await reader.readuntil(b"\r\n\r\n")
        length = int(reply.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        found.append((time.perf_counter() - due) * 1e3)
        idle.put_nowait((reader, writer))

    began, tasks = time.perf_counter() + 0.1, []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(number, due)))
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    while not idle.empty():
        idle.get_nowait()[1].close()
    return sorted(found)


async def count(dsn: str, expected: int) -> int:
    """Rows in the table, once they are all there or three minutes are over."""
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(360):
            rows = int(await connection.fetchval("SELECT count(*) FROM inference_logs"))
            if rows >= expected:
                break
            await asyncio.sleep(0.5)
        return rows
    finally:
        await connection.close()


def measure(server: Server, home: Path, dsn: str, seconds: float) -> str:
    """One line of the table."""
    warm = started(server, home, dsn)
    if server.command[: len(SERVE)] == SERVE:  # the first start prepares, the second is what a restart costs
        with warm:
            pass
        warm = started(server, home, dsn)
    with warm as (port, pid, cold):
        runs = [wrk(server, home, port, 32, 2)]
        rates, cpu = {}, 0.0
        for connections in (32, 128):
            before = used(pid)[0]
            some = [wrk(server, home, port, connections, seconds) for _ in range(3)]
            cpu = (used(pid)[0] - before) / sum(run["n"] for run in some) * 1e6
            rates[connections] = statistics.median(run["rps"] for run in some)
            runs += some
        rate = 200 if server.model == "regression" else 50
        latencies = asyncio.run(open_loop(server, home, port, rate, max(5, seconds)))
        asked = int(sum(run["n"] for run in runs)) + len(latencies)
        rows = asyncio.run(count(dsn, asked)) if server.logs else 0
        megabytes = used(pid)[1]
    p50, p99 = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    # wrk ends with requests under way, which the server logs and nobody counts.
    logged = f"{rows:,} of {asked:,}" if server.logs else "-"
    bad = int(sum(run["bad"] for run in runs))
    return (
        f"| {server.name} | {rates[32]:,.0f} | {rates[128]:,.0f} | {cpu:.0f} "
        f"| {p50:.2f} / {p99:.2f} at {rate}/s | {megabytes:.0f} | {cold:.1f} | {logged} | {bad} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4, help="of each throughput run")
    parser.add_argument("--only", default="", help="names, separated by semicolons")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; apt-get install wrk")
    os.sched_setaffinity(0, {1})  # and Postgres and the generator with it
    with tempfile.TemporaryDirectory(prefix="driftlead-bench-") as folder, postgres() as database:
        home = Path(folder)
        favour(database.pid())
        favour(os.getpid())
        train(home)
        print(
            "| server | req/s, 32 conns | 128 | CPU us | p50 / p99 ms | MB | start s | rows logged | errors |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for server in SERVERS:
            if options.only and server.name not in options.only.split(";"):
                continue
            dsn = database.create_database()
            migrate(dsn)
            print(measure(server, home, dsn, options.seconds), flush=True)


if __name__ == "__main__":
    main()
