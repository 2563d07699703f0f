"""Where our time for a request goes: stacks of a saturated server, sorted into steps.

py-spy takes them on the server's own core, where its timer interrupts whatever the server does; on the other
core it would run when the generator waits, and see one phase too often. A step's share is of the CPU time for
a request that the same server takes without being watched.
"""

import subprocess
from pathlib import Path

from benchmarks.side_by_side import load, peers, processes, report
from benchmarks.side_by_side.processes import SERVER_CORE, Running
from benchmarks.side_by_side.servers import Server
from benchmarks.side_by_side.stacks import ORDER, shares

CONNECTIONS = 32
HERTZ = 200


def profile(server: Server, running: Running, home: Path, seconds: float) -> dict[str, float]:
    """Microseconds of CPU a request, by step."""
    url, bodies = f"http://127.0.0.1:{running.port}{server.path}", home / f"{server.dialect}.txt"
    load.wrk(url, bodies, CONNECTIONS, 1)
    before = processes.used(running.pid)[0]
    answers = load.wrk(url, bodies, CONNECTIONS, seconds).answers
    whole = (processes.used(running.pid)[0] - before) / answers * 1e6
    stacks = home / "stacks.txt"
    command: list[str | Path] = [
        "taskset", "-c", str(SERVER_CORE), peers.folder_of("py-spy") / "py-spy", "record",
        "--pid", str(running.pid), "--native", "--format", "raw", "--rate", str(HERTZ),
        "--duration", f"{seconds:.0f}", "--output", stacks,
    ]  # fmt: skip
    spy = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    processes.favour(spy.pid)
    load.wrk(url, bodies, CONNECTIONS, seconds + 1)
    if spy.wait(60):
        raise RuntimeError(f"py-spy ended with {spy.returncode}; it needs the right to trace processes")
    return {step: share * whole for step, share in shares(stacks.read_text().splitlines()).items()}


def table(found: dict[str, dict[str, float]]) -> str:
    """A column a server, a line a step, and the sum."""
    rows = [[step, *(f"{each.get(step, 0):.1f}" for each in found.values())] for step in ORDER]
    rows.append(["**CPU us a request**", *(f"**{sum(each.values()):.1f}**" for each in found.values())])
    return report.table(["step", *found], rows)
