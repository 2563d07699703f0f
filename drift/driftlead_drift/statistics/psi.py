"""The population stability index of two count vectors.

PSI = sum over bins of (q - p) ln(q / p), Jeffreys' symmetric divergence of the shares p (reference) and q
(window).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SMOOTHING: Final = 0.5
"""Added to every occupied bin (Jeffreys' prior): the index stays finite and continuous in every count, and
its null law holds from 200 rows up. An epsilon on shares (1e-4) does neither."""

UNSEEN: Final = 1.0
"""Added to the reference in bins that it left empty by construction: of n values the next lies beyond their
extremes with a chance of about 1/n on either side, not of 0.5/n."""

ROWS: Final = 1000.0
"""No share counts for less than the pseudo-count of this number of rows: half a row, or one where the
reference is empty by construction. Without a floor the index of a bin that one side never filled grows with
the logarithm of that side's rows: the same missing values would be drift for a large baseline only."""


def floors(is_open: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The least share that counts in each bin, on either side."""
    return np.where(is_open, UNSEEN, SMOOTHING) / ROWS


@dataclass(frozen=True)
class Psi:
    """The index and what it is made of.

    `value`: PSI, at least 0. `contribution`: shape (bins,), sums to `value`; 0 where both sides are empty.
    `signed`: shape (bins,), the root of the contribution, negative where the window has the smaller share.
    `occupied`: closed bins whose share exceeds the floor on either side; others cost no degree of freedom.
    `open`: bins that the reference left empty by construction. `n`, `m`: rows of reference and window.
    `variance`: of the index, to first order (delta method), were rows independent; 0 without smoothing.
    """

    value: float
    contribution: NDArray[np.float64]
    signed: NDArray[np.float64]
    occupied: int
    open: int
    n: float
    m: float
    variance: float = 0.0

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the closed bins: one less than are occupied, at least 0."""
        return max(self.occupied - 1, 0)

    @property
    def noise(self) -> float:
        """1/n + 1/m, infinite when a side has no rows."""
        return 1 / self.n + 1 / self.m if self.n > 0 and self.m > 0 else np.inf


def psi(
    reference: NDArray[Any],
    window: NDArray[Any],
    smoothing: float = SMOOTHING,
    open_bins: Collection[int] = (),
) -> Psi:
    """PSI of two count vectors in the same bins; `open_bins`: indices of those that only the window can fill.

    Raises ValueError when they differ in length. Without smoothing an empty bin on one side gives infinity.
    """
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"counts in {a.shape} and {b.shape} bins cannot be compared")
    n, m = float(a.sum()), float(b.sum())
    contribution, signed = np.zeros(len(a)), np.zeros(len(a))
    is_open = np.zeros(len(a), dtype=bool)
    is_open[list(open_bins)] = True
    used = (a + b) > 0
    variance = 0.0
    occupied = int(np.count_nonzero(used & ~is_open))
    if n > 0 and m > 0:
        least = floors(is_open[used]) if smoothing > 0 else np.zeros(int(used.sum()))
        unseen = UNSEEN if smoothing > 0 else 0.0
        p = a[used] + np.where(is_open[used], unseen, smoothing)
        q = b[used] + smoothing
        p, q = np.maximum(p / p.sum(), least), np.maximum(q / q.sum(), least)
        with np.errstate(divide="ignore"):
            contribution[used] = np.where(p == q, 0.0, (q - p) * (np.log(q) - np.log(p)))
        signed[used] = np.sign(q - p) * np.sqrt(contribution[used])
        occupied = int(np.count_nonzero((np.maximum(p, q) > least) & ~is_open[used]))
        variance = _variance(p, q, n, m)
    return Psi(float(contribution.sum()), contribution, signed, occupied, int(is_open.sum()), n, m, variance)


def _variance(p: NDArray[np.float64], q: NDArray[np.float64], n: float, m: float) -> float:
    if not (p.all() and q.all()):
        return 0.0
    by_q, by_p = np.log(q / p) + 1 - p / q, np.log(p / q) + 1 - q / p
    from_p = float(p @ by_p**2 - (p @ by_p) ** 2)
    from_q = float(q @ by_q**2 - (q @ by_q) ** 2)
    return from_p / n + from_q / m
