"""Into which stretches a window's time is cut. Pure."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.durations import DAY, ROUND_LENGTHS

MOST: Final = 48
FEWEST: Final = 8  # with fewer one cannot see when
ROWS: Final = 100  # in the mean stretch, where the window has as many


def edges(first: float, last: float, rows: int, shortest: float = 0.0) -> NDArray[np.float64] | None:
    """The stretches' edges in epoch seconds, aligned to the clock: the first row's to the last one's.

    `rows`: of the window, of which a stretch needs some to say anything. `shortest`: what times are rounded
    to. None where that leaves a single stretch.
    """
    most = int(np.clip(rows // ROWS, FEWEST, MOST))
    for length in ROUND_LENGTHS:
        unit = min(length, DAY)
        start = first // unit * unit
        count = int((last - start) // length) + 1
        if length >= shortest and count <= most:
            return start + length * np.arange(count + 1, dtype=np.float64) if count > 1 else None
    return np.linspace(first, np.nextafter(last, np.inf), most + 1)
