"""One server, pinned to a core of its own: started, asked until it answers, measured, ended by its ids."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import data, peers
from benchmarks.side_by_side.servers import Server
from hack.ports import free_port
from neighbours.processes import stop, wait_until

SERVER_CORE, LOAD_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120


@dataclass(frozen=True)
class Running:
    """A server that answers. `cold`: seconds from its exec to its first right answer."""

    port: int
    pid: int
    cold: float


def favour(pid: int) -> None:
    """Gives a process's scheduler group the largest weight, so that other work hardly counts; needs root."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("-19")


def stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat behind the name: the state first. Empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def family(pid: int) -> dict[int, list[str]]:
    """The process and all below it, with their `stat`."""
    known = {int(path.name): stat(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    found = {pid: known.get(pid, [])}
    grown = True
    while grown:
        below = {each: fields for each, fields in known.items() if fields and int(fields[1]) in found}
        grown = not below.keys() <= found.keys()
        found |= below
    return {each: fields for each, fields in found.items() if fields}


def used(pid: int) -> tuple[float, float]:
    """CPU seconds and resident megabytes of a process tree."""
    tree = family(pid).values()
    seconds = sum(int(fields[11]) + int(fields[12]) for fields in tree) / TICKS
    return seconds, sum(int(fields[21]) for fields in tree) * os.sysconf("SC_PAGE_SIZE") / 1e6


def busy(core: int) -> float:
    """CPU seconds that a core has spent on anything since the machine's start; what a host took away
    counts."""
    line = next(
        each for each in Path("/proc/stat").read_text().splitlines() if each.startswith(f"cpu{core} ")
    )
    user, nice, system, _idle, _wait, irq, softirq, steal = (int(each) for each in line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


@contextlib.contextmanager
def started(server: Server, home: Path, dsn: str) -> Iterator[Running]:
    """Runs the server until it has given one right answer, and ends it afterwards.

    Raises NotInstalledError, RuntimeError when it ends by itself or answers wrongly, TimeoutError.
    """
    command, environment, port = prepared(server, home, dsn)
    log = home / "server.log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command],
            env=environment, cwd=home, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    favour(process.pid)
    try:
        body = data.bodies(home, server.dialect)[0]
        try:
            wait_until(
                lambda: ask(port, server.path, body)[0] == 200, server.name, START_SECONDS,
                lambda: process.poll() is None,
            )  # fmt: skip
        except (RuntimeError, TimeoutError) as error:
            lines = log.read_text(errors="replace").strip().splitlines() or [""]
            raise RuntimeError(f"{error}; its last line: {lines[-1][:200]}") from error
        cold = time.monotonic() - began
        for pid in family(process.pid):
            favour(pid)
        yield Running(port, process.pid, cold)
    finally:
        end(process)


def prepared(server: Server, home: Path, dsn: str) -> tuple[list[str], dict[str, str], int]:
    """Command, environment and port of a server about to be started."""
    port = free_port()
    known = {
        "port": str(port),
        "port2": str(free_port()),
        "port3": str(free_port()),
        "home": str(home),
        "model": str(home / server.model),
        "joblib": str(home / f"{server.model}.joblib"),
        "bin": str(peers.folder_of(server.peer)) if server.peer else "",
    }
    environment = {
        # A second start finds what the first one compiled, as it does in any image.
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        # MLflow looks for its uvicorn there.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DSN": dsn,
        "DRIFTLEAD_POSTGRES_DSN": dsn,
        "DRIFTLEAD_CACHE_DIR": str(home / "cache"),
        "DRIFTLEAD_SPOOL_DIR": str(home / f"spool-{port}"),
        **{name: value.format(**known) for name, value in server.environment.items()},
    }
    return [word.format(**known) for word in server.command], environment, port


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """One request: status and decoded reply; status 0 while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    return reply.status, json.loads(text) if reply.status == 200 else text.decode(errors="replace")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and its group, then what it started outside of the group, each by its id."""
    tree = family(process.pid)
    stop(process, 30)
    for pid, fields in tree.items():
        if (now := stat(pid)) and now[19] == fields[19]:  # the same start: not another one with its id
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
