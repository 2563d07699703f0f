"""What the drift check and the canary's comparison promise, measured by seeded simulation.

    python -m benchmarks.drift_statistics                # all but the flights, about ten minutes
    python -m benchmarks.drift_statistics null power --runs 500
    python -m benchmarks.drift_statistics flights --flights flights.parquet

Prints Markdown tables and writes the figures beside this file, drift_statistics.json.
"""

import argparse
import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special, stats
from scipy.signal import lfilter

from driftlead_drift.judging.class_rates import moved_class
from driftlead_drift.judging.facts import WindowCounts
from driftlead_drift.judging.history import PastRun
from driftlead_drift.judging.judge import judge
from driftlead_drift.judging.policy import Policy
from driftlead_drift.judging.truth import CAP
from driftlead_drift.statistics import sequential
from driftlead_drift.statistics.dependence import component
from driftlead_drift.statistics.intervals import excess_of, size
from driftlead_drift.statistics.means import Sums, difference, summed
from driftlead_drift.statistics.null import null_law
from driftlead_drift.statistics.psi import psi
from driftlead_formats.baseline import Baseline, build
from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.baseline.choosing import bin_feature, counted

FEATURES = 20
SIZES = (200, 1_000, 10_000, 1_000_000)
EDGES = stats.norm.ppf(np.arange(1, 10) / 10)
ONE = Policy(persistence=1, period=None)
MONTHS = {"own weeks (9)": (1, 2), "March (5)": (3,), "July (5)": (7,)}
TWO = Policy(persistence=2, period=None)


