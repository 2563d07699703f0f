"""How large the shift itself is: PSI without the part that chance adds, and an interval for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from driftlead_drift.statistics.null import Null
from driftlead_drift.statistics.psi import Psi

_LARGE: Final = (
    10_000.0  # beyond this the non-central chi-square is normal to four digits, and scipy's inverse slow
)


@dataclass(frozen=True)
class Size:
    """`corrected`: PSI less what chance adds (may be negative); `low` to `high`: the true PSI."""

    corrected: float
    low: float
    high: float


def size(value: float, law: Null, confidence: float = 0.90, excess: float = 0.0) -> Size:
    """Bias-corrected PSI and its interval.

    With a true index theta, PSI / s is close to a non-central chi-square with df degrees of freedom and
    non-centrality theta / s, where s is the law's scale; the interval inverts that, with tails of
    (1 - confidence) / 2. The approximation is local: for large shifts it is too narrow, and `excess` (of
    `excess_of`) is the variance that it lacks.
    """
    if law.df <= 0 or not np.isfinite(law.mean):
        return Size(0.0, 0.0, 0.0 if np.isfinite(law.mean) else float("inf"))
    tail = (1 - confidence) / 2
    x = value / law.scale
    low, high = law.scale * _centre(x, law.df, 1 - tail), law.scale * _centre(x, law.df, tail)
    corrected = value - law.mean
    middle = min(max(corrected, low), high)
    more = excess * float(special.ndtri(tail)) ** 2
    below, above = np.sqrt((middle - low) ** 2 + more), np.sqrt((high - middle) ** 2 + more)
    return Size(corrected, float(max(0.0, middle - below)), float(middle + above))


def excess_of(index: Psi) -> float:
    """By how much PSI's variance exceeds the local approximation's 4 PSI h, were rows independent."""
    return max(0.0, index.variance - 4 * index.value * index.noise) if np.isfinite(index.noise) else 0.0


def _centre(x: float, df: float, probability: float) -> float:
    """The non-centrality at which P(chi-square <= x) is `probability`; 0 where it never is so large."""
    if special.chdtr(df, x) <= probability:
        return 0.0
    if x < _LARGE:
        return float(special.chndtrinc(x, df, probability))
    z = float(special.ndtri(probability))
    # x = df + c + z u with u = sqrt(2 (df + 2 c)), solved for u.
    u = 2 * (-z + np.sqrt(z**2 + x - df / 2))
    return float(max(0.0, (u**2 / 2 - df) / 2))
