"""Whether the model predicts a class far more often, or far more seldom, than in training. Pure.

PSI weighs a class by its share: of one that goes from 1 % to 4 % of the rows it sees next to nothing, and
models of fraud or churn live there. So each class of the prediction has a test of its own, of how many times
as often it comes. It alarms where the ratio is surely beyond `class_ratio`, not only where it differs from 1,
and in a number of rows that somebody could look at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.policy import Policy
from driftlead_drift.statistics.dependence import Component
from driftlead_drift.statistics.rates import ratio
from driftlead_formats.baseline.binning import FeatureBins

ROWS: Final = 20
"""Rows of the class, seen or to be expected, from which on its rate is judged."""
PART: Final = 0.5
"""Part of q that all classes have together, in both directions."""


@dataclass(frozen=True, slots=True)
class ClassRate:
    """A class whose rate surely moved: its bin, the ratio of its shares, and what that surely is."""

    bin: int
    ratio: float
    low: float
    high: float


def moved_class(
    bins: FeatureBins,
    counts: tuple[NDArray[Any], NDArray[Any]],
    between: Component | None,
    policy: Policy,
) -> ClassRate | None:
    """The class that surely moved most; None where none did, or where predictions are no classes.

    `counts`: of training and of the window, in these bins.
    """
    if bins.kind == "numeric" and not bins.points:
        return None
    classes = [k for k in range(bins.bin_count) if k != bins.missing_bin]
    level = policy.q * PART / (2 * len(classes))
    found = [
        each for k in classes if (each := _surely(k, counts, between, level, policy.class_ratio)) is not None
    ]
    return max(found, key=_size, default=None)


def _size(rate: ClassRate) -> float:
    return max(math.log(rate.low) if rate.low > 0 else -math.inf, -math.log(rate.high or math.inf))


def _surely(
    k: int, counts: tuple[NDArray[Any], NDArray[Any]], between: Component | None, level: float, limit: float
) -> ClassRate | None:
    (a, b), (n, m) = (float(side[k]) for side in counts), (float(np.sum(side)) for side in counts)
    if n == 0 or m == 0 or max(b, a * m / n) < ROWS:
        return None
    varies, freedom = 1.0, math.inf
    if between is not None:
        varies, freedom = 1 + between.of_bin(k) / (1 / n + 1 / m), float(between.freedom)
    low, high = ratio(a, n, b, m, level=level, varies=varies, freedom=freedom)
    if low <= limit and high >= 1 / limit:
        return None
    return ClassRate(k, b * n / (a * m) if a else math.inf, low, high)
