"""Daemons with a pid file: started once, known again later, ended for sure."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from hack.devcluster.components import Component


def started_at(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None when it is gone. With the pid it is unmistakable."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def pid_of(name: str, logs: Path) -> int | None:
    """The pid of a component that runs, None when it does not."""
    try:
        pid, began = (logs / f"{name}.pid").read_text().split()
    except FileNotFoundError:
        return None
    return int(pid) if started_at(int(pid)) == began else None


def start(component: Component, binaries: Path, logs: Path) -> bool:
    """Starts it unless it runs; False when it ran already. Its output is appended to its log."""
    if pid_of(component.name, logs):
        return False
    search = f"{binaries}:{os.environ['PATH']}:/usr/sbin:/sbin"
    with (logs / f"{component.name}.log").open("ab") as log:
        process = subprocess.Popen(
            component.command,
            executable=_find(component.command[0], search),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": search, **component.environment},
            cwd="/",
            start_new_session=True,
        )
    (logs / f"{component.name}.pid").write_text(f"{process.pid} {started_at(process.pid)}")
    return True


def _find(program: str, search: str) -> str:
    for folder in search.split(":"):
        if os.access(path := Path(folder) / program, os.X_OK):
            return str(path)
    raise FileNotFoundError(f"no program {program} in {search}")


def end(pids: list[int], seconds: float = 10) -> None:
    """Asks processes to end, and kills those that have not after some seconds."""
    for sign, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for pid in filter(started_at, pids):
            os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while any(map(started_at, pids)) and time.monotonic() < deadline:
            _reap(pids)
            time.sleep(0.05)


def _reap(pids: list[int]) -> None:
    """Collects those that are our own children, or they would stay as zombies while we live."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def stop(names: list[str], logs: Path) -> None:
    """Ends components in the order given."""
    for name in names:
        if pid := pid_of(name, logs):
            end([pid])
        (logs / f"{name}.pid").unlink(missing_ok=True)


def naming(text: str) -> Iterator[int]:
    """The pids of all processes whose command line holds this text, our own line of ancestors left out."""
    ours = set(_ancestors())
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in words and pid not in ours and started_at(pid):
            yield pid


def _ancestors() -> Iterator[int]:
    pid = os.getpid()
    while pid > 1:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
