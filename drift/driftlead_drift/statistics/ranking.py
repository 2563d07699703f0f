"""How well scores tell two classes apart: the area under the ROC curve, and how sure it is."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST: Final = 10  # rows of each class without which no interval is given


class Auc(NamedTuple):
    """`value`: chance that a positive scores above a negative, ties half. `deviation`: None with few rows."""

    value: float
    deviation: float | None


def auc(scores: Any, positive: Any) -> Auc | None:
    """AUC with its standard deviation by DeLong, DeLong and Clarke-Pearson 1988; None with one class alone.

    `scores`, `positive`: shape (n,). The deviation is that of a sample whose size was fixed beforehand.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    above, below = s[y], s[~y]
    m, n = len(above), len(below)
    if not m or not n:
        return None
    ranks = _midranks(s)
    # For each positive the share of negatives below it, for each negative the share of positives above it.
    beaten = (ranks[y] - _midranks(above)) / n
    beating = 1 - (ranks[~y] - _midranks(below)) / m
    value = float(beaten.mean())
    if min(m, n) < FEWEST:
        return Auc(value, None)
    variance = beaten.var(ddof=1) / m + beating.var(ddof=1) / n
    # Classes that never meet show no spread; then at most about three of all rows would (95 %).
    return Auc(value, float(np.sqrt(variance)) if variance > 0 else 1.5 / min(m, n))


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