def decile_bins(name: str, rows: int) -> FeatureBins:
    """A continuous feature with `rows` reference rows in deciles of a standard normal."""
    counts = np.concatenate([[0], np.full(10, rows // 10), [0, 0, 0]])
    return FeatureBins(
        name, "numeric", counts, edges=np.concatenate([[-9.0], EDGES, [9.0]]), minimum=-9, maximum=9
    )


def decile_baseline(rows: int) -> Baseline:
    return Baseline(features=tuple(decile_bins(f"f{i}", rows) for i in range(FEATURES)), rows=rows)


def true_shares(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Shares of the reference's bins, and beyond its extremes, as they may truly be: spacings."""
    inner = np.full(10, rows / 10) - np.array([0.5, *[0] * 8, 0.5])
    return rng.dirichlet(np.concatenate([[1], inner, [1]]), size=FEATURES)


def window_of(rng: np.random.Generator, shares: np.ndarray, rows: int, **more: Any) -> WindowCounts:
    counts = [np.concatenate([rng.multinomial(rows, s), [0, 0]]) for s in shares]
    return WindowCounts(features=counts, rows=rows, **more)


def null(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """G6: independent rows, nothing drifted."""
    out = []
    for n in SIZES:
        baseline = decile_baseline(n)
        for m in SIZES:
            rejected, naive, exit_one, exit_two = 0, 0, 0, 0
            for _ in range(runs):
                shares = true_shares(rng, n)
                first = judge(baseline, window_of(rng, shares, m, start=0.0, end=1.0), ONE)
                rejected += sum(f.p_value <= 0.05 for f in first.features)
                naive += any(f.value > 0.2 for f in first.features)
                exit_one += first.exit_code == 2
                if first.alarm:  # only then can a second window make it two in a row
                    before = PastRun(status="changed", consecutive=1, start=0.0, end=1.0)
                    exit_two += (
                        judge(
                            baseline, window_of(rng, shares, m, start=1.0, end=2.0), TWO, [before]
                        ).exit_code
                        == 2
                    )
            out.append({
                "reference rows": n, "window rows": m, "size at 0.05": rejected / runs / FEATURES,
                "exit 2, one window": exit_one / runs, "exit 2, two windows": exit_two / runs,
                "any PSI > 0.2": naive / runs,
            })  # fmt: skip
    return out


def series(rng: np.random.Generator, kind: str, rows: int) -> np.ndarray:
    """Standard normal rows that depend on one another."""
    if kind == "independent":
        return rng.normal(size=rows)
    if kind.startswith("AR"):
        rho = float(kind.split()[1])
        noise = rng.normal(size=rows + 2000) * np.sqrt(1 - rho**2)
        return lfilter([1], [1, -rho], noise)[2000:]
    return np.sqrt(0.2) * np.repeat(rng.normal(size=rows // 50), 50) + np.sqrt(0.8) * rng.normal(size=rows)


def dependent(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """G7: nothing drifted, but rows depend on one another: ten hours of 1,000 rows, windows of an hour."""
    out = []
    for kind in ("independent", "clusters of 50, ICC 0.2", "AR 0.9", "AR 0.99"):
        for known in ("time", "groups", "nothing"):
            if known == "groups" and not kind.startswith("clusters"):
                continue
            rejected = once = twice = 0
            for _ in range(runs):
                columns = {f"f{i}": series(rng, kind, 12_000) for i in range(FEATURES)}
                past = {k: v[:10_000] for k, v in columns.items()}
                time = np.arange(10_000) * 3.6 if known == "time" else None
                groups = np.arange(10_000) // 50 if known == "groups" else None
                baseline = build(past, time=time, groups=groups)
                alarms = []
                for start in (10_000, 11_000):
                    rows = {k: v[start : start + 1000] for k, v in columns.items()}
                    window = WindowCounts(features=baseline.count_columns(rows), rows=1000)
                    verdict = judge(baseline, window, replace(ONE, window=3600.0))
                    alarms.append(verdict.exit_code == 2)
                    rejected += sum(f.p_value <= 0.01 for f in verdict.features)
                once += alarms[0]
                twice += all(alarms)
            out.append(
                {
                    "rows": kind,
                    "known of them": known,
                    "size at 0.01": rejected / runs / FEATURES / 2,
                    "exit 2, one window": once / runs,
                    "exit 2, two windows": twice / runs,
                }
            )
    return out


def power(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """G8: one of 20 features shifted by d standard deviations, 10,000 reference rows."""
    baseline, out = decile_baseline(10_000), []
    settings = (
        (500, 0.5),
        (1_000, 0.4),
        (5_000, 0.4),
        (1_000, 0.3),
        (5_000, 0.3),
        (1_000, 0.2),
        (5_000, 0.2),
        (20_000, 0.2),
    )
    for m, d in settings:
        moved = np.diff(stats.norm.cdf(np.concatenate([[-np.inf], EDGES - d, [np.inf]])))
        exits = found = 0
        for _ in range(runs):
            shares = true_shares(rng, 10_000)
            shares[0, 1:11] = moved * (1 - shares[0, 0] - shares[0, 11])
            verdict = judge(baseline, window_of(rng, shares, m), ONE)
            exits += verdict.exit_code == 2
            found += verdict.features[0].p_adjusted <= 0.01
        out.append({"window rows": m, "shift (sd)": d, "changed": found / runs, "exit 2": exits / runs})
    return out


def rates(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """G12: how often a rare class of the prediction alarms by its rate; 19 frequent classes beside it."""
    out = []
    cases = [
        *(
            (n, m, 0.01, r, 0.0)
            for n, m in ((1_000, 1_000), (10_000, 10_000), (100_000, 1_000))
            for r in (1, 2)
        ),
        *((10_000, 10_000, 0.01, r, 0.0) for r in (2.5, 3, 4)),
        *((10_000, 2_000, 0.01, r, 0.0) for r in (3, 4, 6)),
        (100_000, 100_000, 0.01, 3, 0.0),
        *((100_000, 100_000, 0.001, r, 0.0) for r in (1, 3, 4, 0.25)),
        *((100_000, 10_000, 0.01, r, sd) for sd in (0.3, 0.6) for r in (1, 2, 4, 8)),
    ]
    for n, m, share, times, sd in cases:
        alarms = sum(rate_alarms(rng, (n, m), share, times, sd) for _ in range(runs))
        out.append(
            {
                "reference rows": n,
                "window rows": m,
                "share": f"{100 * share:g} %",
                "times as often": times,
                "varies between periods": f"by {100 * sd:.0f} %" if sd else "not",
                "alarms": alarms / runs,
            }
        )
    return out


def rate_alarms(
    rng: np.random.Generator, rows: tuple[int, int], share: float, times: float, sd: float
) -> bool:
    """Whether one window alarms; where the rate varies, the baseline has ten blocks that say so."""

    def counts(size: int, rate: float) -> np.ndarray:
        rate = min(rate * np.exp(sd * rng.normal()), 0.9)
        return np.append(rng.multinomial(size, [rate, *np.full(19, (1 - rate) / 19)]), [0, 0])

    blocks = np.stack([counts(rows[0] // 10, share) for _ in range(10)])
    names = tuple(f"class {k}" for k in range(20))
    bins = FeatureBins("prediction", "categorical", blocks.sum(axis=0), categories=names)
    between = component([blocks]) if sd else None
    return moved_class(bins, (bins.counts, counts(rows[1], share * times)), between, ONE) is not None


def coverage(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """G9: does the 90 % interval hold the true PSI?"""
    out = []
    for n, m in ((1_000, 1_000), (10_000, 1_000), (10_000, 10_000), (1_000_000, 20_000)):
        for d in (0.2, 0.3, 0.5, 1.0):
            p, q = np.full(10, 0.1), np.diff(stats.norm.cdf(np.concatenate([[-np.inf], EDGES - d, [np.inf]])))
            truth, held = float(((q - p) * np.log(q / p)).sum()), 0
            for _ in range(runs):
                index = psi(rng.multinomial(n, p), rng.multinomial(m, q))
                extent = size(index.value, null_law(index), excess=excess_of(index))
                held += extent.low <= truth <= extent.high
            out.append({"reference rows": n, "window rows": m, "true PSI": truth, "coverage": held / runs})
    return out


def robustness(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """G10: what breaks other implementations."""
    del runs
    reference = rng.normal(size=10_000)
    bins = bin_feature("x", reference)

    def index(values: np.ndarray) -> float:
        return psi(bins.counts, counted(bins, values).counts, open_bins=bins.open_bins).value

    shifted = rng.normal(1, 1, 10_000)
    outlier = np.concatenate([shifted[:-1], [1e6]])
    empty = np.where(rng.random(10_000) < 0.6, np.nan, rng.normal(size=10_000))
    holed = np.where(rng.random(10_000) < 0.1, np.nan, reference)
    same = bin_feature("x", holed)
    rare = [psi(np.array([9_900 - r, 100, r, 0]), np.array([9_800, 100, r, 100])).value for r in (2, 1)]
    cases = {
        "change of PSI by one outlier of 1e6": abs(index(outlier) - index(shifted)),
        "PSI of 60 % NULL": index(empty),
        "PSI of the same data with NaN": psi(same.counts, counted(same, holed).counts).value,
        "PSI of the float32 copy": index(reference.astype(np.float32)),
        "PSI of 20 % of rows times 1000": index(
            np.where(rng.random(10_000) < 0.2, 1000, 1) * rng.normal(size=10_000)
        ),
        "ratio of PSI when an unrelated rare category halves": max(rare) / min(rare),
    }
    return [{"case": name, "value": value} for name, value in cases.items()]


def canary(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """G11: 100,000 requests, 10 % to the canary, 200 looks, alpha 0.05."""
    out, need, block = [], np.log(20), 500
    for rate, margin in (
        *((r, 0.0) for r in (0.01, 0.015, 0.02, 0.05)),
        *((r, 0.005) for r in (0.01, 0.015, 0.02, 0.03)),
    ):
        worse, good = [], []
        for _ in range(runs):
            m = rng.binomial(block, 0.1, size=200)
            arms = (block - m, rng.binomial(block - m, 0.01), m, rng.binomial(m, rate))
            worse.append(first_look(sequential.worse(*arms, margin), need) * block)
            good.append(first_look(sequential.not_worse(*arms, margin), need) * block if margin else np.inf)
        out.append(found(f"errors 1 %, canary {100 * rate:g} %, margin {100 * margin:g} %", worse, good))
    for d in (0.0, 0.2, 0.3):
        q = np.diff(stats.norm.cdf(np.concatenate([[-np.inf], EDGES - d, [np.inf]])))
        looks = []
        for _ in range(runs):
            m = rng.binomial(100, 0.1, size=400)
            evidence = sequential.different(rng.multinomial(100 - m, np.full(10, 0.1)), rng.multinomial(m, q))
            looks.append(first_look(evidence, need) * 100)
        out.append(found(f"predictions shifted by {d:g} sd (40,000 requests)", looks))
    for true in (0.1, 0.12):
        looks = []
        for _ in range(runs):
            m = rng.binomial(block, true, size=200)
            looks.append(first_look(sequential.wrong_split(block - m, m, 0.1), need) * block)
        out.append(found(f"split of 10 %, in truth {100 * true:g} %", looks))
    return out


def labels(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """G11: log loss by 40,000 labels, a tenth the canary's, 200 looks, margin 0.05 nats, alpha 0.05."""
    out, many = [], np.array([1_000_000])
    for bias in (0.0, 0.5, 1.0, 1.5):
        worse, good = [], []
        for _ in range(runs):
            m = rng.binomial(200, 0.1, size=200)
            sides = losses(rng, 200 - m, 0.0), losses(rng, m, bias)
            worse.append(first_end(sides, lambda low, high: low > 0.05 / CAP))
            good.append(first_end(sides, lambda low, high: high < 0.05 / CAP))
        truth, said = (losses(np.random.default_rng(0), many, by).mean for by in (0.0, bias))
        excess = CAP * (said - truth)
        out.append(found(f"log loss {excess:.3f} above prod's", worse, good))
    return out


def losses(rng: np.random.Generator, counts: np.ndarray, bias: float) -> Sums:
    """Log losses by block of a classifier whose log odds are the truth's, N(0, 1.5), plus a bias."""
    odds = rng.normal(0, 1.5, counts.sum())
    sign = np.where(rng.random(counts.sum()) < special.expit(odds), 1, -1)
    parts = np.minimum(-special.log_expit(sign * (odds + bias)), CAP) / CAP
    edges = np.concatenate([[0], np.cumsum(counts)])
    return Sums.of(counts, summed(parts, edges), summed(parts**2, edges))


def first_end(sides: tuple[Sums, Sums], told: Callable[[float, float], bool]) -> float:
    """After how many labels the interval first tells, which it then goes on doing; infinite if never."""
    looks = len(sides[0].rows)

    def at(look: int) -> bool:
        edges = np.arange(look + 1)
        return told(*difference(sides[0].over(edges), sides[1].over(edges), 0.05))

    if not at(looks):
        return np.inf
    look = bisect_left(range(1, looks), True, key=at) + 1
    return float(sides[0].rows[:look].sum() + sides[1].rows[:look].sum())


def found(case: str, alarms: Sequence[float], good: Sequence[float] = (np.inf,)) -> dict[str, Any]:
    return {
        "case": case,
        "alarms (worse, different, mismatch)": float(np.mean(np.isfinite(alarms))),
        "median requests to it": float(np.median(alarms)),
        "called non-inferior": float(np.mean(np.isfinite(good))),
        "median requests to that": float(np.median(good)),
    }


def first_look(evidence: np.ndarray, need: float) -> float:
    """At which look (from 1) the evidence first suffices; infinite if never."""
    reached = np.flatnonzero(evidence >= need)
    return float(reached[0] + 1) if len(reached) else np.inf


def halves(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """Random halves of scikit-learn's data sets: nothing can have drifted."""
    from sklearn import datasets  # noqa: PLC0415

    out = []
    for name in ("breast_cancer", "wine", "diabetes", "iris", "digits"):
        data = getattr(datasets, f"load_{name}")().data
        alarms = naive = 0
        for _ in range(min(runs, 300)):
            order = rng.permutation(len(data))
            a, b = data[order[: len(data) // 2]], data[order[len(data) // 2 :]]
            baseline = build({f"f{i}": a[:, i] for i in range(a.shape[1])})
            verdict = judge(baseline, WindowCounts(features=baseline.count(b), rows=len(b)), ONE)
            alarms += verdict.exit_code == 2
            naive += any(f.value > 0.2 for f in verdict.features)
        count = min(runs, 300)
        out.append(
            {
                "data": name,
                "rows": len(data),
                "features": data.shape[1],
                "alarms": alarms / count,
                "any PSI > 0.2": naive / count,
            }
        )
    return out


def flights(path: Path) -> list[dict[str, Any]]:
    """Weeks of 2013 against January and February at three volumes of traffic: how many alarm."""
    import pandas as pd  # noqa: PLC0415

    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, parse_dates=["time"])
    table["seconds"] = (
        pd.to_datetime(table["time"], utc=True).astype("int64")
        / {"us": 1e6, "ns": 1e9, "ms": 1e3, "s": 1}[pd.to_datetime(table["time"], utc=True).dt.unit]
    )
    names = [c for c in table.columns if c not in ("late", "time", "month", "seconds")]
    out = []
    for reference_volume, window_volume in ((1, 0.1), (1, 1), (1, 10), (0.1, 0.1), (10, 10)):
        past = at_volume(table[table["month"] <= 2], reference_volume)
        columns = {c: past[c].to_numpy() for c in names}
        timed = build(columns, time=past["seconds"].to_numpy())
        marked = tuple(replace(f, calendar=f.name == "weekday") for f in timed.features)
        rules: dict[str, tuple[Baseline, Policy, bool]] = {
            "PSI > 0.2": (timed, replace(ONE, rule="psi"), True),
            "chi-square, independence assumed": (replace(timed, blocks=None), ONE, False),
            "window without times": (timed, ONE, False),
            "the rule": (timed, Policy(persistence=1), True),
            "the rule, weekday as calendar": (replace(timed, features=marked), Policy(persistence=1), True),
        }
        rows = [
            {"reference": f"x{reference_volume:g}", "traffic": f"x{window_volume:g}", "rule": rule}
            for rule in rules
        ]
        for label, months in MONTHS.items():
            part = at_volume(table[table["month"].isin(months)], window_volume)
            counted_weeks = list(weeks(timed, part, names))
            for row, (baseline, policy, times) in zip(rows, rules.values(), strict=True):
                shown = counted_weeks if times else [replace(w, start=None, end=None) for w in counted_weeks]
                row[label] = sum(judge(baseline, w, policy).exit_code == 2 for w in shown)
        out += rows
    return out + short_windows(table, names)


def short_windows(table: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """The same at once the traffic, in windows of a day, and in every third of three hours."""
    past = table[table["month"] <= 2]
    baseline = build({c: past[c].to_numpy() for c in names}, time=past["seconds"].to_numpy())
    out = []
    for hours, step in ((24, 1), (3, 3)):
        row: dict[str, Any] = {"reference": "x1", "traffic": "x1", "rule": f"the rule, {hours}-hour windows"}
        for label, months in MONTHS.items():
            part = table[table["month"].isin(months)]
            shown = list(weeks(baseline, part, names, hours=hours))[::step]
            alarms = sum(judge(baseline, w, Policy(persistence=1)).exit_code == 2 for w in shown)
            row[label] = f"{alarms} of {len(shown)} windows"
        out.append(row)
    return out


def at_volume(table: Any, volume: float) -> Any:
    if volume < 1:
        return table.sample(frac=volume, random_state=0).sort_values("seconds")
    return table.loc[np.repeat(table.index.to_numpy(), int(volume))]


def weeks(baseline: Baseline, table: Any, names: Sequence[str], hours: int = 168) -> Iterator[WindowCounts]:
    length = hours * 3600
    first = table["seconds"].min() // 86_400 * 86_400
    for number, rows in table.groupby(((table["seconds"] - first) // length).astype(int)):
        counts = baseline.count_columns({c: rows[c].to_numpy() for c in names})
        start = first + number * length
        end = min(start + length, table["seconds"].max() + 3600)
        yield WindowCounts(features=counts, rows=len(rows), start=start, end=end)


def table_of(rows: Sequence[dict[str, Any]]) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, float):
            return "never" if np.isinf(value) else f"{value:,.0f}" if value >= 100 else f"{value:.4g}"
        return f"{value:,}" if isinstance(value, int) else str(value)

    head = list(rows[0])
    lines = [
        " | ".join(head),
        "|".join(["---"] * len(head)),
        *(" | ".join(cell(r[h]) for h in head) for r in rows),
    ]
    return "\n".join(f"| {line} |" for line in lines)


SIMULATIONS: dict[str, Callable[[np.random.Generator, int], list[dict[str, Any]]]] = {
    "null": null,
    "dependent": dependent,
    "power": power,
    "coverage": coverage,
    "rates": rates,
    "robustness": robustness,
    "canary": canary,
    "labels": labels,
    "halves": halves,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "which", nargs="*", help=f"of {', '.join([*SIMULATIONS, 'flights'])}; default: all simulations"
    )
    parser.add_argument(
        "--runs", type=int, default=4000, help="simulated checks for each line (dependent: a tenth)"
    )
    parser.add_argument(
        "--flights", type=Path, help="prepared flights, Parquet or CSV (examples/flights/flights.py)"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    figures = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in arguments.which or SIMULATIONS:
        if name == "flights":
            found, title = flights(arguments.flights), flights.__doc__
        else:
            runs = max(arguments.runs // 10, 1) if name == "dependent" else arguments.runs
            rng = np.random.default_rng([2026, *name.encode()])
            found, title = SIMULATIONS[name](rng, runs), SIMULATIONS[name].__doc__
        figures[name] = {"runs": arguments.runs, "rows": found}
        print(f"\n### {name}: {title}\n\n{table_of(found)}", flush=True)
        arguments.out.write_text(json.dumps(figures, indent=1, allow_nan=True) + "\n")


if __name__ == "__main__":
    main()
