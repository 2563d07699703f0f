"""Files given to `driftlead-drift` as people have them: a reference, a window, and what is said of them."""

import json
import os
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, FEWER = 5000, 2000
SECONDS = 60


@dataclass(frozen=True)
class Said:
    """What a command said, and its report where it wrote one."""

    code: int
    text: str
    report: dict[str, Any]

    @property
    def status(self) -> str:
        return str(self.report.get("verdict", {}).get("status", ""))

    def feature(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(f for f in self.report["features"] if f["name"] == name)
        return found


@dataclass(frozen=True)
class Drift:
    """The command in a folder of its own, bounded in memory and time."""

    python: Path
    home: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-m", "driftlead_drift", *words],
            cwd=self.home,
            env={**os.environ, "COLUMNS": "200"},
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS)),
        )

    def put(self, table: Any, stem: str) -> str:
        name = f"{stem}.parquet" if isinstance(table, pa.Table) else f"{stem}.csv"
        path = self.home / name
        if isinstance(table, pa.Table):
            pq.write_table(table, path)
        elif isinstance(table, str):
            path.write_text(table)
        elif isinstance(table, bytes):
            path.write_bytes(table)
        else:
            table.to_csv(path, index=False)
        return name

    def judge(self, before: Any, now: Any, *flags: str) -> Said:
        """Baseline of the one, check of the other; a baseline that is refused is the answer."""
        return self.baseline(before, *flags) or self.check(now, *flags)

    def baseline(self, before: Any, *flags: str) -> Said | None:
        """Makes a baseline; what was said where that is refused."""
        made = self.run("baseline", "--data", self.put(before, "before"), "--out", "baseline.json", *flags)
        return Said(made.returncode, made.stdout + made.stderr, {}) if made.returncode else None

    def check(self, now: Any, *flags: str) -> Said:
        """Checks against the last baseline."""
        words = ("check", "--baseline", "baseline.json", "--data", self.put(now, "now"), "--report", "out")
        done = self.run(*words, *flags)
        report = self.home / "out/report.json"
        found = json.loads(report.read_text()) if report.exists() else {}
        return Said(done.returncode, done.stdout + done.stderr, found)


def numbers(count: int, shift: float = 0.0, seed: int = 7) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    return pd.DataFrame({"x": dice.normal(size=count) + shift, "y": dice.gamma(2, size=count)})


BEFORE, SAME, MOVED = numbers(ROWS), numbers(FEWER, seed=8), numbers(FEWER, 1.0, seed=9)
