"""Asks a loaded model what it takes: arrays or frames, nulls feature by feature, huge numbers. No I/O."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_inference.model.flavours import Loaded, frame
from driftlead_inference.rows.signature import Signature

HUGE = 1e39  # finite, and beyond float32
Predict = Callable[[Sequence[Sequence[object]]], NDArray[Any]]


def matrix(rows: Sequence[Sequence[object]]) -> NDArray[np.float64]:
    """Rows of numbers and None as (rows, features), NaN for None."""
    return np.array(rows, dtype=np.float64)


def predictor(loaded: Loaded, signature: Signature, takes: str) -> Predict:
    """How rows are given to the model."""
    if takes == "array":
        return lambda rows: loaded.predict(matrix(rows))[0]
    return lambda rows: loaded.predict(frame(signature, rows))[0]


def takes_arrays(loaded: Loaded, signature: Signature, example: Sequence[object]) -> bool:
    """Whether the model answers an array exactly as it answers a frame with the signature's names and types.

    Tried, not concluded: a `ColumnTransformer` by name refuses an array, others do not mind.
    """
    if not signature.numeric or loaded.estimator is None:
        return False
    if not signature.named:
        return True
    rows = variants(signature, example)
    try:
        by_name = loaded.predict(frame(signature, rows))[0]
        by_place = loaded.predict(matrix(rows))[0]
    except Exception:
        return False
    return by_name.dtype == by_place.dtype and bool(np.array_equal(by_name, by_place))


def variants(signature: Signature, example: Sequence[object], count: int = 64) -> list[list[object]]:
    """The example, and rows around it: its fractions changed a little and a lot, whole numbers as they
    are."""
    rng = np.random.default_rng(1)
    moved = [
        [
            value * (1 + shift) + shift if feature.kind == "float" and isinstance(value, float) else value
            for feature, value, shift in zip(signature.features, example, noise.tolist(), strict=True)
        ]
        for noise in rng.normal(size=(count, len(example)))
    ]
    return [list(example), *moved]


def answered(predict: Predict, rows: Sequence[Sequence[object]]) -> list[bool] | None:
    """For each row whether the answer is one and not NaN; None when the model raises, whatever it blames."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            given = np.asarray(predict(rows))
        except Exception:
            return None
    if given.dtype.kind != "f":
        return [True] * len(rows)
    return [not bad for bad in np.isnan(given.reshape(len(rows), -1)).any(axis=1).tolist()]


def changed(row: Sequence[object], place: int, value: object) -> list[object]:
    """The row with another value in one place."""
    return [value if at == place else old for at, old in enumerate(row)]


def accepted_missing(predict: Predict, row: Sequence[object]) -> tuple[int, ...]:
    """The positions whose null is answered, each probed in a row of its own.

    One row of nulls would tell too little: an imputer for some columns, none for others, is usual. All rows
    are asked at once; only a model that refuses one of them is asked row by row.
    """
    rows = [changed(row, at, None) for at in range(len(row))]
    found = answered(predict, rows)
    if found is None:
        found = [answered(predict, [one]) == [True] for one in rows]
    return tuple(at for at, good in enumerate(found) if good)


def accepts_huge(predict: Predict, row: Sequence[object]) -> bool:
    """Whether a number beyond float32 is answered in every numeric place, up and down."""
    places = [at for at, value in enumerate(row) if isinstance(value, int | float)]
    rows = [changed(row, at, number) for at in places for number in (HUGE, -HUGE)]
    return not rows or all(answered(predict, rows) or [False])
