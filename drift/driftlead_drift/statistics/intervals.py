"""How large the shift itself is: PSI without the part that chance adds, and an interval for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from driftlead_drift.statistics.null import Null

_LARGE: Final = (
    10_000.0  # beyond this the non-central chi-square is normal to four digits, and scipy's inverse slow
)


@dataclass(frozen=True)
class Size:
    """`corrected`: PSI less what chance adds (may be negative); `low` to `high`: the true PSI."""

    corrected: float
    low: float
    high: float


def size(value: float, law: Null, confidence: float = 0.90) -> Size:
    """Bias-corrected PSI and its interval.

    With a true index theta, PSI / s is close to a non-central chi-square with df degrees of freedom and
    non-centrality theta / s, where s is the law's scale; the interval inverts that (both tails (1 -
    confidence) / 2).
    """
    if law.df <= 0 or not np.isfinite(law.mean):
        return Size(0.0, 0.0, 0.0 if law.df <= 0 else float("inf"))
    tail = (1 - confidence) / 2
    x = value / law.scale
    return Size(
        corrected=value - law.mean,
        low=law.scale * _centre(x, law.df, 1 - tail),
        high=law.scale * _centre(x, law.df, tail),
    )


def _centre(x: float, df: float, probability: float) -> float:
    """The non-centrality at which P(chi-square <= x) is `probability`; 0 where it never is so large."""
    if special.chdtr(df, x) <= probability:
        return 0.0
    if x < _LARGE:
        return float(special.chndtrinc(x, df, probability))
    z = float(special.ndtri(probability))
    # x = df + c + z sqrt(2 (df + 2 c)), solved for c.
    root = -z * np.sqrt(2) + np.sqrt(2 * z**2 + 2 * (2 * x - df))
    return float(max(0.0, (root**2 / 2 - df) / 2))
