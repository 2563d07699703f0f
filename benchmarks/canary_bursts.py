"""How often an equal canary is called worse when failures are not independent, by seeded simulation.

    python -m benchmarks.canary_bursts            # 200 runs a line, about ten minutes on one core
    python -m benchmarks.canary_bursts --runs 20

Every run is a day of prod alone, then 1,000 minutes of prod and canary, looked at every ten minutes with the
command's own alpha (0.05 over three checks) and the judge's own parts. Requests of a pod fail together: a pod
is ill at random, for some minutes, and then fails 30 % of its requests; or a request of many rows fails or is
slow as a whole. Prints a Markdown table and writes canary_bursts.json beside this file.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from driftlead_drift.judging.comparison import Arm, ByPod
from driftlead_drift.statistics import sequential
from driftlead_drift.statistics.overdispersion import overdispersion

MINUTES, DAY, LOOK = 1000, 1440, 10
RATE, SHARE = 100, 0.1  # requests a minute of both sides, the canary's share
NEED = float(np.log(3 / 0.05))


@dataclass(frozen=True)
class Run:
    """What a judge has: both sides by pod, prod's day before."""

    prod: ByPod
    canary: ByPod
    history: ByPod


Law = Callable[[np.random.Generator, int, int], np.ndarray]
"""The chance to fail, shape (minutes, pods), for a side of this number of pods."""


def steady(share: float) -> Law:
    return lambda _, minutes, pods: np.full((minutes, pods), share)


def ill(length: int, share: float = 0.01, when_ill: float = 0.3, else_: float = 0.002) -> Law:
    """Pods that are ill for `length` minutes at a time, so that `share` of all requests fail."""
    begins = (share - else_) / (when_ill * length)

    def law(rng: np.random.Generator, minutes: int, pods: int) -> np.ndarray:
        starts = rng.random((minutes, pods)) < begins
        sick = np.stack([np.convolve(starts[:, p], np.ones(length))[:minutes] for p in range(pods)], axis=1)
        return np.where(sick > 0, when_ill, else_)

    return law


def from_minute(minute: int, before: Law, after: Law) -> Law:
    def law(rng: np.random.Generator, minutes: int, pods: int) -> np.ndarray:
        early = (np.arange(minutes) < minute)[:, None]
        return np.where(early, before(rng, minutes, pods), after(rng, minutes, pods))

    return law


def side(rng: np.random.Generator, law: Law, minutes: int, pods: int, rate: float) -> ByPod:
    requests = rng.poisson(rate / pods, (minutes, pods))
    return ByPod(requests=requests, errors=rng.binomial(requests, law(rng, minutes, pods)))


def simulated(rng: np.random.Generator, prod: Law, canary: Law, *, pods: tuple[int, int], rate: float) -> Run:
    return Run(
        prod=side(rng, prod, MINUTES, pods[0], rate * (1 - SHARE)),
        canary=side(rng, canary, MINUTES, pods[1], rate * SHARE),
        history=side(rng, prod, DAY, pods[0], rate * (1 - SHARE)),
    )


def until(pods: ByPod, minutes: int) -> ByPod:
    return ByPod(requests=pods.requests[:minutes], errors=pods.errors[:minutes])


def found(run: Run, margin: float) -> tuple[float, float, float]:
    """After how many requests of both sides it is called worse, non-inferior; the overdispersion."""
    n, k, m, j = (
        getattr(s, name).sum(axis=1) for s in (run.prod, run.canary) for name in ("requests", "errors")
    )
    worse = np.maximum.accumulate(sequential.worse(n, k, m, j, margin))
    good = np.maximum.accumulate(sequential.not_worse(n, k, m, j, margin))
    before = overdispersion(run.history.requests, run.history.errors)
    said, varies = [np.inf, np.inf], before
    for minutes in range(LOOK, MINUTES + 1, LOOK):
        arms = [
            Arm(requests=n[:minutes], errors=k[:minutes], pods=until(run.prod, minutes)),
            Arm(requests=m[:minutes], errors=j[:minutes], pods=until(run.canary, minutes)),
        ]
        varies = max([before, *(overdispersion(s.requests, s.errors) for arm in arms for s in arm.stretches)])
        for place, evidence in enumerate((worse, good)):
            if said[place] == np.inf and evidence[minutes - 1] / varies >= NEED:
                said[place] = float((n[:minutes] + m[:minutes]).sum())
        if said[0] < np.inf:
            break
    return said[0], said[1], varies


