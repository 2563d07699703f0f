"""When within its window a feature drifted: how far each stretch lies apart, and since when, in words.

Stretches are held against the same hours of the week of training, or the same hours of the day, where the
baseline has enough of them: else every night would differ from training. What is said of a beginning follows
from `statistics.onset` and holds only for features that changed: a run of stretches whose PSI is at least the
threshold and stays there, with less beside it, and whose beginning is known to a quarter of the window. Else
nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging import words
from driftlead_drift.judging.facts import OverTime, Stretches
from driftlead_drift.judging.features import FEWEST, FeatureJudgement
from driftlead_drift.judging.policy import Policy
from driftlead_drift.judging.reference import MIN_WEEKS, WEEK, Reference
from driftlead_drift.statistics import onset
from driftlead_formats.baseline import Baseline
from driftlead_formats.baseline.blocks import DAY, HOUR
from driftlead_formats.verdicts import DriftVerdict

SHIFTED: Final = (DriftVerdict.CHANGED, DriftVerdict.DRIFT, DriftVerdict.SEVERE)
HOURS_ROWS: Final = 200  # of training, below which some hours of it are no reference
KNOWN: Final = 0.25  # of the window: to how much of it a beginning must be known to be said
STAYS: Final = 2 / 3  # of a run's stretches that must themselves lie apart: what comes and goes has no date


def told(
    judged: Sequence[FeatureJudgement],
    baseline: Baseline,
    reference: Reference,
    stretches: Stretches | None,
    policy: Policy,
) -> tuple[FeatureJudgement, ...]:
    """The features with what they did over time; as they are where rows carry no times."""
    if stretches is None:
        return tuple(judged)
    counts = [*stretches.features, *([] if stretches.prediction is None else [stretches.prediction])]
    bins = [*baseline.features, *([baseline.prediction] if baseline.prediction else [])]
    hours = _same_hours(baseline, stretches)
    out = []
    for i, (each, now, feature) in enumerate(zip(judged, counts, bins, strict=False)):
        before = reference.counts[i] if hours is None else hours[i]
        tau = policy.tau if i < len(baseline.features) else policy.tau_prediction
        seen = _over_time(each, _Stretched(stretches, now, before, feature.open_bins), tau)
        out.append(replace(each, over_time=seen))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class _Stretched:
    """One feature's counts (stretches, bins) and the reference's, by stretch or for all (bins,)."""

    stretches: Stretches
    counts: NDArray[Any]
    reference: NDArray[Any]
    open_bins: tuple[int, ...]

    @property
    def expected(self) -> NDArray[np.float64]:
        """Shares, by stretch."""
        found = onset.shares(self.reference, self.open_bins)
        return np.broadcast_to(found, self.counts.shape)

    def apart(self, chosen: slice) -> float:
        """PSI of several stretches together, less what chance adds; 0 without rows."""
        rows = self.stretches.rows[chosen].astype(np.float64)
        if not rows.any():
            return 0.0
        before = np.broadcast_to(self.reference, self.counts.shape)[chosen].sum(axis=1)
        shares = rows @ self.expected[chosen] / rows.sum()
        counts = self.counts[chosen].sum(axis=0)
        return float(onset.distances(shares * before.max(), counts[None], self.open_bins).corrected[0])


def _over_time(each: FeatureJudgement, seen: _Stretched, tau: float) -> OverTime:
    rows = seen.stretches.rows
    found = onset.distances(seen.reference, seen.counts, seen.open_bins)
    distances = tuple(
        float(psi) if n >= FEWEST and np.isfinite(psi) else None
        for psi, n in zip(found.corrected, rows, strict=True)
    )
    apart = found.significant & (rows >= FEWEST)
    without = OverTime(distances=distances, apart=tuple(np.flatnonzero(apart).tolist()))
    if each.status not in SHIFTED or not each.tested or sum(psi is not None for psi in distances) < 3:
        return without
    run = onset.likeliest(seen.expected, seen.counts, apart & (found.corrected >= tau))
    together = 0.0 if run is None else seen.apart(slice(run.first, run.last + 1))
    if run is None or together < tau:
        return without
    least = max(tau / 2, together / 4)
    within = [psi >= least for psi in distances[run.first : run.last + 1] if psi is not None]
    if sum(within) < STAYS * len(within):
        return without
    return _said(run, seen, tau, without)


def _said(run: onset.Run, seen: _Stretched, tau: float, without: OverTime) -> OverTime:
    """Beginning and end, each where it is known; neither where one of them is not."""
    edges, occupied = seen.stretches.edges, np.flatnonzero(seen.stretches.rows)
    most = KNOWN * len(seen.stretches.rows)
    at_start, to_end = run.firsts[0] <= occupied[0], run.lasts[1] >= occupied[-1]
    if np.ptp(run.firsts) > most or np.ptp(run.lasts) > most:
        return without
    # The stretch of the change itself is neither before nor after.
    if not at_start and seen.apart(slice(0, int(run.begins))) >= tau:
        return without
    if not to_end and seen.apart(slice(-int(-run.ends // 1), None)) >= tau:
        return without
    length = float(edges[1] - edges[0])
    began = None if at_start else _rounded(edges[0] + run.begins * length, length)
    ended = None if to_end else _rounded(edges[0] + run.ends * length, length)
    return replace(without, began=began, ended=ended, sentence=words.when(began, ended, length))


def _rounded(seconds: float, length: float) -> float:
    """To a quarter of a stretch: what is said is not exacter than that."""
    unit = length / 4
    return round(seconds / unit) * unit


def _same_hours(baseline: Baseline, stretches: Stretches) -> list[NDArray[np.int64]] | None:
    """The baseline's counts at the hours of the week (or day) of each stretch, (stretches, bins) for each
    feature; None where it saw them too seldom."""
    blocks = baseline.blocks
    if blocks is None or blocks.unit != "hour":
        return None
    first = (stretches.edges[:-1] // HOUR).astype(np.int64)
    last = (-(-stretches.edges[1:] // HOUR)).astype(np.int64)
    for cycle in (WEEK // HOUR, DAY // HOUR):
        if blocks.length < MIN_WEEKS * cycle:
            continue
        slots = blocks.starts // HOUR % cycle
        takes = np.zeros((len(first), cycle), dtype=np.int64)
        for take, start, end in zip(takes, first, last, strict=True):
            take[np.arange(start, min(end, start + cycle)) % cycle] = 1
        found = []
        for counts in blocks.counts:
            by_slot = np.zeros((cycle, counts.shape[1]), dtype=np.int64)
            np.add.at(by_slot, slots, counts)
            found.append(takes @ by_slot)
        if (found[0].sum(axis=1)[stretches.rows >= FEWEST] >= HOURS_ROWS).all():
            return found
    return None
