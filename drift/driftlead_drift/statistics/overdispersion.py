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

LENGTHS: Final = (1, 5, 15, 30, 60, 120)
"""Minutes of a stretch: from one to longer than the outages that a canary waits out."""
SURELY: Final = 2.0
"""Standard errors above 1 from which a value is more than chance."""


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
