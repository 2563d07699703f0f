"""Runs every level of tests and prints what ran and how long each took.

A level that fails does not hide the next one. A skipped test is shown with its reason, and where CI
is set it counts as a failure: there, a missing part must never look like a passing one. Only a test that
"does not apply" misses nothing: that of the node without Docker, say, where Docker runs.

Component tests mostly wait, the operator's nearly always, so three lanes run side by side; a lane beside the
main one prints its output when a level of it ends.

A cluster that these tests start ends with them. KEEP_CLUSTER=1 leaves it to whoever comes next: CI runs
`make test-platform` after this, and a second node would have to load every image again. It cannot start the
cluster before, since the tests of the node itself need a machine without one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from hack import ROOT, local_cluster
from hack.ports import RANGE, VARIABLE, ranges
from hack.tools import TOOLS

REPORTS = ROOT / ".build/reports"
PYTHON = sys.executable


@dataclass(frozen=True)
class Level:
    """A name, the command, what must be made before it.

    Levels of a lane run one after the other, the lanes beside one another; "" is the main lane.
    """

    name: str
    command: Sequence[str]
    before: Sequence[str] = ()
    lane: str = ""


@dataclass(frozen=True)
class Outcome:
    """How one level went."""

    name: str
    ok: bool
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)


def pytest_level(name: str, *words: str, before: Sequence[str] = (), lane: str = "") -> Level:
    """A level of tests: by default those of the folder of its name, else of the files that are named."""
    report = f"--junitxml={REPORTS / name}.xml"
    places = [] if any(word.startswith("tests/") for word in words) else [f"tests/{name}"]
    return Level(name, [PYTHON, "-m", "pytest", "-q", *places, report, *words], before, lane)


def component(of: str) -> list[str]:
    """The component tests of one component, which their file names begin with."""
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(f"tests/component/test_{of}_*.py"))]


def others(*components: str) -> list[str]:
    """What leaves out the component tests of these components."""
    return [f"--ignore-glob=*/test_{each}_*.py" for each in components]


LEVELS = [
    Level("lint", ["make", "--no-print-directory", "lint"], lane="computes"),
    pytest_level("unit", "--timeout=60", lane="computes"),
    pytest_level("chart", "--timeout=240", lane="computes"),
    pytest_level("docs", "--timeout=60", lane="computes"),
    pytest_level("platform", "--timeout=300", *component("platform"), lane="computes"),
    pytest_level("sweep", "--timeout=300", "tests/field/test_sweep.py", lane="computes"),
    pytest_level("operator", "--timeout=300", *component("operator"), lane="waits"),
    pytest_level("drift", "--timeout=300", *component("drift"), lane="waits"),
    pytest_level("cli", "--timeout=300", *component("cli"), lane="waits"),
    pytest_level("field", "--timeout=300", "--ignore=tests/field/test_sweep.py", lane="waits"),
    pytest_level("component", "--timeout=300", *others("platform", "operator", "drift", "cli")),
    pytest_level("e2e", "--timeout=1200", before=["make", "--no-print-directory", "images"]),
]
"""`platform`, `operator`, `drift` and `cli` are component tests too, `component` are all others; `sweep` is a
field test that mostly computes."""
ON_DEMAND = [pytest_level("e2e-platform", "--timeout=1200", "tests/e2e", "-m", "platform")]
"""What runs only where it is named: `make test-platform`, which makes the images before."""
WHOLE_MACHINE = {"e2e", "e2e-platform"}


def counts(report: Path) -> tuple[int, int, list[str]]:
    """Passed, failed, and a sentence for each skipped test, from pytest's own report."""
    suite = ElementTree.parse(report).getroot().find("testsuite")
    if suite is None:
        return 0, 0, []
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped = [
        f"{case.get('classname')}::{case.get('name')}: {mark.get('message')}"
        for case in suite.iter("testcase")
        for mark in case.iter("skipped")
    ]
    return int(suite.get("tests", 0)) - failed - len(skipped), failed, skipped


def misses(skipped: Sequence[str]) -> bool:
    """Whether one of these skipped tests lacked something that it should have had."""
    return any("does not apply" not in sentence for sentence in skipped)


