"""Which bins a feature gets, from the reference's values: deciles, points, categories."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline.binning import (
    FeatureBins,
    Floats,
    Kind,
    Scanner,
    category_text,
    is_missing,
    to_float32,
)

MAX_POINTS: Final = 20  # up to this number of distinct values are told apart one by one
MAX_CATEGORIES: Final = 50  # rarer categories are counted together in OTHER
QUANTILES: Final = 10  # deciles: enough shape, and enough rows in each bin
LOSSY: Final = 0.01  # share of distinct values lost to float32 that is worth a note
SPIKE: Final = 0.10  # a value with this share of the rows has a bin of its own


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
    column = to_float32(wide)
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


def _wide(values: NDArray[Any]) -> Floats:
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    return np.asarray([math.nan if is_missing(v) else float(v) for v in values.tolist()], dtype=np.float64)
