"""How often a canary's errors are wrongly called worse by labels of numbers, and when a worse one is found.

    python -m benchmarks.canary_labels            # 200 runs a line, half an hour on one core
    python -m benchmarks.canary_labels --runs 20

Every run is 1,000 minutes of 40 labelled requests a minute, a tenth of them the canary's, looked at every
twenty minutes with the command's own alpha (0.05 over three checks) and the judge's own parts: the scale of
errors from prod's first labels, the mean absolute error by requests, its overdispersion. Prints a Markdown
table and writes canary_labels.json beside this file.
"""

import argparse
import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.canary_bursts import ill, row
from driftlead_drift.judging.absolute_error import compared
from driftlead_drift.judging.comparison import Arm, CanaryPolicy
from driftlead_drift.judging.truth import Tally

MINUTES, LOOK, RATE, SHARE, ALPHA = 1000, 20, 40, 0.1, 0.05 / 3

Errors = Callable[[np.random.Generator, int], np.ndarray]
Factor = Callable[[np.random.Generator, int], np.ndarray]


def bell(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.abs(rng.normal(size=count))


def heavy(rng: np.random.Generator, count: int) -> np.ndarray:
    """Of infinite variance: one error in a hundred is ten times the usual one."""
    return np.abs(rng.standard_t(2, count))


def alike(rows: int) -> Errors:
    """Requests of some rows that have most of their error in common, one after another."""

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        shared = np.repeat(rng.normal(size=-(-count // rows)), rows)[:count]
        return np.abs(0.9 * shared + 0.44 * rng.normal(size=count))

    return draw


def none(rng: np.random.Generator, pods: int) -> np.ndarray:
    return np.ones((MINUTES, pods))


def trouble(length: int) -> Factor:
    """Pods whose input is broken for some minutes now and then: errors are three times as large meanwhile."""
    law = ill(length, share=0.03, when_ill=1.0, else_=0.0)
    return lambda rng, pods: 1 + 2 * law(rng, MINUTES, pods)


def tide(rng: np.random.Generator, pods: int) -> np.ndarray:
    """Errors of both sides follow the time of the day, by a factor of nine."""
    hour = np.arange(MINUTES)[:, None] / 60
    return np.repeat(3.0 ** np.sin(2 * np.pi * hour / 24), pods, axis=1)


@dataclass(frozen=True)
class Case:
    name: str
    errors: Errors = bell
    factor: Factor = none
    larger: float = 1.0
    margin: float = 0.02
    rows: int = 1
    pods: tuple[int, int] = (3, 1)


CASES = [
    Case("equal: errors that follow a bell"),
    Case("equal: errors that follow a bell", margin=0.002),
    Case("equal: errors of infinite variance", heavy),
    Case("equal: errors of infinite variance", heavy, margin=0.002),
    Case("equal: requests of 20 rows that are alike", alike(20), margin=0.002, rows=20),
    Case("equal: errors by the hour of the day", factor=tide, margin=0.002),
    Case("equal: threefold for 5 minutes by pod, 3 % of the time", factor=trouble(5)),
    Case("equal: threefold for 5 minutes by pod, 3 % of the time", factor=trouble(5), margin=0.002),
    Case("equal: threefold for 30 minutes by pod, 3 % of the time", factor=trouble(30)),
    Case("equal: threefold for 30 minutes by pod, 3 % of the time", factor=trouble(30), margin=0.002),
    Case("larger by 5 %", larger=1.05),
    Case("larger by 20 %", larger=1.2),
    Case("larger by 30 %", larger=1.3),
    Case("larger by 50 %", larger=1.5),
    Case("doubled", larger=2.0),
    Case("larger by 50 %, of infinite variance", heavy, larger=1.5),
    Case("larger by 50 %, by the hour of the day", factor=tide, larger=1.5),
    Case("larger by 50 %, requests of 20 rows", alike(20), larger=1.5, rows=20),
]


def side(rng: np.random.Generator, case: Case, pods: int, rate: float, larger: float) -> list[Tally]:
    """Labels by minute, of all pods together."""
    factor = case.factor(rng, pods)
    requests = rng.poisson(rate / pods, (MINUTES, pods))
    out = []
    for counts, by in zip(requests, factor, strict=True):
        total = int(counts.sum())
        errors = case.errors(rng, total * case.rows) * larger * np.repeat(by, counts * case.rows)
        out.append(Tally(errors=array("d", errors), sizes=array("q", [case.rows] * total)))
    return out


def found(rng: np.random.Generator, case: Case) -> tuple[float, float, float]:
    """After how many labelled requests of both sides it is called worse, non-inferior; the overdispersion."""
    prod = side(rng, case, case.pods[0], RATE * (1 - SHARE), 1.0)
    canary = side(rng, case, case.pods[1], RATE * SHARE, case.larger)
    seen = np.cumsum([len(a.sizes) + len(b.sizes) for a, b in zip(prod, canary, strict=True)])
    said, varies = {"worse": np.inf, "non-inferior": np.inf}, 1.0
    for minutes in range(LOOK, MINUTES + 1, LOOK):
        arms = [arm(labels[:minutes]) for labels in (prod, canary)]
        measure = compared(arms[0], arms[1], CanaryPolicy(quality_margin=case.margin), ALPHA)
        if measure is None:
            continue
        varies = measure.overdispersion
        if measure.verdict in said and said[measure.verdict] == np.inf:
            said[measure.verdict] = float(seen[minutes - 1])
        if said["worse"] < np.inf:
            break
    return said["worse"], said["non-inferior"], varies


def arm(labels: Sequence[Tally]) -> Arm:
    nothing = np.zeros(len(labels), dtype=int)
    return Arm(requests=nothing, errors=nothing, labels=labels, numeric=True)


def simulate(runs: int) -> list[dict[str, Any]]:
    out = []
    for number, case in enumerate(CASES):
        rng = np.random.default_rng([2026, number])
        seen = [found(rng, case) for _ in range(runs)]
        worse, good, varies = (np.array(column) for column in zip(*seen, strict=True))
        out.append(
            {
                "case": f"{case.name}, margin {case.margin:g}",
                "called worse": float(np.isfinite(worse).mean()),
                "median requests to it": float(np.median(worse)),
                "called non-inferior": float(np.isfinite(good).mean()),
                "median requests to that": float(np.median(good)),
                "overdispersion (median)": float(np.median(varies)),
            }
        )
        print(row(out[-1]), flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="simulated rollouts for each line")
    runs = parser.parse_args().runs
    print("| case | called worse | median labelled requests to it | called non-inferior | median to that | "
          "overdispersion (median) |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    lines = simulate(runs)
    Path(__file__).with_suffix(".json").write_text(json.dumps({"runs": runs, "rows": lines}, indent=1) + "\n")


if __name__ == "__main__":
    main()
