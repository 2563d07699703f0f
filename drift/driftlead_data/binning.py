"""Frozen bins: how a value of a feature becomes a count, the same in the server, the log and the check.

Layout of a count vector, fixed because histograms in Postgres are stored in it:

- numeric and boolean: ``[UNDER, interior..., OVER, MISSING, OTHER]``
- categorical: ``[category..., MISSING, OTHER]``

UNDER and OVER lie beyond the reference's extremes. MISSING holds null, NaN, infinities and values of a wrong
type.
OTHER holds unseen categories and, where the reference knew only a few values (``points``), values in between.
Every value is cast to float32 before it is compared, so that a float32 copy of the data counts the same.
An interior bin holds ``edges[i] <= x < edges[i + 1]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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

MAX_POINTS: Final = 20  # so many distinct values or fewer are told apart one by one
MAX_CATEGORIES: Final = 50  # rarer categories are counted together in OTHER
QUANTILES: Final = 10  # deciles: enough shape, and enough rows in each bin
LOSSY: Final = 0.01  # so many distinct values lost to float32 are worth a word
SPIKE: Final = 0.10  # a value with this share of the rows has a bin of its own
_SMALL: Final = 4096  # rows up to which one broadcast compare beats a loop over edges
_CHUNK: Final = 16_384  # rows compared at a time: they stay in the processor's cache
_FLOOR: Final = np.float32(np.finfo(np.float32).min)


@dataclass(frozen=True)
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
        return {text: code for code, text in enumerate(self.categories)}

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


def bin_feature(name: str, values: NDArray[Any], *, calendar: bool = False) -> FeatureBins:
    """Choose the bins of one column from the reference and count it.

    Numbers: deciles with ties merged; a value with a tenth of the rows has its own bin; at most 20 distinct
    values are told apart one by one. Text: the 50 most frequent categories. Raises ValueError for times and
    nested values.
    """
    kind = kind_of(name, values)
    if kind == "categorical":
        return _categorical(name, values, calendar=calendar)
    wide = _wide(values)
    column = wide.astype(np.float32)
    finite = column[np.isfinite(column)]
    distinct, counts = np.unique(finite, return_counts=True)
    exact = np.unique(wide[np.isfinite(wide)])
    merged = len(exact) - len(distinct)
    lossy = merged > LOSSY * len(exact)
    if merged and len(exact) <= MAX_POINTS:
        coded = _categorical(name, wide, calendar=calendar)  # codes keep what float32 would merge
        return replace(coded, typical=float(exact[len(exact) // 2]))
    points = _points(kind, distinct, counts)
    bins = FeatureBins(
        name=name,
        kind=kind,
        counts=np.zeros(0, dtype=np.int64),
        edges=np.empty(0) if points else choose_edges(distinct, counts),
        points=points,
        calendar=calendar,
        lossy=lossy,
        minimum=float(distinct[0]) if len(distinct) else None,
        maximum=float(distinct[-1]) if len(distinct) else None,
        typical=float(distinct[np.searchsorted(np.cumsum(counts), counts.sum() / 2)])
        if len(distinct)
        else None,
    )
    return counted(bins, column)


def counted(bins: FeatureBins, column: NDArray[Any]) -> FeatureBins:
    """The same bins with the counts of `column` (numbers or codes, shape (n,))."""
    return replace(bins, counts=Scanner([bins]).count(column.reshape(-1, 1))[0])


def choose_edges(distinct: NDArray[np.float32], counts: NDArray[Any]) -> Floats:
    """Interior edges of a continuous feature: deciles, and a bin of its own for each spike.

    `distinct`: rising values of the reference, `counts`: their rows. An edge lies in the middle between two
    neighbouring values, so that no value of the reference lies on an edge unless the two are adjacent floats.
    """
    if not len(distinct):
        return np.empty(0)
    total = int(counts.sum())
    spikes = np.flatnonzero(counts >= SPIKE * total)
    # An edge "below value k" is stored as k.
    starts = {int(s) for s in spikes} | {int(s) + 1 for s in spikes}
    rest = np.where(counts >= SPIKE * total, 0, counts)
    if rest.any():
        share = np.cumsum(rest) / rest.sum()
        parts = max(2, round(QUANTILES * float(rest.sum()) / total))
        starts |= {int(np.searchsorted(share, k / parts)) + 1 for k in range(1, parts)}
    inner = [_between(distinct[k - 1], distinct[k]) for k in sorted(starts) if 0 < k < len(distinct)]
    top = np.nextafter(distinct[-1], np.float32(np.inf))
    return np.asarray([distinct[0], *inner, top], dtype=np.float64)


def _between(low: np.float32, high: np.float32) -> float:
    middle = np.float32((float(low) + float(high)) / 2)
    return float(middle if middle > low else high)


def _points(kind: Kind, distinct: NDArray[np.float32], counts: NDArray[Any]) -> tuple[float, ...]:
    if kind == "boolean":
        return (0.0, 1.0)
    # Two values seen only once say that more values are to come (Good and Turing: the unseen mass is the
    # share of singletons), and what comes in between must not be taken for something new.
    closed = np.count_nonzero(counts == 1) <= 1
    return tuple(float(d) for d in distinct) if 0 < len(distinct) <= MAX_POINTS and closed else ()


def _categorical(name: str, values: NDArray[Any], *, calendar: bool) -> FeatureBins:
    texts = [category_text(v) for v in values.tolist()]
    tally: dict[str, int] = {}
    for text in texts:
        if text is not None:
            tally[text] = tally.get(text, 0) + 1
    ranked = sorted(tally, key=lambda t: (-tally[t], t))
    # A text seen once among hundreds is an identifier, not a category.
    kept = tuple(sorted(t for t in ranked[:MAX_CATEGORIES] if tally[t] > 1 or len(tally) <= MAX_POINTS))
    missing = sum(t is None for t in texts)
    counts = [tally[t] for t in kept]
    return FeatureBins(
        name=name,
        kind="categorical",
        counts=np.asarray([*counts, missing, len(texts) - missing - sum(counts)], dtype=np.int64),
        categories=kept,
        calendar=calendar,
        typical=ranked[0] if ranked else None,
    )


def kind_of(name: str, values: NDArray[Any]) -> Kind:
    """Numeric, boolean or categorical, by dtype, else by the values. Raises ValueError for what is none of
    these."""
    code = values.dtype.kind
    if code in "fiu":
        return "numeric"
    if code == "b":
        return "boolean"
    if code in "USO":
        present = [v for v in values.tolist() if not is_missing(v)]
        if present and all(isinstance(v, bool | np.bool_) for v in present):
            return "boolean"
        if all(isinstance(v, int | float | np.number) for v in present):
            return "numeric"
        if all(isinstance(v, str | bytes | int | float | bool | np.generic) for v in present):
            return "categorical"
    raise ValueError(
        f"feature '{name}' holds {values.dtype} values, which are neither numbers, truth values nor text: "
        "derive such features from it, or leave the column out"
    )


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
        return value.decode("utf-8", "backslashreplace")
    return str(value)


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


def _wide(values: NDArray[Any]) -> Floats:
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    return np.asarray([math.nan if is_missing(v) else float(v) for v in values.tolist()], dtype=np.float64)


def _number(value: float) -> str:
    return f"{value:.6g}"
