"""A comparison by stretches of its time: since when the canary is worse, whether evidence still grows.

Pure. What is drawn and said here decides nothing: the checks do, by all minutes together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging import words
from driftlead_drift.judging.canary import blocks_of
from driftlead_drift.judging.canary_pairs import Pair, pairs_of, slow_counts, slow_from
from driftlead_drift.judging.comparison import Arm, CanaryPolicy, Check, CheckName
from driftlead_drift.judging.evidence import Evidence, Minutes, arms, whole_minutes
from driftlead_drift.judging.stretches import edges
from driftlead_drift.statistics import onset, sequential
from driftlead_drift.statistics.means import summed
from driftlead_formats.durations import MINUTE
from driftlead_formats.histograms import latency_quantile
from driftlead_formats.verdicts import CanaryVerdict

Floats = NDArray[np.float64]
PLENTY: Final = 10**9
RISING: Final = 0.75  # of the time, since which evidence must have grown to be called still rising


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOverTime:
    """One side by stretches, shape (stretches,). `slow`: None where nothing says what is slow; `p50`, `p99`:
    milliseconds of requests that succeeded, NaN without any."""

    requests: NDArray[np.int64]
    rows: NDArray[np.int64]
    failed: NDArray[np.int64]
    answered: NDArray[np.int64]
    slow: NDArray[np.int64] | None
    p50: Floats
    p99: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOverTime:
    """Log evidence that the canary is worse, or is not, largest so far at the end of each stretch.

    `needed`: of it, to decide. `passed`: epoch seconds at which it was enough for `worse`; `began`: about
    since when the canary's share exceeds prod's by more than the margin, where that can be told; `sentence`:
    both in words, empty where there is nothing to say.
    """

    name: CheckName
    worse: Floats
    non_inferior: Floats
    needed: float
    passed: float | None
    began: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryOverTime:
    """`edges`: epoch seconds, one more than there are stretches."""

    edges: Floats
    prod: SideOverTime
    canary: SideOverTime
    checks: tuple[CheckOverTime, ...]


def over_time(evidence: Evidence, policy: CanaryPolicy) -> CanaryOverTime | None:
    """None before two minutes were compared."""
    minutes = whole_minutes(evidence.start, evidence.end)
    if len(minutes) < 2 or not all(side.pods for side in evidence.sides):
        return None
    found = edges(minutes[0].timestamp(), minutes[-1].timestamp(), PLENTY, shortest=MINUTE)
    if found is None:
        return None
    prod, canary = arms(*evidence.sides, minutes)
    threshold, settled = slow_from(prod, policy)
    starts = np.array([minute.timestamp() for minute in minutes])
    cuts = np.searchsorted(starts, found)
    first, second = (
        _side(arm, side, minutes, cuts, threshold)
        for arm, side in zip((prod, canary), evidence.sides, strict=True)
    )
    pairs = {pair.name: pair for pair in pairs_of(prod, canary, policy, threshold, settled)}
    return CanaryOverTime(
        edges=found,
        prod=first,
        canary=second,
        checks=tuple(
            _check(check, pairs[check.name], starts, cuts)
            for check in evidence.judgement.checks
            if check.name != "quality"
        ),
    )


def _side(
    arm: Arm,
    side: Minutes,
    minutes: Sequence[datetime],
    cuts: NDArray[np.intp],
    threshold: float | None,
) -> SideOverTime:
    rows = np.array([sum(pod.rows for pod in side.pods.get(minute, {}).values()) for minute in minutes])
    assert arm.latency is not None  # noqa: S101 - there are histograms
    latency = summed(arm.latency, cuts)
    return SideOverTime(
        requests=summed(arm.requests, cuts),
        rows=summed(rows, cuts),
        failed=summed(arm.errors, cuts),
        answered=latency.sum(axis=1),
        slow=None if threshold is None else slow_counts(latency, threshold),
        p50=np.array([latency_quantile(counts, 0.5) for counts in latency]),
        p99=np.array([latency_quantile(counts, 0.99) for counts in latency]),
    )


def _check(check: Check, pair: Pair, starts: Floats, cuts: NDArray[np.intp]) -> CheckOverTime:
    blocks = blocks_of(len(starts))
    counts = [summed(values, blocks) for values in pair.counts]
    n, k, m, j = counts
    grown = [
        np.maximum.accumulate(np.maximum(evidence(n, k, m, j, pair.margin) / pair.overdispersion, 0.0))
        for evidence in (sequential.worse, sequential.not_worse)
    ]
    # A stretch shows what its last whole block brought.
    ends = np.searchsorted(blocks[1:], cuts[1:], side="right") - 1
    worse, good = (np.where(ends >= 0, each[np.maximum(ends, 0)], 0.0) for each in grown)
    reached = np.flatnonzero(grown[0] >= check.needed)
    passed = float(starts[blocks[reached[0] + 1] - 1]) + MINUTE if len(reached) else None
    always, began = (False, None)
    if check.verdict != CanaryVerdict.NON_INFERIOR:
        always, began = _began(pair, starts, check.needed)
    at = min(int(RISING * len(worse)), len(worse) - 1)
    rising = bool(worse[-1] > worse[at] + 0.01)
    return CheckOverTime(
        name=check.name,
        worse=worse,
        non_inferior=good,
        needed=check.needed,
        passed=passed,
        began=began,
        sentence=words.canary_when(began, passed, always=always, rising=rising),
    )


def _began(pair: Pair, starts: Floats, needed: float) -> tuple[bool, float | None]:
    """Whether the canary's share is more than prod's from the start on, else about since when.

    (False, None) where it cannot be told, or is over again. It counts requests as independent and decides
    nothing.
    """
    taken = edges(float(starts[0]), float(starts[-1]), PLENTY, shortest=MINUTE)
    if taken is None:
        return False, None
    cuts = np.searchsorted(starts, taken)
    n, k, m, j = (summed(values, cuts).astype(np.float64) for values in pair.counts)
    share = (k.sum() + 0.5) / (n.sum() + 1)
    expected = np.broadcast_to([1 - share, share], (len(m), 2))
    run = onset.likeliest(expected, np.stack([m - j, j], axis=1), np.zeros(len(m), dtype=bool))
    occupied = np.flatnonzero(m)
    # As much evidence as decides, for any of the runs that were tried.
    if run is None or run.gain < needed + 2 * np.log(len(m)):
        return False, None
    # The stretch of the change itself is neither.
    before, after = slice(0, int(run.begins)), slice(run.first, None)
    excess = [float(j[part].sum() / max(m[part].sum(), 1.0)) - share for part in (before, after)]
    known = np.ptp(run.firsts) <= len(m) / 4 and run.lasts[1] >= occupied[-1] and excess[1] > pair.margin
    if run.firsts[0] <= occupied[0]:
        return bool(known), None
    if not known or excess[0] > pair.margin:
        return False, None
    length = float(taken[1] - taken[0])
    return False, float(taken[0] + round(run.begins * length / MINUTE) * MINUTE)
