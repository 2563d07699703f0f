"""Many features at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def adjust(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Benjamini and Hochberg's (1995) adjusted p-values, in the order given.

    A feature whose value is at most q is called changed: among those so called at most the share q is wrong
    on average, and when nothing drifted the chance of calling any is at most q.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not len(p):
        return p
    order = np.argsort(p, kind="stable")
    stepped = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(stepped[::-1])[::-1])
    return adjusted
