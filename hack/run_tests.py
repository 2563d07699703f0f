"""Runs every level of tests and prints what ran and how long each took.

A level that fails does not hide the next one. A skipped test is shown with its reason, and where CI
is set it counts as a failure: there, a missing part must never look like a passing one. Only a test that
"does not apply" misses nothing: that of the node without Docker, say, where Docker runs.

Component tests mostly wait, the operator's nearly always, so three lanes run side by side; what runs
beside the main lane says all that it has to say when it ends.
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

from tools import TOOLS

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".build/reports"
PYTHON = sys.executable


@dataclass(frozen=True)
class Level:
    """A name, the command, what must be made before it; `lane`: with whom it takes turns, "" is in front."""

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


def component(room: str) -> list[str]:
    """The component tests of one room."""
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(f"tests/component/test_{room}_*.py"))]


def others(*rooms: str) -> list[str]:
    """What leaves these rooms out of the component tests."""
    return [f"--ignore-glob=*/test_{room}_*.py" for room in rooms]


LEVELS = [
    Level("lint", ["make", "--no-print-directory", "lint"], lane="computes"),
    pytest_level("unit", "--timeout=60", lane="computes"),
    pytest_level("chart", "--timeout=240", lane="computes"),
    pytest_level("docs", "--timeout=60", lane="computes"),
    pytest_level("platform", "--timeout=300", *component("platform"), lane="computes"),
    pytest_level("operator", "--timeout=300", *component("operator"), lane="waits"),
    pytest_level("drift", "--timeout=300", *component("drift"), lane="waits"),
    pytest_level("cli", "--timeout=300", *component("cli"), lane="waits"),
    pytest_level("component", "--timeout=300", *others("platform", "operator", "drift", "cli")),
    pytest_level("e2e", "--timeout=1200", before=["make", "--no-print-directory", "images"]),
]
"""`platform`, `operator`, `drift` and `cli` are component tests too, `component` are all others."""


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


def run(level: Level) -> Outcome:
    """Runs one level; its report, where it writes one, says what was in it."""
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
    lanes = {level.lane: ThreadPoolExecutor(1) for level in levels}
    last = [level for level in levels if level.name == "e2e"]
    started = [lanes[level.lane].submit(run, level) for level in levels if level not in last]
    return [each.result() for each in started] + [run(level) for level in last]


def table(outcomes: Sequence[Outcome]) -> str:
    """One line a level, then each skipped test with its reason."""
    lines = [f"{'level':<10} {'result':<7} {'passed':>6} {'failed':>6} {'skipped':>7} {'seconds':>8}"]
    for each in outcomes:
        result = "ok" if each.ok else "FAILED"
        figures = f"{each.passed:>6} {each.failed:>6} {len(each.skipped):>7} {each.seconds:>8.1f}"
        lines.append(f"{each.name:<10} {result:<7} {figures}")
    lines += [f"skipped: {sentence}" for each in outcomes for sentence in each.skipped]
    return "\n".join(lines)


def main(names: Sequence[str]) -> int:
    """Runs the named levels, or all; 0 only when every one of them is good."""
    unknown = set(names) - {level.name for level in LEVELS}
    if unknown:
        print(f"no such level: {', '.join(unknown)}; there are {', '.join(level.name for level in LEVELS)}")
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)
    # Before anything runs side by side, so that nothing is built twice and no test waits for it.
    for words in (["hack/machine.py"], ["hack/tools.py", *TOOLS]):
        if subprocess.run([PYTHON, *words], cwd=ROOT, check=False).returncode:
            return 1
    found_up = subprocess.run([PYTHON, "hack/cluster.py", "status"], cwd=ROOT, check=False).returncode == 0
    started = time.monotonic()
    try:
        outcomes = run_all([level for level in LEVELS if not names or level.name in names])
    finally:
        # A cluster that these tests started ends with them; one that was there before stays.
        if not found_up:
            subprocess.run([PYTHON, "hack/cluster.py", "down"], cwd=ROOT, check=False)
    failed = [each.name for each in outcomes if not each.ok]
    print(f"\n{table(outcomes)}\ntotal {time.monotonic() - started:.0f} s")
    print(f"failed: {', '.join(failed)}" if failed else "every level passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
