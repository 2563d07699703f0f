"""Histograms of traffic per minute: what a row of `drift_hist` means. Pure.

A count vector is packed as zlib of little-endian int64, and vectors add up bin by bin over pods and minutes
of one baseline (`baseline_sha`). `features` is one vector per feature, one after another, `prediction` one
vector; both in the layout of `baseline.binning`, empty without a baseline. `latency` is three vectors over
`LATENCY_EDGES_MS` of requests: answered ones, then failed with 4xx, then with 5xx.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline import Baseline

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Four bins per doubling from 0.01 ms to 168 s. Bin 0 lies below the first edge, bin i holds
#: `edges[i - 1] <= latency < edges[i]`, the last bin has no end.
LATENCY_EDGES_MS: Final[Floats] = 0.01 * 2.0 ** (np.arange(97) / 4)
LATENCY_BINS: Final = len(LATENCY_EDGES_MS) + 1
CLASSES: Final = (2, 4, 5)  # status classes, in the order of the latency vectors


@dataclass
class Counts:
    """What was counted in one minute of one spool: `features` and `prediction` flat, `latency` (3, bins).

    `rows` are predictions, `requests` the requests that were answered with them; the failed ones have no row.
    """

    rows: int = 0
    requests: int = 0
    failed_4xx: int = 0
    failed_5xx: int = 0
    features: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    prediction: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    latency: Ints = field(default_factory=lambda: np.zeros((len(CLASSES), LATENCY_BINS), dtype=np.int64))

    def add(self, other: "Counts") -> None:
        """Adds counts of the same baseline. Raises ValueError when the bins are others."""
        self.rows += other.rows
        self.requests += other.requests
        self.failed_4xx += other.failed_4xx
        self.failed_5xx += other.failed_5xx
        self.features = _sum(self.features, other.features)
        self.prediction = _sum(self.prediction, other.prediction)
        self.latency = self.latency + other.latency


def by_feature(features: Ints, baseline: Baseline) -> list[Ints]:
    """Flat `features` as one count vector per feature. Raises ValueError when the bins are not the
    baseline's."""
    sizes = [bins.bin_count for bins in baseline.features]
    if sum(sizes) != len(features):
        raise ValueError(f"the histogram has {len(features)} bins, the baseline {sum(sizes)}")
    return np.split(features, np.cumsum(sizes)[:-1]) if sizes else []


def pack(counts: Ints) -> bytes:
    """A count vector as it is stored."""
    return zlib.compress(np.ascontiguousarray(counts, dtype="<i8").tobytes(), 1)


def unpack(stored: bytes) -> Ints:
    """A stored count vector, shape (bins,)."""
    return np.frombuffer(zlib.decompress(stored), dtype="<i8").astype(np.int64)


def unpack_latency(stored: bytes) -> Ints:
    """Stored latency counts, shape (3, LATENCY_BINS)."""
    return unpack(stored).reshape(len(CLASSES), LATENCY_BINS)


def latency_counts(latency_ms: Sequence[float] | Floats) -> Ints:
    """Count vector of latencies in milliseconds, shape (LATENCY_BINS,); NaN counts in the last bin."""
    places = np.searchsorted(LATENCY_EDGES_MS, np.asarray(latency_ms, dtype=np.float64), side="right")
    return np.bincount(places, minlength=LATENCY_BINS).astype(np.int64)


def latency_quantile(counts: Ints, level: float) -> float:
    """The latency in milliseconds below which this share of a count vector lies; NaN where it is empty.

    Within a bin latencies are taken to be spread evenly by their logarithm; the last one has no end.
    """
    reached = np.cumsum(counts)
    if not len(reached) or reached[-1] == 0:
        return float("nan")
    rank = level * float(reached[-1])
    place = int(np.searchsorted(reached, rank))
    low, high = (float(LATENCY_EDGES_MS[min(max(at, 0), LATENCY_BINS - 2)]) for at in (place - 1, place))
    within = (rank - float(reached[place] - counts[place])) / float(counts[place])
    return float(low * (high / low) ** within)


def _sum(a: Ints, b: Ints) -> Ints:
    if not len(a) or not len(b):
        return a if len(a) else b
    return a + b
