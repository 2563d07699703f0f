"""Rows on which ONNX Runtime must repeat scikit-learn before it may serve. Deterministic; no I/O.

Clean rows prove little: on real flights a forest that agreed on thousands of them gave 518 wrong answers of
28,485 once values were missing. So the rows hold every split threshold and its neighbours (in float32 and in
float64), every feature missing that may be, alone and together, large whole numbers, tiny and huge ones.

Each row has every feature, so what is bounded is cells, not rows. What proves most comes first: a model too
wide for each of its thresholds and nulls to stand in some row is not converted; what is left of the bound is
shared out among rows that prove the same once more.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline.binning import to_float32
from driftlead_inference.engines.onnx.trees import trees_of
from driftlead_inference.rows.signature import Feature
from driftlead_inference.rows.validation import RowValidator

Matrix = NDArray[np.float64]
EDGES = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, -1e-40, 1e-6, 100.0, -100.0, 1e6, -1e6,
    2.0**24 - 1, 2.0**24, 2.0**24 + 1, 2.0**53, -(2.0**31), 1e30, -1e30, 3.4e38, 1e300, -1e300,
)  # fmt: skip
RANDOM_ROWS = 2000
MOST_ROWS = 60_000  # that hold thresholds
NULL_ROWS = 500
SINGLE_ROWS = 300  # a feature
MOST_CELLS = 8_000_000  # numbers in all rows: 64 MB
MOST_NODES = 600_000  # of trees; the converter takes 1 KB and some 50 us for each
LEAST_ROWS = 500  # fewer prove nothing


class NotConvertible(Exception):  # noqa: N818 - what is not known, in a sentence
    """Nothing converts the model, or its thresholds cannot be traced back to its features."""


def reference_rows(
    estimator: Any,
    validator: RowValidator,
    example: Sequence[Any],
    typical: Iterable[Matrix] = (),
    *,
    inner: int = 1,
) -> Matrix:
    """The rows, (n, features), only those that the validator lets through.

    `typical`: for each feature, values of its baseline; `inner`: the most numbers that a row becomes on its
    way through the model. Raises `NotConvertible`.
    """
    rng = np.random.default_rng(20130101)
    width = validator.width
    base = np.array([example], dtype=np.float64)
    base = np.where(np.isnan(base), 0.0, base)
    cuts = thresholds(estimator, width)
    known = list(typical) or [np.empty(0)] * width
    values = [
        interesting(np.concatenate([cuts[at], known[at]]), feature, validator.largest)
        for at, feature in enumerate(validator.signature.features)
    ]
    longest = min(max(len(each) for each in values), MOST_ROWS)
    room = room_for(max(width, inner), longest, len(validator.accepts_missing))
    rows = [
        base,
        np.zeros((1, width)),
        mixed(values, longest, rng),
        *single(base, values, min(SINGLE_ROWS, room // 2 // width)),
        *scattered(base, values, min(RANDOM_ROWS, room // 8), rng),
    ]
    filled = whole(np.concatenate(rows), validator)
    parts = [filled, *nulls(base, filled, validator, room // 4, rng)]
    return np.concatenate([fitting(part, validator) for part in parts])


def room_for(size: int, longest: int, nulls: int) -> int:
    """How many rows of a size may follow those that must be: of each threshold and of each null. Raises
    `NotConvertible`."""
    most = MOST_CELLS // size
    needed = max(longest + nulls, LEAST_ROWS)
    if needed > most:
        raise NotConvertible(
            f"too wide to verify, {needed:,} rows of {size:,} numbers are needed and {most:,} may be tried"
        )
    return most - longest - nulls


def fitting(rows: Matrix, validator: RowValidator) -> Matrix:
    """The rows that the validator lets through."""
    fit = ~validator.unfit(rows, to_float32(rows)).any(axis=1)
    return rows if fit.all() else rows[fit]


def interesting(cuts: Matrix, feature: Feature, largest: float) -> Matrix:
    """Values at and next to each cut, and the edges of number formats, as far as a request may have them: one
    number that is refused would take its whole row away."""
    if feature.kind == "boolean":
        return np.array([0.0, 1.0])
    single32 = to_float32(cuts)
    near = [
        cuts,
        np.nextafter(cuts, np.inf),
        np.nextafter(cuts, -np.inf),
        single32.astype(np.float64),
        np.nextafter(single32, np.float32(np.inf)).astype(np.float64),
        np.nextafter(single32, np.float32(-np.inf)).astype(np.float64),
    ]
    found = np.unique(np.concatenate([*near, np.array(EDGES)]))
    fit: Matrix = found[np.abs(found) <= largest]
    return fit


def mixed(values: list[Matrix], most: int, rng: np.random.Generator) -> Matrix:
    """Each feature's values in an order of their own, so that every value stands in some row at least
    once, where there are at most `most`."""
    rows = np.empty((most, len(values)))
    for at, each in enumerate(values):
        rows[:, at] = np.resize(rng.permutation(each), most)
    return rows


def single(base: Matrix, values: list[Matrix], most: int) -> Iterator[Matrix]:
    """The example with one feature changed at a time, at most `most` values of each."""
    for at, each in enumerate(values if most else ()):
        some = each[:: -(-len(each) // most)]
        part = np.repeat(base, len(some), axis=0)
        part[:, at] = some
        yield part


def scattered(
    base: Matrix, values: list[Matrix], count: int, rng: np.random.Generator
) -> tuple[Matrix, Matrix]:
    """Rows as traffic might be: each feature normal around its usual values."""
    usual = [each[np.abs(each) < 1e5] for each in values]
    center = np.array([np.median(each) if len(each) else 0.0 for each in usual])
    spread = np.array(
        [np.percentile(each, 75) - np.percentile(each, 25) if len(each) else 1.0 for each in usual]
    )
    near = base + rng.normal(size=(count, base.shape[1])) * np.maximum(np.abs(base) * 0.3, 1.0)
    far = center + rng.normal(size=(count, base.shape[1])) * np.maximum(spread, 1e-3)
    return near, far


def whole(rows: Matrix, validator: RowValidator) -> Matrix:
    """Rows whose integer features are whole, as the validator wants them."""
    rows[:, validator.whole] = np.rint(rows[:, validator.whole])
    return rows


def nulls(
    base: Matrix, rows: Matrix, validator: RowValidator, room: int, rng: np.random.Generator
) -> list[Matrix]:
    """Rows with nulls where the model takes them: one at a time, several, all; about `room` beyond those of
    one null each."""
    may = np.array(sorted(validator.accepts_missing), dtype=np.intp)
    if not may.size:
        return []
    alone = np.repeat(base, len(may), axis=0)
    alone[np.arange(len(may)), may] = np.nan
    some = rows[rng.integers(0, len(rows), min(NULL_ROWS * (1 + len(may)), room))]
    some[np.arange(len(some)), may[np.arange(len(some)) % len(may)]] = np.nan
    several = rows[rng.integers(0, len(rows), min(NULL_ROWS, room // 4 + 1))]
    mask = np.zeros(several.shape, dtype=bool)
    mask[:, may] = rng.random((len(several), len(may))) < 0.3
    several[mask] = np.nan
    every = base.copy()
    every[:, may] = np.nan
    return [alone, some, several, every]


def thresholds(estimator: Any, width: int) -> list[Matrix]:
    """For each feature, where some tree splits, in the request's units. Raises `NotConvertible`."""
    steps = [step for _, step in getattr(estimator, "steps", [])] or [estimator]
    final = steps[-1]
    pairs = splits(final)
    if pairs is None:
        return [np.empty(0)] * width
    features, cuts = pairs
    inputs = getattr(final, "n_features_in_", width)
    if inputs != width:
        raise NotConvertible("its trees split on derived features, so no row can be made for each split")
    found = [np.unique(cuts[features == at]) for at in range(width)]
    return traced_back(found, steps[:-1])


