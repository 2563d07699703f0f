"""What the figures should be, held against what they are: pure, over measured servers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.side_by_side.figures import Measured
from benchmarks.side_by_side.servers import ASGI, LIMIT, MLFLOW, OURS, PEER, RAW, UNCONVERTED, WIRE


@dataclass(frozen=True)
class Verdict:
    """A goal, what was wanted and seen of it, and what it was held against. `met` is None where it could not
    be measured."""

    goal: str
    wanted: str
    seen: str
    against: str
    met: bool | None


class Figures:
    """Measured servers by name; those that failed are none."""

    def __init__(self, measured: Iterable[Measured]) -> None:
        self.by_title = {each.title: each for each in measured if not each.failed}

    def of(self, model: str, name: str) -> Measured | None:
        """One server."""
        return self.by_title.get(f"{model}: {name}")

    def peers(self, model: str) -> list[Measured]:
        """Every server of a model that is not ours, MLflow's too."""
        return [each for each in self.by_title.values() if each.model == model and each.kind == PEER]


def best_rate(each: Measured) -> float:
    """Requests a second, at whichever number of connections suits the server."""
    return each.throughput(each.best)


def p99(each: Measured) -> float:
    """Milliseconds, the median of the runs."""
    return sorted(each.p99)[len(each.p99) // 2] if each.p99 else float("inf")


def judge(measured: Iterable[Measured]) -> list[Verdict]:
    """Every goal's verdict."""
    figures = Figures(measured)
    return [*ratios(figures), *latencies(figures), *shares(figures), *footprints(figures), losses(figures)]


def unmeasured(goal: str, wanted: str, against: str) -> Verdict:
    return Verdict(goal, wanted, "not measured", against, None)


def ratios(figures: Figures) -> list[Verdict]:
    """Throughput against MLflow and against the best of all others."""
    found = []
    for goal, model, name, wanted_mlflow, wanted_best in (
        ("regression, wire, logged", "regression", WIRE, 50, 25),
        ("regression, ASGI, logged", "regression", ASGI, 25, 10),
        ("forest, wire, logged, ONNX", "forest", WIRE, 120, 25),
        ("forest, wire, logged, scikit-learn", "forest", UNCONVERTED, 15, 3),
    ):
        mine, mlflow = figures.of(model, name), figures.of(model, MLFLOW)
        others = [each for each in figures.peers(model) if each.name != MLFLOW]
        best = max(others, key=best_rate, default=None)
        for other, wanted, called in ((mlflow, wanted_mlflow, MLFLOW), (best, wanted_best, "the best peer")):
            if mine is None or other is None:
                found.append(unmeasured(goal, f">= {wanted} x", called))
                continue
            ratio, by_cpu = best_rate(mine) / best_rate(other), other.cpu_all_us / mine.cpu_all_us
            against = called if called == other.name else f"{called}, {other.name}"
            seen = f"{ratio:.1f} x (by CPU {by_cpu:.1f} x)"
            found.append(Verdict(goal, f">= {wanted} x", seen, against, ratio >= wanted))
    return found


def latencies(figures: Figures) -> list[Verdict]:
    """p99 at the constant rate against MLflow, the peer with the lowest, and raw ASGI."""
    goal = "regression, wire, logged: p99"
    mine = figures.of("regression", WIRE)
    others = [each for each in figures.peers("regression") if each.name != MLFLOW]
    found = []
    for other, wanted, called in (
        (figures.of("regression", MLFLOW), 1 / 4, MLFLOW),
        (min(others, key=p99, default=None), 1 / 1.5, "the best peer"),
        (figures.of("regression", RAW), 1.3, RAW),
    ):
        limit = f"<= {wanted:.2f} x"
        if mine is None or other is None:
            found.append(unmeasured(goal, limit, called))
            continue
        share = p99(mine) / p99(other)
        against = called if called == other.name else f"{called}, {other.name}"
        seen = f"{share:.2f} x ({p99(mine):.2f} of {p99(other):.2f} ms at {mine.rate}/s)"
        found.append(Verdict(goal, limit, seen, against, share <= wanted))
    return found


def shares(figures: Figures) -> list[Verdict]:
    """Throughput as a share of raw ASGI's."""
    raw, found = figures.of("regression", RAW), []
    for name, wanted in ((ASGI, 0.5), (WIRE, 1.15)):
        mine, goal = figures.of("regression", name), f"regression, {name}: share of raw ASGI"
        if mine is None or raw is None:
            found.append(unmeasured(goal, f">= {wanted:.0%}", RAW))
            continue
        share, by_cpu = best_rate(mine) / best_rate(raw), raw.cpu_all_us / mine.cpu_all_us
        seen = f"{share:.0%} (by CPU {by_cpu:.0%})"
        found.append(Verdict(goal, f">= {wanted:.0%}", seen, RAW, share >= wanted))
    return found


def footprints(figures: Figures) -> list[Verdict]:
    """Memory after the load, and the time from exec to the first answer with a cached artifact."""
    found = []
    for model, megabytes, seconds in (("regression", 120, 1.5), ("forest", 250, 3)):
        mine = figures.of(model, WIRE)
        goals: list[tuple[str, float, str, Callable[[Measured], float]]] = [
            ("resident", megabytes, "MB", lambda each: each.megabytes),
            ("start", seconds, "s", lambda each: each.cold),
        ]
        for what, most, unit, read in goals:
            goal, wanted = f"{model}, ONNX: {what}", f"<= {most} {unit}"
            if mine is None or mine.engine != "onnx":
                found.append(unmeasured(goal, wanted, ""))
            else:
                value = read(mine)
                found.append(Verdict(goal, wanted, f"{value:.3g} {unit}", "", value <= most))
    return found


def losses(figures: Figures) -> Verdict:
    """Rows of ours that did not arrive in the table, or are not in the histograms."""
    logged = [each for each in figures.by_title.values() if each.kind == OURS and each.logs]
    rows, lost = sum(each.rows for each in logged), sum(each.lost for each in logged)
    uncounted = sum(each.uncounted for each in logged)
    seen = f"{lost} not in the table, {uncounted} not in the histograms, of {rows:,}"
    return Verdict("rows lost", "0", seen, "", None if not logged else lost + uncounted == 0)


def share_of_raw(each: Measured, measured: Iterable[Measured]) -> float | None:
    """A server's best throughput as a share of raw ASGI's; None where that was not measured."""
    raw = next((one for one in measured if one.kind == LIMIT and not one.failed), None)
    return None if raw is None or each.failed else best_rate(each) / best_rate(raw)
