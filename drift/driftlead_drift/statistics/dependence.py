"""How much traffic differs between its own blocks, beyond what drawing rows independently would give.

Rows of a day share its weather, rows of a session their user. The counts of a block then vary more than a
multinomial's, and a test that ignores it calls every week drift. The extra variance is **additive**: more
rows in a block do not make the block more typical. With B bins, block w of m_w rows against the n_w rows of
all other blocks:

    tau^2 = max(0, mean over w of (PSI_w / (B - 1) - h_w)),   h_w = 1/n_w + 1/m_w

(each block is compared with the rest, since a block would pull a total that contains it towards itself). The
extra variance mostly moves bins together (a warm week fills all the warm bins), so it has fewer directions
than B - 1; the second moment of the block's deviations says how many (Rao and Scott 1984, after Satterthwaite
1946).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.statistics.psi import psi

MIN_BLOCKS: Final = 3
MIN_BLOCK_ROWS: Final = 20


@dataclass(frozen=True)
class Component:
    """Variance of a feature's counts between blocks.

    `first`: tr(T), the part of a block's expected PSI that independence does not explain: (B - 1) tau^2.
    `second`: tr(T^2), between first^2 / (B - 1) (spread over all directions) and first^2 (one direction).
    `blocks`: on how many blocks this rests. `rows`: mean rows of a block.
    """

    first: float
    second: float
    blocks: int
    rows: float

    @property
    def directions(self) -> float:
        """In how many directions the counts move together: tr(T)^2 / tr(T^2)."""
        return self.first**2 / self.second if self.second > 0 else 1.0

    def scaled(self, rows: float) -> Component:
        """The component of a window of `rows`, where it shrinks with rows: blocks of many small clusters."""
        factor = self.rows / rows
        return replace(self, first=self.first * factor, second=self.second * factor**2)


def component(blocks: NDArray[Any]) -> Component | None:
    """Variance between blocks of one feature, from counts of shape (blocks, bins).

    None when fewer than three blocks have 20 rows: then nothing is known of dependence.
    """
    counts = np.asarray(blocks, dtype=np.float64)
    counts = counts[counts.sum(axis=1) >= MIN_BLOCK_ROWS]
    if len(counts) < MIN_BLOCKS:
        return None
    total = counts.sum(axis=0)
    counts, total = counts[:, total > 0], total[total > 0]
    freedom = len(total) - 1
    rows = float(counts.sum(axis=1).mean())
    if freedom < 1:
        return Component(0.0, 0.0, len(counts), rows)
    parts = [psi(total - block, block) for block in counts]
    noise = np.array([part.noise for part in parts])
    excess = np.array([part.value for part in parts]) - freedom * noise
    first = max(0.0, float(excess.mean()))
    signed = np.stack([part.signed for part in parts])
    return Component(first, _second(signed, first, float(noise.mean()), freedom), len(counts), rows)


def _second(signed: NDArray[np.float64], first: float, noise: float, freedom: int) -> float:
    """tr(T^2) from pairs of different blocks, whose product is free of a block's own noise."""
    products = (signed @ signed.T) ** 2
    count = len(signed)
    pairs = float(products.sum() - np.trace(products)) / (count * (count - 1))
    unexplained = pairs - 2 * noise * first - noise**2 * freedom
    return float(np.clip(unexplained, first**2 / freedom, first**2))