def splits(final: Any) -> tuple[NDArray[np.intp], Matrix] | None:
    """Feature and threshold of every split; None when there are no trees. Raises `NotConvertible`."""
    trees = trees_of(final)
    if not trees:
        if hasattr(final, "_predictors") or hasattr(final, "estimators_"):
            raise NotConvertible("it is an ensemble whose splits are not published")
        return None
    # A leaf's weights of many classes cost as much as many nodes.
    size = sum(max(tree.node_count, tree.value.size // 2) for tree in trees)
    if size > MOST_NODES:
        raise NotConvertible(f"its trees have {size:,} nodes and weights, {MOST_NODES:,} may be converted")
    features = np.concatenate([tree.feature for tree in trees])
    cuts = np.concatenate([tree.threshold for tree in trees])
    inner = features >= 0
    return features[inner], cuts[inner]


def traced_back(found: list[Matrix], steps: list[Any]) -> list[Matrix]:
    """Thresholds behind a pipeline's earlier steps in the request's units. Raises `NotConvertible`."""
    for step in reversed(steps):
        if step is None or isinstance(step, str) or type(step).__name__ in ("SimpleImputer", "KNNImputer"):
            continue  # a value that is there passes an imputer as it is
        if not hasattr(step, "inverse_transform") or getattr(step, "n_features_in_", 0) != len(found):
            raise NotConvertible(f"its trees split behind {type(step).__name__}, which cannot be traced back")
        most = max(len(each) for each in found)
        table = np.stack([np.resize(each, most) if len(each) else np.zeros(most) for each in found], axis=1)
        back = np.asarray(step.inverse_transform(table), dtype=np.float64)
        found = [np.unique(back[: len(each), at]) for at, each in enumerate(found)]
    return found
