"""How much more failures vary than independent requests would: by pod and stretch of time.

Tests of two shares take requests as independent. Those of one pod are not: a pod is ill for some minutes, and
everything it answers then fails together. What a share varies beyond chance is its *overdispersion* (phi of
McCullagh and Nelder 1989, section 4.5): Pearson's statistic over its degrees of freedom. Evidence divided by
it counts only as many requests as these are worth: the likelihood to the power 1 / phi, which for phi >= 1
keeps what an e-process promises of independent requests.

A stretch must be longer than an outage to see that its minutes belong together, and nobody knows how long
outages are. So stretches of several lengths are tried and the largest value counts, where it is more than
chance: batch means of a series whose correlation has an unknown length.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.statistics.means import Sums, meeting

LENGTHS: Final = (1, 5, 15, 30, 60, 120)
"""Minutes of a stretch: from one to longer than the outages that a canary waits out."""
SURELY: Final = 2.0
"""Standard errors above 1 from which a value is more than chance."""


STRETCHES: Final = 8
"""Fewer stretches than this do not tell how much a difference of means varies between them."""
FEWEST: Final = 20
"""Degrees of freedom within the stretches without which their own variance is not known."""
SKEWED: Final = 6.0
"""Excess kurtosis that an error's distribution may have, as an exponential one's: it makes variances vary."""


def overdispersion(requests: NDArray[Any], bad: NDArray[Any]) -> float:
    """The overdispersion of the share of bad requests, at least 1, where 1 is that of independent requests.

    `requests`, `bad`: counts of one side, shape (minutes, pods), with 0 where a pod did not answer. 1 where
    nothing was bad, everything was, or there is too little to tell.
    """
    n, k = (np.asarray(each, dtype=np.float64) for each in (requests, bad))
    total, failed = n.sum(), k.sum()
    if not 0 < failed < total:
        return 1.0
    share = (failed + 0.5) / (total + 1.0)
    return max([1.0, *(_of_stretches(n, k, share, length) for length in LENGTHS if length < len(n))])


def _of_stretches(n: NDArray[np.float64], k: NDArray[np.float64], share: float, length: int) -> float:
    """Pearson's statistic over its degrees of freedom, by pod and stretch; 1 where chance explains it."""
    starts = np.arange(0, len(n), length)
    requests, bad = np.add.reduceat(n, starts, axis=0), np.add.reduceat(k, starts, axis=0)
    cells = int((requests > 0).sum()) - 1
    expected = float((requests * share * (1 - share)).sum())
    if cells < 1 or expected <= 0:
        return 1.0
    value = float(((bad - requests * share) ** 2).sum()) / expected * (cells + 1) / cells
    # Of a variance on that number of cells, and of counts so rare that their own kurtosis is felt.
    error = np.sqrt(2 / cells + 1 / expected)
    return value if value > 1 + SURELY * error else 1.0


def of_requests(rows: float, wrong: float, requests: float, squares: tuple[float, float, float]) -> float:
    """How much more the wrong rows of requests vary than independent rows, at least 1.

    `squares`: sums over the requests of m^2, m k, k^2 for k wrong of m rows. The rows of one request are
    alike, and count together for fewer than they are.
    """
    if requests < STRETCHES or rows == requests or not 0 < wrong < rows:
        return 1.0
    share = (wrong + 0.5) / (rows + 1.0)
    expected = rows * share * (1 - share)
    sizes, both, bad = squares
    value = (bad - 2 * share * both + share**2 * sizes) / expected * requests / (requests - 1)
    return value if value > 1 + SURELY * np.sqrt(2 / requests + 1 / expected) else 1.0


def of_difference(first: Sums, second: Sums) -> float:
    """How much more the difference of two means varies from stretch to stretch than requests' variance says.

    What moves both sides together (the hour of the day) cancels in it; what does not is the trouble of one
    side for some minutes. Stretches of 1, 2, 4, ... blocks are tried, the largest value counts; at least 1.
    """
    edges = meeting(first.rows, second.rows)
    first, second = first.over(edges), second.over(edges)
    found, length = [1.0], 1
    while len(first.rows) // length >= STRETCHES:
        cuts = np.arange(0, len(first.rows) + 1, length)
        found.append(_of_means(first.over(cuts), second.over(cuts)))
        length *= 2
    return max(found)


def _of_means(first: Sums, second: Sums) -> float:
    """The variance of the difference over stretches by what is expected of it; 1 where chance explains it."""
    sides = (first, second)
    freedom = [float((side.rows - 1).sum()) for side in sides]
    if min(freedom) < FEWEST:
        return 1.0
    within = [
        max(float((side.squares - side.total**2 / side.rows).sum()), 0.0) / free
        for side, free in zip(sides, freedom, strict=True)
    ]
    expected = within[0] / first.rows + within[1] / second.rows
    if not expected.all():
        return 1.0
    apart = second.total / second.rows - first.total / first.rows
    centre = float((apart / expected).sum() / (1 / expected).sum())
    cells = len(apart)
    value = float(((apart - centre) ** 2 / expected).sum()) / (cells - 1)
    error = np.sqrt((2 + SKEWED / float(second.rows.mean())) / cells)
    return value if value > 1 + SURELY * error else 1.0
