"""The tables, in Markdown, of raw figures."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.side_by_side import goals, peers
from benchmarks.side_by_side.figures import CONNECTIONS, Measured
from benchmarks.side_by_side.servers import OURS

PEERS = ("kserve", "mlserver", "bentoml", "litserve")
MINE = (
    "driftlead",
    "scikit-learn",
    "numpy",
    "onnxruntime",
    "uvicorn",
    "uvloop",
    "httptools",
    "fastapi",
    "mlflow",
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """What it runs on, and the versions of everything measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )
    mine = ", ".join(f"{name} {version(name)}" for name in MINE)
    others = ", ".join(f"{name} {peers.version_of(name, name)}" for name in PEERS)
    here = f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    return f"{here}; {mine}; peers: {others}."


def figures(measured: Sequence[Measured]) -> str:
    """One line a server."""
    head = [
        "server", "req/s, 32 conns", "128", "of raw ASGI", "CPU us, 32 / 128 / all", "p50 / p99 ms", "MB",
        "start s", "rows logged", "behind s", "errors", "others on its core",
    ]  # fmt: skip
    return table(head, [line(each, measured) for each in measured])


def line(each: Measured, measured: Sequence[Measured]) -> list[str]:
    """A server's cells."""
    name = f"**{each.title}**" if each.kind == OURS else each.title
    name += f" ({each.engine})" if each.engine else ""
    if each.failed:
        return [name, f"did not run: {cell(each.failed)}", *[""] * 10]
    share = goals.share_of_raw(each, measured)
    rates = [f"{each.throughput(connections):,.0f}" for connections in CONNECTIONS]
    cpu = " / ".join(f"{each.cpu_us[str(connections)]:.0f}" for connections in CONNECTIONS)
    cpu += f" / {each.cpu_all_us:.0f}"
    p50 = statistics.median(each.p50) if each.p50 else float("nan")
    return [
        name, *rates, "" if share is None else f"{share:.0%}", cpu,
        f"{p50:.2f} / {goals.p99(each):.2f} at {each.rate}/s", f"{each.megabytes:.0f}", f"{each.cold:.1f}",
        f"{each.rows:,} of {max(each.answered, each.made):,}" if each.logs else "-",
        f"{each.behind:.1f}" if each.logs else "-", str(each.errors),
        f"{each.others:.0%}",
    ]  # fmt: skip


def verdicts(measured: Sequence[Measured]) -> str:
    """One line a goal."""
    words = {True: "met", False: "**not met**", None: "not measured"}
    rows = [
        [each.goal, each.against, each.wanted, each.seen, words[each.met]] for each in goals.judge(measured)
    ]
    return table(["goal", "against", "wanted", "seen", ""], rows)


def cell(text: str) -> str:
    """Text that does not break a table."""
    return " ".join(text.split()).replace("|", "/")
