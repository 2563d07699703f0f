"""The population stability index of two count vectors.

PSI = sum over bins of (q - p) ln(q / p), Jeffreys' symmetric divergence of the shares p (reference) and q
(window).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SMOOTHING: Final = 0.5
"""Added to every occupied bin (Jeffreys' prior): the index stays finite and continuous in every count, and
its null law holds from 200 rows up. An epsilon on shares (1e-4) does neither."""


@dataclass(frozen=True)
class Psi:
    """The index and what it is made of.

    `value`: PSI, at least 0. `contribution`: shape (bins,), sums to `value`; 0 in bins that both sides leave
    empty.
    `signed`: shape (bins,), the root of the contribution, negative where the window has the smaller share.
    `occupied`: bins with any row on either side; an empty bin says nothing and costs no degree of freedom.
    `noise`: 1/n + 1/m of n reference rows and m window rows, infinite when a side has none.
    """

    value: float
    contribution: NDArray[np.float64]
    signed: NDArray[np.float64]
    occupied: int
    noise: float

    @property
    def freedom(self) -> int:
        """Degrees of freedom: occupied bins less one, at least 0."""
        return max(self.occupied - 1, 0)


def psi(reference: NDArray[Any], window: NDArray[Any], smoothing: float = SMOOTHING) -> Psi:
    """PSI of two count vectors in the same bins.

    Raises ValueError when they differ in length. Without smoothing an empty bin on one side gives infinity.
    """
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"counts in {a.shape} and {b.shape} bins cannot be compared")
    n, m = float(a.sum()), float(b.sum())
    contribution = np.zeros(len(a))
    signed = np.zeros(len(a))
    used = (a + b) > 0
    occupied = int(np.count_nonzero(used))
    if n > 0 and m > 0:
        p = (a[used] + smoothing) / (n + smoothing * occupied)
        q = (b[used] + smoothing) / (m + smoothing * occupied)
        with np.errstate(divide="ignore"):
            contribution[used] = np.where(p == q, 0.0, (q - p) * (np.log(q) - np.log(p)))
        signed[used] = np.sign(q - p) * np.sqrt(contribution[used])
    noise = 1 / n + 1 / m if n > 0 and m > 0 else np.inf
    return Psi(float(contribution.sum()), contribution, signed, occupied, noise)
