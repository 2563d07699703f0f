"""Which rows' times belong together: one stray time must not decide how long a period is. Pure.

A window is as long as its first and last time say, and so one row of another day made a season of a weekend;
in training one row of 1970 made half a million blocks by the hour.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TAIL: Final = 0.01  # share of rows at either end that may be strays
FEWEST: Final = 20  # rows below which nothing says what is usual
APART: Final = 0.25  # of the bulk's own length: a larger gap sets a row at the end apart


def in_bulk(seconds: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows are not strays, shape (n,); rows without a time (NaN) are not in it.

    The bulk are all but a hundredth of the rows at either end, and whatever follows on it without a gap of a
    quarter of its length.
    """
    known: NDArray[np.bool_] = np.isfinite(seconds)
    ordered = np.sort(seconds[known])
    count = len(ordered)
    if count < FEWEST:
        return known
    tail = max(1, int(count * TAIL))
    low, high = tail, count - 1 - tail
    gap = APART * float(ordered[high] - ordered[low])
    if gap == 0:
        return known
    apart = np.diff(ordered) > gap
    before, after = np.flatnonzero(apart[:low]), np.flatnonzero(apart[high:])
    first = ordered[before[-1] + 1] if len(before) else ordered[0]
    last = ordered[high + after[0]] if len(after) else ordered[-1]
    inside: NDArray[np.bool_] = known & (seconds >= first) & (seconds <= last)
    return inside
