"""Means of bounded values that may be looked at after every block: empirical Bernstein confidence sequences.

For values in [0, 1] with mean m, a guess g of it and a stake s below 1 that are both chosen beforehand,
exp(s (x - m) - psi(s) (x - g)^2) with psi(s) = -log(1 - s) - s is not expected to exceed 1, and neither is
the same of 1 - x (Fan, Grama and Liu 2015; Howard, Ramdas, McAuliffe and Sekhon 2021; Waudby-Smith and
Ramdas 2024). Their product over all rows is an e-process, and only sums and sums of squares of each block are
needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST: Final = 0.5  # no stake is larger: at 1 a single value could take everything
LEAST_VARIANCE: Final = 1e-4


@dataclass(frozen=True)
class Sums:
    """Values in [0, 1] by block, each of shape (blocks,): how many, their sum, the sum of their squares."""

    rows: Floats
    total: Floats
    squares: Floats

    @classmethod
    def of(cls, rows: Any, total: Any, squares: Any) -> Sums:
        """From anything that is like arrays."""
        return cls(*(np.asarray(values, dtype=np.float64) for values in (rows, total, squares)))

    def over(self, edges: NDArray[np.intp]) -> Sums:
        """The same in larger blocks, between the edges."""
        return Sums(*(summed(values, edges) for values in (self.rows, self.total, self.squares)))

    @property
    def mean(self) -> float:
        """The mean of all values; 0 without any."""
        return float(self.total.sum() / max(self.rows.sum(), 1.0))


def summed(values: NDArray[Any], edges: NDArray[np.intp]) -> NDArray[Any]:
    """Sums over the first axis between edges, of the values' own type."""
    zero = np.zeros((1, *values.shape[1:]), dtype=values.dtype)
    together: NDArray[Any] = np.diff(np.concatenate([zero, np.cumsum(values, axis=0)])[edges], axis=0)
    return together


def difference(first: Sums, second: Sums, alpha: float, varies: float = 1.0) -> tuple[float, float]:
    """Confidence sequence for the second mean less the first: right at all looks with chance 1 - 2 alpha.

    In each block both sides put the same stake on their means, so that the means themselves cancel and their
    difference is left; a block waits for rows of both. Each end is the best that any block so far gave.
    `varies`: the difference's overdispersion, by which evidence is divided.
    """
    need = float(np.log(1 / alpha))
    enough = need * varies
    return _bets(first, second, need).lowest(enough), -_bets(second, first, need).lowest(enough)


def evidence(first: Sums, second: Sums, margin: float, alpha: float, varies: float = 1.0) -> float:
    """Largest log evidence at any block that the second mean exceeds the first by more than `margin`."""
    bets = _bets(first, second, float(np.log(1 / alpha)))
    return float((bets.gained - bets.cost - margin * bets.put).max(initial=0.0)) / varies


def apart(earlier: Sums, now: Sums, alpha: float) -> tuple[float, float]:
    """The same for means over different stretches of time: each side's own sequence takes half of alpha."""
    before, after = mean(earlier, alpha / 2), mean(now, alpha / 2)
    return after[0] - before[1], after[1] - before[0]


def meeting(first: Any, second: Any) -> NDArray[np.intp]:
    """Edges of the longest row of blocks in each of which both sides have rows; what is left over waits.

    Only how many rows there are decides, never what they say.
    """
    edges, n, m = [0], 0, 0
    for place, (more, other) in enumerate(zip(first, second, strict=True), start=1):
        n, m = n + more, m + other
        if n > 0 and m > 0:
            edges.append(place)
            n = m = 0
    return np.array(edges, dtype=np.intp)


@dataclass(frozen=True)
class _Bets:
    """Running sums of all blocks so far: of what was gained, what was put on the mean, what that costs."""

    gained: Floats
    put: Floats
    cost: Floats

    def lowest(self, need: float) -> float:
        """The largest value below which the mean surely is not, over all blocks so far; -1 says nothing."""
        reached = self.gained - self.cost - need
        lows = np.where(self.put > 0, reached / np.where(self.put > 0, self.put, 1.0), -1.0)
        return float(lows.max(initial=-1.0))


def _bets(first: Sums, second: Sums, need: float) -> _Bets:
    edges = meeting(first.rows, second.rows)
    first, second = first.over(edges), second.over(edges)
    n, m = first.rows, second.rows
    guess, variance = _before(first)
    guess_second, variance_second = _before(second)
    fewer = np.minimum(n, m)
    stake = np.minimum(_stake(1.0 / (variance / n + variance_second / m), fewer, need), _MOST * fewer)
    cost = _psi(stake / n) * _around(first, guess) + _psi(stake / m) * _around(second, guess_second)
    gained = stake * (second.total / m - first.total / n)
    return _Bets(np.cumsum(gained), np.cumsum(stake), np.cumsum(cost))


def mean(values: Sums, alpha: float) -> tuple[float, float]:
    """Confidence sequence for the mean, within [0, 1]: right at all looks with chance 1 - 2 alpha."""
    mirrored = Sums(values.rows, values.rows - values.total, values.rows - 2 * values.total + values.squares)
    low, high = _lower(values, alpha), 1.0 - _lower(mirrored, alpha)
    return max(low, 0.0), min(high, 1.0)


def _lower(values: Sums, alpha: float) -> float:
    need = float(np.log(1 / alpha))
    guess, variance = _before(values)
    stake = np.minimum(
        _stake(values.rows / variance, values.rows, need) / np.maximum(values.rows, 1.0), _MOST
    )
    cost = _psi(stake) * _around(values, guess)
    gained, put = np.cumsum(stake * values.total), np.cumsum(stake * values.rows)
    return _Bets(gained, put, np.cumsum(cost)).lowest(need)


def _stake(information: Floats, rows: Floats, need: float) -> Floats:
    """What is put on each block: as its information asks for, ever less of it the more has been seen."""
    seen = np.cumsum(information) * np.log1p(np.cumsum(rows))
    stake: Floats = information * np.sqrt(2 * need / np.maximum(seen, 1.0))
    return stake


def _before(values: Sums) -> tuple[Floats, Floats]:
    """Guesses of mean and variance from the blocks before each one; 1/2 and 1/4 before there are any."""
    n, total, squares = (
        np.concatenate([[0.0], np.cumsum(v)[:-1]]) if len(v) else v
        for v in (values.rows, values.total, values.squares)
    )
    guess = (total + 0.5) / (n + 1)
    around = squares - 2 * guess * total + n * guess**2
    return guess, np.maximum((around + 0.25) / (n + 1), LEAST_VARIANCE)


def _around(values: Sums, guess: Floats) -> Floats:
    """The sum of squared distances from the guess, of each block."""
    return np.maximum(values.squares - 2 * guess * values.total + values.rows * guess**2, 0.0)


def _psi(stake: Floats) -> Floats:
    return -np.log1p(-stake) - stake
