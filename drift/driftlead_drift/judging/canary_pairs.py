"""What of a canary's traffic is compared with prod's: pairs of shares, minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging import performance
from driftlead_drift.judging.absolute_error import predicts_numbers
from driftlead_drift.judging.comparison import Arm, ByPod, CanaryPolicy, CheckName
from driftlead_drift.judging.truth import Tally
from driftlead_drift.statistics.overdispersion import of_difference, of_requests, overdispersion
from driftlead_formats.histograms import LATENCY_EDGES_MS

SETTLING: Final = 500  # prod's first requests, from which the latency threshold is taken when none is given
SLOW: Final = 0.01  # share of them that is slower: prod's p99


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two shares that are compared, minute by minute.

    `counts`: prod's requests, bad ones, the canary's requests, bad ones, each shape (minutes,).
    `overdispersion`: how much more these shares vary than those of independent requests, at least 1.
    """

    name: CheckName
    margin: float
    counts: list[NDArray[Any]]
    overdispersion: float = 1.0


def slow_from(prod: Arm, policy: CanaryPolicy) -> tuple[float | None, int]:
    """What counts as slow (ms, an edge of the bins), and from which minute on it may be tested.

    Without an objective it is prod's p99 over its first requests; those minutes are used up by that.
    """
    if prod.latency is None or not len(prod.latency):
        return None, 0
    if policy.latency_threshold_ms is not None:
        edge = int(np.searchsorted(LATENCY_EDGES_MS, policy.latency_threshold_ms * (1 - 1e-9)))
        return float(LATENCY_EDGES_MS[min(edge, len(LATENCY_EDGES_MS) - 1)]), 0
    seen = np.cumsum(prod.latency.sum(axis=1))
    if seen[-1] < SETTLING:
        return None, 0
    settled = int(np.searchsorted(seen, SETTLING)) + 1
    early = prod.latency[:settled].sum(axis=0)
    slower = early.sum() - np.cumsum(early)[:-1]  # rows at or above each edge
    edge = int(np.argmax(slower <= SLOW * early.sum()))
    return float(LATENCY_EDGES_MS[edge]), settled


def slow_counts(latency: NDArray[Any], threshold: float) -> NDArray[np.int64]:
    """How many requests of each count vector (..., bins) took at least `threshold` milliseconds."""
    edge = int(np.searchsorted(LATENCY_EDGES_MS, threshold))
    slow: NDArray[np.int64] = latency[..., edge + 1 :].sum(axis=-1).astype(np.int64)
    return slow


def pairs_of(
    prod: Arm, canary: Arm, policy: CanaryPolicy, threshold: float | None, settled: int
) -> list[Pair]:
    """What is compared: errors always, latency where it is known, quality where there are labels."""
    out = [_errors(prod, canary, policy)]
    if threshold is not None and prod.latency is not None and canary.latency is not None:
        used = np.arange(len(prod.requests)) >= settled
        arrays = [prod.latency.sum(axis=1), slow_counts(prod.latency, threshold)]
        arrays += [canary.latency.sum(axis=1), slow_counts(canary.latency, threshold)]
        varies = _overdispersion(prod, canary, lambda side: _slow_of(side, threshold))
        counts = [a * used for a in arrays]
        out.append(Pair(name="latency", margin=policy.latency_margin, counts=counts, overdispersion=varies))
    if prod.labels is not None and canary.labels is not None and not predicts_numbers(prod, canary):
        out.append(_quality(prod.labels, canary.labels, policy))
    return out


def _errors(prod: Arm, canary: Arm, policy: CanaryPolicy) -> Pair:
    varies = _overdispersion(prod, canary, lambda side: (side.requests, side.errors))
    counts = [prod.requests, prod.errors, canary.requests, canary.errors]
    return Pair(name="errors", margin=policy.error_margin, counts=counts, overdispersion=varies)


def _overdispersion(
    prod: Arm, canary: Arm, counts: Callable[[ByPod], tuple[NDArray[Any], NDArray[Any]] | None]
) -> float:
    """The larger one of both sides, prod's past included: bursts that neither has shown are not known yet.

    Not of both together: a canary that is worse all the time would look like a burst beside prod.
    """
    found = [counts(each) for arm in (prod, canary) for each in arm.stretches]
    return max([1.0, *(overdispersion(*each) for each in found if each is not None)])


def _slow_of(side: ByPod, threshold: float) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Requests that succeeded and the slow ones among them, shape (minutes, pods)."""
    if side.latency is None:
        return None
    return side.latency.sum(axis=-1), slow_counts(side.latency, threshold)


def _quality(prod: Sequence[Tally], canary: Sequence[Tally], policy: CanaryPolicy) -> Pair:
    """Labels of classes. Rows of one request are alike, and one side may err for some minutes."""
    sides = (prod, canary)
    counts = [_counts(side, name) for side in sides for name in ("rows", "wrong")]
    alike = max(_of_requests(side) for side in sides)
    varies = alike * of_difference(*(performance.wrong(side) for side in sides))
    return Pair(name="quality", margin=policy.quality_margin, counts=counts, overdispersion=varies)


def _of_requests(labels: Sequence[Tally]) -> float:
    rows, wrong, requests, *squares = (
        float(_counts(labels, name).sum())
        for name in ("rows", "wrong", "requests", "size_squares", "size_wrong", "wrong_squares")
    )
    return of_requests(rows, wrong, requests, (squares[0], squares[1], squares[2]))


def _counts(labels: Sequence[Tally], name: str) -> NDArray[Any]:
    return np.array([getattr(tally, name) for tally in labels], dtype=np.int64)
