"""Batches of rows added up in a baseline's bins, by stretches of the window where rows carry times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.facts import Stretches
from driftlead_formats.baseline import Baseline

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A window in the baseline's bins.

    `features`: one int64 count vector for each feature; `prediction`: the same for the model's answers, None
    where the baseline has none. `rows`: counted; `scanned`: rows that the window has; `every`: each k-th row
    was taken. `path`: how they were read: json, packed, histograms, or several of them. `stretches`: the same
    counts by time.
    """

    features: Sequence[Ints]
    prediction: Ints | None
    rows: int
    scanned: int
    every: int = 1
    path: str = "json"
    stretches: Stretches | None = None


class Counter:
    """Adds up batches of rows. `edges`: of stretches of time; without, there is a single one."""

    def __init__(self, baseline: Baseline, edges: Floats | None = None) -> None:
        self.baseline = baseline
        self._edges = np.array([-np.inf, np.inf]) if edges is None else edges
        count = len(self._edges) - 1
        self._features = [np.zeros((count, bins.bin_count), dtype=np.int64) for bins in baseline.features]
        outputs = baseline.prediction
        self._prediction = None if outputs is None else np.zeros((count, outputs.bin_count), dtype=np.int64)
        self._rows = np.zeros(count, dtype=np.int64)

    @property
    def features(self) -> list[Ints]:
        """One count vector for each feature."""
        return [counts.sum(axis=0) for counts in self._features]

    @property
    def prediction(self) -> Ints | None:
        """The predictions' count vector, None where the baseline has none."""
        return None if self._prediction is None else self._prediction.sum(axis=0)

    @property
    def rows(self) -> int:
        """Rows that were counted."""
        return int(self._rows.sum())

    @property
    def stretches(self) -> Stretches | None:
        """The same counts by time; None without times."""
        if len(self._rows) < 2:
            return None
        return Stretches(
            edges=self._edges, rows=self._rows, features=self._features, prediction=self._prediction
        )

    def add(
        self, matrix: NDArray[np.float32], predictions: NDArray[Any], seconds: Floats | None = None
    ) -> None:
        """Counts rows of coded features, shape (n, features), their predictions and times, shape (n,)."""
        places = None if seconds is None or len(self._rows) == 1 else self.place(seconds)
        first = 0 if places is None else int(places.min(initial=len(self._rows) - 1))
        last = first if places is None else int(places.max(initial=0))
        if places is None or first >= last:
            answers = self.baseline.count_prediction(predictions)
            self.add_counts(self.baseline.count(matrix), answers, len(matrix), first)
            return
        groups, number = places - first, last - first + 1
        features = self.baseline.count_by(matrix, groups, number)
        by_group = self.baseline.count_prediction_by(predictions, groups, number)
        rows = np.bincount(groups, minlength=number)
        for at in range(number):
            answers = None if by_group is None else by_group[at]
            self.add_counts([counts[at] for counts in features], answers, int(rows[at]), first + at)

    def add_counts(
        self, features: Sequence[Ints], prediction: Ints | None, rows: int, place: int = 0
    ) -> None:
        """Adds vectors that were counted elsewhere to the stretch at `place`."""
        for total, part in zip(self._features, features, strict=True):
            total[place] += part
        if self._prediction is not None and prediction is not None:
            self._prediction[place] += prediction
        self._rows[place] += rows

    def place(self, seconds: Any) -> NDArray[np.intp]:
        """The stretch of each time; what lies outside of all belongs to the first or the last."""
        inner: NDArray[np.intp] = np.searchsorted(self._edges[1:-1], seconds, side="right")
        return inner

    def counts(self, *, scanned: int, every: int, path: str) -> Counts:
        """What was added so far."""
        return Counts(
            features=self.features,
            prediction=self.prediction,
            rows=self.rows,
            scanned=scanned,
            every=every,
            path=path,
            stretches=self.stretches,
        )
