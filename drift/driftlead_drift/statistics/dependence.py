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

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.statistics.psi import SMOOTHING, floors

MIN_BLOCKS: Final = 3
MIN_BLOCK_ROWS: Final = 20


@dataclass(frozen=True)
class Component:
    """Variance of a feature's counts between blocks.

    `first`: tr(T), the part of a block's expected PSI that independence does not explain: (B - 1) tau^2.
    `second`: tr(T^2), between first^2 / (B - 1) (spread over all directions) and first^2 (one direction).
    `blocks`: on how many blocks this rests; `freedom`: how many of them vary freely. `rows`: mean rows of a
    block.
    `by_bin`: of each bin the variance of its share q beyond chance, in parts of q (1 - q); None where only
    the feature's own is known, which is at least as much.
    `open_first`, `open_second`: the same two for the open bins beyond the reference's extremes, in which its
    own blocks never lie. One more block sets a record with chance 1 / (blocks + 1) on either side; what then
    lies there is taken to be as much as the bin beside it ever gained.
    """

    first: float
    second: float
    blocks: int
    freedom: int
    rows: float
    open_first: float = 0.0
    open_second: float = 0.0
    by_bin: NDArray[np.float64] | None = None

    @property
    def directions(self) -> float:
        """In how many directions the counts move together: tr(T)^2 / tr(T^2)."""
        return self.first**2 / self.second if self.second > 0 else 1.0

    def of_bin(self, k: int) -> float:
        """The variance of one bin's share between blocks, in parts of q (1 - q)."""
        return self.first if self.by_bin is None else float(self.by_bin[k])

    def scaled(self, rows: float) -> Component:
        """The component of a window of `rows`, where it shrinks with rows: blocks of many small clusters."""
        factor = self.rows / rows
        return replace(
            self,
            first=self.first * factor,
            second=self.second * factor**2,
            open_first=self.open_first * factor,
            open_second=self.open_second * factor**2,
            by_bin=None if self.by_bin is None else self.by_bin * factor,
        )


def component(strata: Sequence[NDArray[Any]], ends: Collection[int] = ()) -> Component | None:
    """Variance between blocks of one feature.

    `strata`: counts of shape (blocks, bins); blocks of a stratum (the Mondays, the Tuesdays) are compared
    with one another only, and all strata are taken to vary alike. `ends`: the closed bins beside the open
    ones. None when fewer than three blocks of any stratum have 20 rows: then nothing is known of dependence.
    """
    kept = [np.asarray(s, dtype=np.float64) for s in strata]
    kept = [s[s.sum(axis=1) >= MIN_BLOCK_ROWS] for s in kept]
    parts = [_against_rest(s) for s in kept if len(s) >= MIN_BLOCKS]
    if not parts:
        return None
    values = np.concatenate([p.signed for p in parts]) ** 2
    noise = np.concatenate([p.noise for p in parts])
    freedom = np.concatenate([p.freedom for p in parts])
    first = max(0.0, float(np.mean(values.sum(axis=1) - freedom * noise)))
    gains = np.concatenate([np.maximum(p.signed[:, list(ends)], 0.0) for p in parts]) ** 2
    beside = np.maximum(gains.max(axis=0, initial=0.0) - noise.mean(), 0.0)
    chance = 1 / (len(values) + 1)
    return Component(
        first=first,
        second=_second(parts, first, float(noise.mean()), max(1, int(freedom.max()))),
        blocks=len(values),
        freedom=len(values) - len(parts),
        rows=float(np.concatenate([p.rows for p in parts]).mean()),
        open_first=float(beside.sum()) * chance,
        open_second=float((beside**2).sum()) * chance / 2,
        by_bin=np.maximum(np.concatenate([p.beyond for p in parts]).mean(axis=0), 0.0),
    )


@dataclass(frozen=True)
class _Parts:
    """Each block of a stratum against all others: `signed` (blocks, bins), the others (blocks,).

    `beyond`: the square of each share's difference beyond chance, in parts of q (1 - q), (blocks, bins).
    """

    signed: NDArray[np.float64]
    noise: NDArray[np.float64]
    rows: NDArray[np.float64]
    freedom: NDArray[np.float64]
    beyond: NDArray[np.float64]


def _against_rest(blocks: NDArray[np.float64]) -> _Parts:
    """`psi` of every block with the sum of the others as its reference, at once."""
    total, rows = blocks.sum(axis=0), blocks.sum(axis=1)
    used = total > 0
    p, q = total[used] - blocks[:, used] + SMOOTHING, blocks[:, used] + SMOOTHING
    least = floors(np.zeros(int(used.sum()), dtype=bool))
    p = np.maximum(p / p.sum(axis=1, keepdims=True), least)
    q = np.maximum(q / q.sum(axis=1, keepdims=True), least)
    signed = np.zeros(blocks.shape)
    signed[:, used] = np.sign(q - p) * np.sqrt((q - p) * (np.log(q) - np.log(p)))
    noise = 1 / rows + 1 / (total.sum() - rows)
    freedom = np.maximum((np.maximum(p, q) > least).sum(axis=1) - 1.0, 0.0)
    return _Parts(signed, noise, rows, freedom, _beyond_chance(blocks, noise))


def _beyond_chance(blocks: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    total, rows = blocks.sum(axis=0), blocks.sum(axis=1)[:, None]
    share = total / total.sum()
    apart = blocks / rows - (total - blocks) / (total.sum() - rows)
    spread = np.where((share > 0) & (share < 1), share * (1 - share), 1.0)
    return np.where((share > 0) & (share < 1), apart**2 / spread - noise[:, None], 0.0)


def _second(parts: Sequence[_Parts], first: float, noise: float, freedom: int) -> float:
    """tr(T^2) from pairs of different blocks, whose product is free of a block's own noise."""
    total, count = 0.0, 0
    for part in parts:
        products = (part.signed @ part.signed.T) ** 2
        total += float(products.sum() - np.trace(products))
        count += len(products) * (len(products) - 1)
    unexplained = total / count - 2 * noise * first - noise**2 * freedom
    return float(np.clip(unexplained, first**2 / freedom, first**2))
