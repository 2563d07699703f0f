"""What a statistic must bring to decide: an index of two count vectors, its law without drift, and its size.

An index alone decides nothing: it needs a law that says how large it gets by chance and by overdispersion,
and an interval that says how large the shift itself is. Whoever adds one writes these three in a module of
its own, its thresholds in `judging.policy`, and simulates its error rates (`benchmarks/drift_statistics.py`).
What only informs is a finding of `quality` and needs none of this.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.statistics import intervals, null
from driftlead_drift.statistics.dependence import Component
from driftlead_drift.statistics.intervals import Size
from driftlead_drift.statistics.null import Null
from driftlead_drift.statistics.psi import Psi, psi


class Index(Protocol):
    """How far two count vectors lie apart."""

    @property
    def value(self) -> float:
        """0 where both have the same shares."""

    @property
    def contribution(self) -> NDArray[np.float64]:
        """Each bin's part, shape (bins,); they sum to `value`."""

    @property
    def occupied(self) -> int:
        """Bins that hold any row."""

    @property
    def freedom(self) -> int:
        """Degrees of freedom."""

    @property
    def noise(self) -> float:
        """1/n + 1/m of the rows of both sides; infinite when a side has none."""


class Statistic(Protocol):
    """A statistic that may decide. `name`: in documents; `title`: in sentences."""

    name: str
    title: str

    def index(self, reference: NDArray[Any], window: NDArray[Any], open_bins: Collection[int] = ()) -> Index:
        """How far apart; `open_bins`: those that only the window can fill."""

    def law(self, index: Any, between: Component | None = None) -> Null:
        """How large this index gets without drift, by chance and by the variance `between` periods."""

    def size(self, index: Any, law: Null, confidence: float) -> Size:
        """How large the shift itself is, less what chance adds, with an interval."""


class PopulationStability:
    """The population stability index."""

    name = "psi"
    title = "PSI"

    def index(self, reference: NDArray[Any], window: NDArray[Any], open_bins: Collection[int] = ()) -> Psi:
        """`psi.psi`, with its smoothing."""
        return psi(reference, window, open_bins=open_bins)

    def law(self, index: Psi, between: Component | None = None) -> Null:
        """`null.null_law`."""
        return null.null_law(index, between)

    def size(self, index: Psi, law: Null, confidence: float) -> Size:
        """`intervals.size`, widened by what its local approximation lacks."""
        return intervals.size(index.value, law, confidence, intervals.excess_of(index))