def run(level: Level, ports: str = RANGE) -> Outcome:
    """Runs one level with ports of its own; its report, where it writes one, says what was in it."""
    report = REPORTS / f"{level.name}.xml"
    report.unlink(missing_ok=True)
    title = f"\n=== {level.name}: {' '.join(level.command[-2:] if level.before else level.command)}"
    started = time.monotonic()
    if not level.lane:
        print(title, flush=True)
    code, said = 0, b""
    for command in filter(None, (level.before, level.command)):
        done = subprocess.run(
            command,
            cwd=ROOT,
            check=False,
            stdout=subprocess.PIPE if level.lane else None,
            stderr=subprocess.STDOUT if level.lane else None,
            env={**os.environ, VARIABLE: ports},
        )
        code, said = code or done.returncode, said + (done.stdout or b"")
    if level.lane:
        print(f"{title}\n{said.decode(errors='replace')}", flush=True)
    seconds = time.monotonic() - started
    passed, failed, skipped = counts(report) if report.exists() else (0, 0, [])
    missing = "CI" in os.environ and misses(skipped)
    return Outcome(level.name, code == 0 and not missing, seconds, passed, failed, skipped)


def run_all(levels: Sequence[Level]) -> list[Outcome]:
    """Runs the lanes side by side; the end-to-end tests, which need the whole machine, after all others."""
    names = sorted({level.lane for level in levels})
    lanes = {name: ThreadPoolExecutor(1) for name in names}
    ports = dict(zip(names, ranges(len(names)), strict=True))
    last = [level for level in levels if level.name in WHOLE_MACHINE]
    started = [lanes[each.lane].submit(run, each, ports[each.lane]) for each in levels if each not in last]
    return [each.result() for each in started] + [run(level) for level in last]


def table(outcomes: Sequence[Outcome]) -> str:
    """One line a level, then each skipped test with its reason."""
    lines = [f"{'level':<12} {'result':<7} {'passed':>6} {'failed':>6} {'skipped':>7} {'seconds':>8}"]
    for each in outcomes:
        result = "ok" if each.ok else "FAILED"
        figures = f"{each.passed:>6} {each.failed:>6} {len(each.skipped):>7} {each.seconds:>8.1f}"
        lines.append(f"{each.name:<12} {result:<7} {figures}")
    lines += [f"skipped: {sentence}" for each in outcomes for sentence in each.skipped]
    return "\n".join(lines)


def total(outcomes: Sequence[Outcome], seconds: float) -> str:
    """The last line but one, in pytest's own form for whoever reads it by program."""
    passed, failed = sum(each.passed for each in outcomes), sum(each.failed for each in outcomes)
    skipped = sum(len(each.skipped) for each in outcomes)
    return f"total: {passed} passed, {failed} failed, {skipped} skipped in {seconds:.0f} s"


def cluster_is_up() -> bool:
    """Whether a cluster runs; False also where none can."""
    try:
        return local_cluster.choose()[0].running()
    except SystemExit:
        return False


def main(names: Sequence[str]) -> int:
    """Runs the named levels, or all; 0 only when every one of them is good."""
    known = {level.name: level for level in (*LEVELS, *ON_DEMAND)}
    if unknown := set(names) - known.keys():
        print(f"no such level: {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)
    # Before anything runs side by side, so that nothing is built twice and no test waits for it.
    for words in (["hack.machine"], ["hack.tools", *TOOLS]):
        if subprocess.run([PYTHON, "-m", *words], cwd=ROOT, check=False).returncode:
            return 1
    stays = "KEEP_CLUSTER" in os.environ or cluster_is_up()
    started = time.monotonic()
    try:
        outcomes = run_all([known[name] for name in names] or LEVELS)
    finally:
        if not stays:
            subprocess.run([PYTHON, "-m", "hack.local_cluster", "down"], cwd=ROOT, check=False)
    failed = [each.name for each in outcomes if not each.ok]
    print(f"\n{table(outcomes)}\n{total(outcomes, time.monotonic() - started)}")
    print(f"failed: {', '.join(failed)}" if failed else "every level passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
