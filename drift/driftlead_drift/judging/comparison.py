"""What a comparison of canary with prod is given and what it says: frozen facts. `canary` decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from driftlead_drift.judging.truth import Tally
from driftlead_formats.verdicts import CanaryVerdict, PredictionShift

CheckName = Literal["errors", "latency", "quality"]
MeasureName = Literal["wrong", "log loss", "AUC", "MAE"]


@dataclass(frozen=True, kw_only=True)
class ByPod:
    """The same counts by pod, from which it is seen how much they vary beyond chance.

    `requests`, `errors`: shape (minutes, pods), 0 where a pod did not answer. `latency`: (minutes, pods,
    bins), None where it is not known. The minutes may be others than those that are compared.
    """

    requests: NDArray[Any]
    errors: NDArray[Any]
    latency: NDArray[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One side's traffic, minute by minute from the canary's start, the same minutes for both; times
    ascending.

    `requests`, `errors` (5xx, timeouts): shape (minutes,). `latency`: (minutes, bins) of requests that
    succeeded, in the bins of `driftlead_formats.histograms`. Both count requests, however many rows one
    carries: what one request meets, all its rows meet. `predictions`: (minutes, bins), both sides in the bins
    of *prod's* baseline, None where one cannot tell; rows of one request weigh as much as they are worth
    together. `labels`: what labels say, in the same blocks of time for both; None without labels.
    `earlier`: of labels that came before the comparison, by time. `numeric`: predictions are known to be
    numbers, not classes. `pods`: the same minutes by pod; `history`: the minutes before the comparison, by
    pod. Without either, the arm is taken as one pod.
    """

    requests: NDArray[Any]
    errors: NDArray[Any]
    latency: NDArray[Any] | None = None
    predictions: NDArray[Any] | None = None
    labels: Sequence[Tally] | None = None
    earlier: Sequence[Tally] = ()
    numeric: bool = False
    pods: ByPod | None = None
    history: ByPod | None = None

    @property
    def stretches(self) -> list[ByPod]:
        """All that tells how this side's failures vary, by pod and minute."""
        alone = None if self.latency is None else self.latency[:, None]
        own = self.pods or ByPod(requests=self.requests[:, None], errors=self.errors[:, None], latency=alone)
        return [own] if self.history is None else [own, self.history]


@dataclass(frozen=True, kw_only=True)
class CanaryPolicy:
    """Thresholds of the comparison. Raises ValueError with a sentence when a value makes no sense.

    `alpha`: chance of ever calling a canary worse that is not, and of the converse; over all deciding checks.
    `error_margin`: how far the share of failed requests may exceed prod's. `latency_margin`: how far the
    share of slow requests may; slow is above `latency_threshold_ms`, by default prod's p99 at the start.
    `quality_margin`: how far the error of predictions may exceed prod's: the share of wrong ones, or the mean
    absolute error in parts of the largest one that counts (`absolute_error.Scale`). `log_loss_margin`: where
    set, a canary whose mean log loss (nats) surely exceeds prod's by more is worse.
    `same_shift`: predictions whose distribution functions differ by less are the same. `max_shift`: where
    set, a canary whose predictions surely differ by more is worse. `split`: the canary's share of requests
    where each request is routed by itself (one number, or one for each minute); None where routing is sticky
    or unknown.
    """

    alpha: float = 0.05
    error_margin: float = 0.005
    latency_margin: float = 0.01
    latency_threshold_ms: float | None = None
    quality_margin: float = 0.02
    log_loss_margin: float | None = None
    same_shift: float = 0.10
    max_shift: float | None = None
    split: float | NDArray[Any] | None = None

    def __post_init__(self) -> None:
        shares = ("alpha", "error_margin", "latency_margin", "quality_margin", "same_shift", "max_shift")
        for name in (*shares, "log_loss_margin"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ValueError(f"{name} must lie between 0 and 1, it is {value}")
        if self.latency_threshold_ms is not None and not self.latency_threshold_ms > 0:
            raise ValueError(f"latency_threshold_ms must be above 0, it is {self.latency_threshold_ms}")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One comparison of two shares.

    `prod`, `canary`: observed shares; `interval`: of canary less prod, right at all looks at once (None
    before there is evidence). `log_worse`, `log_non_inferior`: largest log evidence so far, `needed` decides.
    `overdispersion`: how much more the bad share varies than that of independent requests would (at least 1);
    the evidence is divided by it.
    `requests_needed`: about how many more requests of both sides until it is decided, None when decided or
    not to be foreseen.
    """

    name: CheckName
    verdict: CanaryVerdict
    prod: float
    canary: float
    prod_requests: int
    canary_requests: int
    margin: float
    interval: tuple[float, float] | None
    log_worse: float
    log_non_inferior: float
    needed: float
    overdispersion: float
    requests_needed: int | None
    sentence: str


@dataclass(frozen=True, kw_only=True)
class PredictionCheck:
    """`shift`: largest difference of the distribution functions; `low` to `high` holds at all looks."""

    verdict: PredictionShift
    shift: float
    low: float
    high: float
    log_different: float
    decides: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How good predictions are, by labels: of prod and canary, or of prod earlier and now.

    `first`, `second`: the share predicted wrongly, mean log loss (nats, at most `truth.CAP` a row), AUC or
    mean absolute error of each; `rows`: labelled requests of each (of AUC: rows). `interval`: of the second
    less the first; right at all looks at once where `at_all_looks`, else a 95 % interval of this look alone,
    on which nothing may be decided. `margin` and `verdict`: None where it only informs. `overdispersion`,
    `requests_needed`: as of a check.
    """

    name: MeasureName
    first: float
    second: float
    rows: tuple[int, int]
    interval: tuple[float, float] | None
    at_all_looks: bool
    margin: float | None
    verdict: CanaryVerdict | None
    sentence: str
    overdispersion: float = 1.0
    requests_needed: int | None = None

    @property
    def check(self) -> str:
        """What it is called among the checks: numbers have their error for the share of wrong classes."""
        return "quality" if self.name == "MAE" else self.name


@dataclass(frozen=True, kw_only=True)
class SplitCheck:
    """Whether traffic is split as configured. `observed`: the canary's share; `log_wrong`: evidence."""

    mismatch: bool
    observed: float
    log_wrong: float | None
    sentence: str


@dataclass(frozen=True, kw_only=True)
class CanaryJudgement:
    """`verdict`: worse if any deciding check is, non-inferior if all are, else undecided.

    A split that is not as configured never passes a canary: what is compared is then not the same traffic.
    But it does not hide what is worse, since no check depends on the split.
    """

    verdict: CanaryVerdict
    checks: tuple[Check, ...]
    predictions: PredictionCheck
    split: SplitCheck
    latency_threshold_ms: float | None
    minutes: int
    requests_needed: int | None
    summary: str
    not_tested: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()

    @property
    def deciding(self) -> list[tuple[str, CanaryVerdict]]:
        """Name and verdict of whatever decides by itself, predictions and split apart."""
        checks: list[tuple[str, CanaryVerdict]] = [(check.name, check.verdict) for check in self.checks]
        return checks + [(m.check, m.verdict) for m in self.measures if m.verdict is not None]
