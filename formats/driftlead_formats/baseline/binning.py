"""Frozen bins: how a value of a feature becomes a count, the same in the server, the log and the check.

Layout of a count vector, fixed because histograms in Postgres are stored in it:

- numeric and boolean: ``[UNDER, interior..., OVER, MISSING, OTHER]``
- categorical: ``[category..., MISSING, OTHER]``

UNDER and OVER lie beyond the reference's extremes. MISSING holds null, NaN, infinities and wrong types.
OTHER holds unseen categories and, where the reference knew only a few values (``points``), values in between.
Every value is cast to float32 before it is compared, so that a float32 copy of the data counts the same.
An interior bin holds ``edges[i] <= x < edges[i + 1]``.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["numeric", "categorical", "boolean"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MISSING: Final = "MISSING"
OTHER: Final = "OTHER"
UNDER: Final = "UNDER"
OVER: Final = "OVER"

_SMALL: Final = 1024  # rows up to which one broadcast compare beats a loop over edges
_RUN: Final = 256  # rows of one group from which counting it by itself is the faster way
_CHUNK: Final = 16_384  # rows compared at a time: they stay in the processor's cache
_LAST: Final = frozenset("0123456789")
WHOLE: Final = re.compile(r"-?(0|[1-9]\d*)(\.0+|(\.\d+)?[eE][+-]?\d{1,2})")
EXACT: Final = 2.0**53  # whole numbers up to here are themselves in a float
_FLOOR: Final = np.float32(np.finfo(np.float32).min)


@dataclass(frozen=True, eq=False)
class FeatureBins:
    """The bins of one feature and the reference's counts in them.

    `edges`: float64, strictly rising, every one a float32 value; the first is the reference's minimum, the
    last is just above its maximum. Empty where `points` or `categories` say what is told apart.
    `points`: the few values that the reference knew, rising (a boolean has 0 and 1).
    `counts`: int64, one for each bin in the module's layout.
    `calendar`: moves with the date by its nature (month, week): reported, never decides.
    `lossy`: more than one in a hundred distinct values is one that float32 cannot tell from another; they
    were counted together.
    `minimum`, `maximum`: of the reference, None where there is no finite value.
    `typical`: a value of the reference near its middle (median or most frequent category), None if all are
    missing.
    """

    name: str
    kind: Kind
    counts: Ints
    edges: Floats = field(default_factory=lambda: np.empty(0))
    points: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    calendar: bool = False
    lossy: bool = False
    minimum: float | None = None
    maximum: float | None = None
    typical: float | str | None = None

    @property
    def interior(self) -> int:
        """Number of interior bins (or categories)."""
        if self.kind == "categorical":
            return len(self.categories)
        return len(self.points) if self.points else max(len(self.edges) - 1, 0)

    @property
    def bin_count(self) -> int:
        """Length of a count vector of this feature."""
        return self.interior + (2 if self.kind == "categorical" else 4)

    @property
    def missing_bin(self) -> int:
        """Index of MISSING in a count vector."""
        return self.bin_count - 2

    @property
    def open_bins(self) -> tuple[int, ...]:
        """Bins that the reference left empty by construction: beyond its extremes, and what it never saw."""
        ends = () if self.kind == "categorical" else (0, self.interior + 1)
        unseen = self.missing_bin + 1
        known = self.kind == "categorical" or bool(self.points)
        return (*ends, unseen) if known and self.counts[unseen] == 0 else ends

    @property
    def ends(self) -> tuple[int, ...]:
        """The interior bins beside UNDER and OVER."""
        return () if self.kind == "categorical" or not self.interior else (1, self.interior)

    @property
    def missing(self) -> int:
        """Reference rows without a value."""
        return int(self.counts[self.missing_bin])

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What to call each bin in words, in the layout's order."""
        if self.kind == "categorical":
            return (*self.categories, MISSING, OTHER)
        if self.points:
            inner = tuple(_number(p) for p in self.points)
        else:
            inner = tuple(
                f"{_number(a)} to {_number(b)}" for a, b in zip(self.edges, self.edges[1:], strict=False)
            )
        return (UNDER, *inner, OVER, MISSING, OTHER)

    @cached_property
    def _code_of(self) -> Mapping[str, int]:
        return {canonical(text): code for code, text in enumerate(self.categories)}

    def code(self, value: object) -> float:
        """Turn a JSON value into what `Baseline.count` takes: a number, a category's index, NaN for missing.

        An unseen category becomes the index after the last. A numeric feature's text is missing (wrong type).
        """
        if self.kind == "categorical":
            text = category_text(value)
            return math.nan if text is None else float(self._code_of.get(text, len(self.categories)))
        if not isinstance(value, int | float | np.number | np.bool_):
            return math.nan
        try:
            return float(value)
        except OverflowError:  # an integer beyond any float
            return math.inf

    def codes(self, values: Sequence[object] | NDArray[Any]) -> NDArray[np.float32]:
        """`code` of a whole column, shape (n,), float32."""
        array = np.asarray(values)
        if self.kind != "categorical" and array.dtype.kind in "fiub":
            return to_float32(array)
        return to_float32(np.asarray([self.code(value) for value in array.tolist()], dtype=np.float64))

    def scan(self) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Thresholds in rising order, and the bin of each of the `len + 1` regions between them.

        Region 0 is what no threshold reaches: NaN and minus infinity; the last is plus infinity.
        """
        missing, other = self.missing_bin, self.missing_bin + 1
        if self.kind == "categorical":
            points: Sequence[float] = range(len(self.categories))
            low, high, first = other, other, 0
        else:
            points = self.points
            low, high, first = 0, self.interior + 1, 1
        if points or self.kind == "categorical":
            inner = np.asarray(points, dtype=np.float32)
            thresholds = np.column_stack([inner, np.nextafter(inner, np.float32(np.inf))]).ravel()
            bins = [b for i in range(len(inner)) for b in (first + i, other)][:-1]
            regions = [low, *bins, high] if len(inner) else [other]
        else:
            thresholds = self.edges.astype(np.float32)
            regions = [low, *range(first, first + self.interior), high] if len(thresholds) else [high]
        return (
            np.concatenate([[_FLOOR], thresholds, [np.float32(np.inf)]]).astype(np.float32),
            np.asarray([missing, *regions, missing], dtype=np.intp),
        )


class Scanner:
    """Counts many features at once; built once for a baseline, then called for every batch."""

    def __init__(self, features: Sequence[FeatureBins]) -> None:
        scans = [f.scan() for f in features]
        width = max((len(t) for t, _ in scans), default=0)
        self._sizes = [f.bin_count for f in features]
        self._offsets = np.concatenate([[0], np.cumsum(self._sizes)]).astype(np.intp)
        self._thresholds = np.full((len(scans), width), np.inf, dtype=np.float32)
        # Padding repeats the threshold +inf: its regions are empty but for the last, which is missing too.
        self._target = np.empty((len(scans), width + 1), dtype=np.intp)
        for i, (thresholds, regions) in enumerate(scans):
            self._thresholds[i, : len(thresholds)] = thresholds
            self._target[i] = regions[-1] + self._offsets[i]
            self._target[i, : len(regions)] = regions + self._offsets[i]

    def count(self, rows: NDArray[Any]) -> list[Ints]:
        """Count vectors, one for each feature, of `rows`: shape (n, features), cast to float32.

        Raises ValueError when the width is another.
        """
        x = to_float32(rows)
        if x.ndim != 2 or x.shape[1] != len(self._sizes):
            raise ValueError(f"rows have the shape {x.shape}, the bins are for (n, {len(self._sizes)})")
        above = self._above(x)
        ends = np.zeros((len(self._sizes), 1), dtype=np.int64)
        cumulated = np.concatenate([ends + len(x), above, ends], axis=1)
        flat = np.zeros(int(self._offsets[-1]), dtype=np.int64)
        np.add.at(flat, self._target.ravel(), (cumulated[:, :-1] - cumulated[:, 1:]).ravel())
        return [flat[a:b] for a, b in zip(self._offsets, self._offsets[1:], strict=False)]

    def count_by(self, rows: NDArray[Any], groups: NDArray[Any], number: int) -> list[Ints]:
        """`count` of each of `number` groups of rows: (number, bins) for each feature.

        `groups`: shape (n,), 0 to less than `number`. Long runs of one group, as rows in order of time are,
        are counted one by one, mixed rows in one pass.
        """
        x = to_float32(np.asarray(rows)).reshape(len(rows), len(self._sizes))
        if len(x) >= _RUN * number and bool((groups[1:] >= groups[:-1]).all()):
            edges = np.searchsorted(groups, np.arange(number + 1))
            runs = [self.count(x[a:b]) for a, b in itertools.pairwise(edges.tolist())]
            return [np.stack(each) for each in zip(*runs, strict=True)]
        flat = np.zeros((number, int(self._offsets[-1])), dtype=np.int64)
        regions = self._target.shape[1]
        for start in range(0, len(x), _CHUNK):
            columns = np.ascontiguousarray(x[start : start + _CHUNK].T)
            first = groups[start : start + _CHUNK].astype(np.intp) * regions
            for i, column in enumerate(columns):
                # The region of a value is the number of thresholds that it reaches.
                region: NDArray[Any] = np.zeros(len(column), dtype=np.uint8 if regions <= 256 else np.uint32)
                for threshold in self._thresholds[i]:
                    reached = column >= threshold
                    if not reached.any():
                        break
                    region += reached.view(np.uint8)
                counts = np.bincount(first + region, minlength=number * regions).reshape(number, regions)
                np.add.at(flat.T, self._target[i], counts.T)
        return [flat[:, a:b] for a, b in zip(self._offsets, self._offsets[1:], strict=False)]

    def _above(self, x: NDArray[np.float32]) -> Ints:
        """How many rows reach each threshold: shape (features, thresholds)."""
        if len(x) <= _SMALL:
            reached: Ints = np.count_nonzero(x[:, :, None] >= self._thresholds, axis=0).astype(np.int64)
            return reached
        total = np.zeros(self._thresholds.shape, dtype=np.int64)
        for start in range(0, len(x), _CHUNK):
            columns = np.ascontiguousarray(x[start : start + _CHUNK].T)
            for i, column in enumerate(columns):
                for j, threshold in enumerate(self._thresholds[i]):
                    reach = np.count_nonzero(column >= threshold)
                    if not reach:
                        break
                    total[i, j] += reach
        return total


def category_text(value: object) -> str | None:
    """The text by which a category is known, None for a missing value; 1, 1.0 and "1" are the same
    category."""
    if is_missing(value):
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return canonical(str(value))


def canonical(text: str) -> str:
    """A whole number's text without a fraction or an exponent, all other text as it is.

    A column with one null is written as 20240101.0 by pandas.
    """
    if text[-1:] not in _LAST or not WHOLE.fullmatch(text):
        return text
    value = float(text)
    return str(int(value)) if value.is_integer() and abs(value) < EXACT else text


def is_missing(value: object) -> bool:
    """None, NaN, an infinity, pandas' NA and NaT."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return not math.isfinite(value)
    return type(value).__name__ in ("NAType", "NaTType")


def to_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Cast for comparing; what float32 cannot hold becomes an infinity and so MISSING, quietly."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32, copy=False)


def _number(value: float) -> str:
    return f"{value:.6g}"
