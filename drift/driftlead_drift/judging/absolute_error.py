"""How far predictions that are numbers lie from their labels: canary and prod, prod and its past. Pure.

The mean absolute error, each request once, with the intervals that log loss has. These need bounded values: a
row adds at most `Scale.largest`, some times what prod's own predictions are off by. That is taken from prod's
first labels, and the blocks that gave it are not tested, so that nothing is chosen by what it then decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from driftlead_drift.judging import words
from driftlead_drift.judging.comparison import Arm, CanaryPolicy, Measure
from driftlead_drift.judging.forecast import DECIDED, Compared, Outlook, outlook
from driftlead_drift.judging.truth import Tally
from driftlead_drift.statistics import means
from driftlead_drift.statistics.means import Sums
from driftlead_drift.statistics.overdispersion import of_difference
from driftlead_formats.verdicts import CanaryVerdict

FIRST: Final = 200
"""Labels of prod that say how large an error is."""
USUAL: Final = 0.9
TIMES: Final = 2.5
"""A row adds at most this multiple of what nine of ten of prod's errors stay below: four standard deviations
of errors that follow a bell, five times their mean."""


class Scale(NamedTuple):
    """The error that counts in full, and how many of prod's first blocks of labels were used to find it."""

    largest: float
    used: int


def scale_of(blocks: Sequence[Tally]) -> Scale | None:
    """From the first labels of prod; None while there are too few."""
    seen = np.cumsum([len(tally.errors) for tally in blocks])
    if not len(seen) or seen[-1] < FIRST:
        return None
    used = int(np.searchsorted(seen, FIRST)) + 1
    errors = np.concatenate([np.asarray(tally.errors) for tally in blocks[:used]])
    known = errors[np.isfinite(errors)]
    usual = float(np.quantile(known, USUAL)) if len(known) else 0.0
    # Where prod is hardly ever off, any error counts in full.
    return Scale(TIMES * usual or float(known.max(initial=0.0)) or np.finfo(float).eps, used)


def predicts_numbers(prod: Arm, canary: Arm) -> bool:
    """Whether predictions are numbers that come near, not classes that are right or wrong."""
    return prod.numeric or any(tally.numbers for arm in (prod, canary) for tally in arm.labels or ())


def compared(prod: Arm, canary: Arm, policy: CanaryPolicy, alpha: float) -> Measure | None:
    """Prod and canary over the same blocks of labels; None before there is a scale, or no labels of both."""
    earlier, now = list(prod.earlier), list(prod.labels or ())
    scale = scale_of([*earlier, *now])
    if scale is None or prod.labels is None or canary.labels is None:
        return None
    skipped = max(scale.used - len(earlier), 0)
    sides = sums(now[skipped:], scale.largest), sums(canary.labels[skipped:], scale.largest)
    if not all(side.rows.sum() for side in sides):
        return None
    varies = of_difference(*sides)
    ends = means.difference(*sides, alpha, varies)
    found = _Found(sides, scale.largest, ends, policy.quality_margin)
    if found.verdict != CanaryVerdict.UNDECIDED:
        return _measure(found, words.CANARY_SIDES, varies)
    ahead = _outlook(found, alpha, varies, minutes=len(prod.requests))
    return _measure(found, words.CANARY_SIDES, varies, ahead)


def changed(
    earlier: Sequence[Tally], now: Sequence[Tally], policy: CanaryPolicy, alpha: float
) -> Measure | None:
    """Prod now against its own earlier, in blocks of time that need not be the same."""
    scale = scale_of(earlier)
    if scale is None:
        return None
    sides = sums(earlier[scale.used :], scale.largest), sums(now, scale.largest)
    if not all(side.rows.sum() for side in sides):
        return None
    ends = means.apart(*sides, alpha)
    return _measure(_Found(sides, scale.largest, ends, policy.quality_margin), words.OWN_SIDES)


def sums(blocks: Sequence[Tally], largest: float) -> Sums:
    """Each request's mean error by block, in parts of the largest one that counts."""
    block = np.repeat(np.arange(len(blocks)), [len(tally.sizes) for tally in blocks])
    if not len(block):
        nothing = np.zeros(len(blocks))
        return Sums(nothing, nothing, nothing)
    sizes = np.concatenate([np.asarray(tally.sizes) for tally in blocks])
    errors = np.concatenate([np.asarray(tally.errors) for tally in blocks])
    parts = np.minimum(errors / largest, 1.0)
    each = np.add.reduceat(parts, np.cumsum(sizes) - sizes) / sizes
    count = len(blocks)
    return Sums.of(
        np.bincount(block, minlength=count),
        np.bincount(block, each, minlength=count),
        np.bincount(block, each**2, minlength=count),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Both sides and their difference, in parts of the largest error that counts."""

    sides: tuple[Sums, Sums]
    largest: float
    ends: tuple[float, float]
    margin: float

    @property
    def verdict(self) -> CanaryVerdict:
        return words.beside(self.margin, self.ends)


def _outlook(found: _Found, alpha: float, varies: float, *, minutes: int) -> Outlook:
    (first, second), margin = found.sides, found.margin
    n, m = float(first.rows.sum()), float(second.rows.sum())
    spread = [
        max(float(side.squares.sum() / side.rows.sum() - side.mean**2), means.LEAST_VARIANCE)
        for side in found.sides
    ]
    error = varies * (spread[0] / n + spread[1] / m)
    told = (
        means.evidence(first, second, margin, alpha, varies),
        means.evidence(second, first, -margin, alpha, varies),
    )
    need = float(np.log(1 / alpha))
    return outlook(
        Compared(second.mean - first.mean, error, margin, n + m),
        missing=(need - told[0], need - told[1]),
        gain=lambda d: (d - margin) ** 2 / (2 * error * (n + m)),
        minutes=minutes,
    )


def _measure(
    found: _Found, called: tuple[str, str], varies: float = 1.0, ahead: Outlook = DECIDED
) -> Measure:
    sides, largest = found.sides, found.largest
    low, high = (largest * end for end in found.ends)
    first, second = (largest * side.mean for side in sides)
    rows = int(sides[0].rows.sum()), int(sides[1].rows.sum())
    return Measure(
        name="MAE",
        first=first,
        second=second,
        rows=rows,
        interval=(low, high),
        at_all_looks=True,
        margin=largest * found.margin,
        verdict=found.verdict,
        overdispersion=varies,
        requests_needed=ahead.requests,
        sentence=words.measure(
            "MAE",
            (first, second),
            rows,
            called,
            (low, high),
            verdict=found.verdict,
            margin=largest * found.margin,
            largest=largest,
            ahead=ahead.sentence,
        ),
    )
