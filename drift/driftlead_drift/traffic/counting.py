"""Batches of rows added up in a baseline's bins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline import Baseline

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A window in the baseline's bins.

    `features`: one int64 count vector for each feature; `prediction`: the same for the model's answers, None
    where the baseline has none. `rows`: counted; `scanned`: rows that the window has; `every`: each k-th row
    was taken. `path`: how they were read: json, packed, histograms, or several of them.
    """

    features: Sequence[Ints]
    prediction: Ints | None
    rows: int
    scanned: int
    every: int = 1
    path: str = "json"


class Counter:
    """Adds up batches of rows."""

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline
        self.features = [np.zeros(bins.bin_count, dtype=np.int64) for bins in baseline.features]
        outputs = baseline.prediction
        self.prediction = None if outputs is None else np.zeros(outputs.bin_count, dtype=np.int64)
        self.rows = 0

    def add(self, matrix: NDArray[np.float32], predictions: NDArray[Any]) -> None:
        """Counts rows of coded features, shape (n, features), and their predictions, shape (n,)."""
        answers = self.baseline.count_prediction(predictions)
        self.add_counts(self.baseline.count(matrix), answers, len(matrix))

    def add_counts(self, features: Sequence[Ints], prediction: Ints | None, rows: int) -> None:
        """Adds vectors that were counted elsewhere."""
        self.features = [total + part for total, part in zip(self.features, features, strict=True)]
        if self.prediction is not None and prediction is not None:
            self.prediction = self.prediction + prediction
        self.rows += rows

    def counts(self, *, scanned: int, every: int, path: str) -> Counts:
        """What was added so far."""
        return Counts(
            features=self.features,
            prediction=self.prediction,
            rows=self.rows,
            scanned=scanned,
            every=every,
            path=path,
        )
