"""The law of PSI when nothing drifted.

Of independent rows, PSI / h is chi-square with B - 1 degrees of freedom, h = 1/n + 1/m (Yurdakul 2018,
formula 5.2). With variance T between blocks, PSI is a sum of chi-squares with the weights of h I + T; it is
taken as mean * F(df, df2) with

    mean = h (B - 1) + tr(T),    df = mean^2 / (h^2 (B - 1) + 2 h tr(T) + tr(T^2)),    df2 = df^0.6 (W - 1):

mean and df match the first two moments (Satterthwaite 1946; Rao and Scott 1984), df2 carries that the mean
is itself an average over W blocks. It would be worth df (W - 1) degrees of freedom if the blocks moved in df
directions that know nothing of one another, and W - 1 if they all grew and shrank together. Traffic that
depends on itself lies between: with the exponent 1 it alarms too often, with 0 a summer is not found in
winter's data (benchmarks, G7 and flights).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from scipy import special

from driftlead_drift.statistics.dependence import Component
from driftlead_drift.statistics.psi import ROWS, SMOOTHING, UNSEEN, Psi

_APART: Final = 0.6  # how far a block's directions are taken to know nothing of one another
_POINTS: Final = 2000  # of the open bins' law, over which its moments are taken
_MANY: Final = 1e6  # an F law with more degrees of freedom than this is a chi-square


@dataclass(frozen=True)
class Null:
    """PSI's law without drift: `mean` times an F law of `df` and `df2` degrees of freedom.

    `df` 0 means that only one bin is occupied: PSI is 0 whatever happens.
    """

    mean: float
    df: float
    df2: float = math.inf

    @property
    def scale(self) -> float:
        """One degree of freedom's share of the mean."""
        return self.mean / self.df if self.df > 0 else 0.0

    def p_value(self, value: float) -> float:
        """Chance of a PSI of `value` or more."""
        if self.df <= 0 or not math.isfinite(self.mean):
            return 1.0
        if self.df2 > _MANY:
            return float(special.chdtrc(self.df, value / self.scale))
        return float(special.fdtrc(self.df, self.df2, value / self.mean))

    def critical(self, level: float) -> float:
        """The PSI that is exceeded with chance `level`; infinite when there is nothing to test."""
        if self.df <= 0 or not math.isfinite(self.mean):
            return math.inf
        if self.df2 > _MANY:
            return float(self.scale * special.chdtri(self.df, level))
        return float(self.mean * special.fdtri(self.df, self.df2, 1 - level))


def null_law(index: Psi, between: Component | None = None) -> Null:
    """The law of this index: from its rows, its bins, and the variance between blocks where it is known."""
    noise, closed = index.noise, index.freedom
    mean, variance = open_moments(index.n, index.m) if index.open else (0.0, 0.0)
    first = noise * (closed + index.open * mean)
    second = noise**2 * (closed + index.open * variance / 2)
    if not math.isfinite(first):
        return Null(math.inf, 0.0)
    if between is None or between.first <= 0:
        return Null(first, first**2 / second if second > 0 else 0.0)
    extra = between.first + (between.open_first if index.open else 0.0)
    second += 2 * noise * between.first + between.second + (between.open_second if index.open else 0.0)
    first += extra
    df = first**2 / second
    return Null(first, df, min(df, df**_APART) * between.freedom)


@cache
def open_moments(n: float, m: float) -> tuple[float, float]:
    """Mean and variance of an open bin's contribution over the noise, when nothing drifted.

    Of m values k lie beyond the extreme of n earlier ones with chance (1 - r) r^k, r = m / (n + m).
    """
    if n <= 0 or m <= 0:
        return 0.0, 0.0
    chance = (np.arange(_POINTS) + 0.5) / _POINTS
    k = np.floor(np.log(chance) / np.log(m / (n + m)))
    least = UNSEEN / ROWS
    share, before = np.maximum((k + SMOOTHING) / m, least), max(UNSEEN / n, least)
    part = np.where(k > 0, (share - before) * np.log(share / before), 0.0) / (1 / n + 1 / m)
    return float(part.mean()), float(part.var())