CASES: list[tuple[str, Law, Law, float, tuple[int, int]]] = [
    ("equal: 1 %, independent", steady(0.01), steady(0.01), 0.0, (3, 1)),
    ("equal: 1 %, independent", steady(0.01), steady(0.01), 0.005, (3, 1)),
    ("equal: 1 % in bursts of 5 minutes", ill(5), ill(5), 0.0, (3, 1)),
    ("equal: 1 % in bursts of 5 minutes", ill(5), ill(5), 0.005, (3, 1)),
    ("equal: 1 % in bursts of 30 minutes", ill(30), ill(30), 0.0, (3, 1)),
    ("equal: 1 % in bursts of 30 minutes", ill(30), ill(30), 0.005, (3, 1)),
    ("equal: bursts of 5 minutes, one pod of prod", ill(5), ill(5), 0.005, (1, 1)),
    ("equal: bursts of 30 minutes, 10 pods of prod, 3 of the canary", ill(30), ill(30), 0.005, (10, 3)),
    ("doubled: 1 % to 2 %, independent", steady(0.01), steady(0.02), 0.0, (3, 1)),
    ("1 % to 3 %, independent", steady(0.01), steady(0.03), 0.005, (3, 1)),
    ("1 % to 10 %, independent", steady(0.01), steady(0.1), 0.005, (3, 1)),
    ("1 % in bursts of 5 minutes, the canary 10 % always", ill(5), steady(0.1), 0.005, (3, 1)),
    ("1 % in bursts of 5 minutes, the canary all", ill(5), steady(1.0), 0.005, (3, 1)),
    ("1 %, the canary 20 % from its second hour", steady(0.01), from_minute(60, steady(0.01), steady(0.2)),
     0.005, (3, 1)),
    ("doubled: 1 % to 2 %, independent", steady(0.01), steady(0.02), 0.005, (3, 1)),
]  # fmt: skip


def simulate(runs: int) -> list[dict[str, Any]]:
    out = []
    for number, (case, prod, canary, margin, pods) in enumerate(CASES):
        rng = np.random.default_rng([2026, number])
        seen = [found(simulated(rng, prod, canary, pods=pods, rate=RATE), margin) for _ in range(runs)]
        worse, good, varies = (np.array(column) for column in zip(*seen, strict=True))
        out.append(
            {
                "case": f"{case}, margin {100 * margin:g} %",
                "called worse": float(np.isfinite(worse).mean()),
                "median requests to it": float(np.median(worse)),
                "called non-inferior": float(np.isfinite(good).mean()),
                "overdispersion (median)": float(np.median(varies)),
            }
        )
        print(row(out[-1]), flush=True)
    return out


def row(line: dict[str, Any]) -> str:
    cells = [f"{v:,.0f}" if isinstance(v, float) and 20 <= v < np.inf else "never" if v == np.inf
             else f"{v:.3g}" if isinstance(v, float) else str(v) for v in line.values()]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="simulated rollouts for each line")
    runs = parser.parse_args().runs
    print("| case | called worse | median requests to it | called non-inferior | overdispersion (median) |")
    print("|---|---|---|---|---|")
    lines = simulate(runs)
    Path(__file__).with_suffix(".json").write_text(json.dumps({"runs": runs, "rows": lines}, indent=1) + "\n")


if __name__ == "__main__":
    main()
