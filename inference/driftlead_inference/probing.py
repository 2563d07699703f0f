"""Asks a loaded model what it takes: arrays or frames, nulls feature by feature, huge numbers. No I/O."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_inference.flavours import Loaded, frame
from driftlead_inference.signature import Signature

HUGE = 1e39  # finite, and beyond float32
Predict = Callable[[Sequence[Sequence[object]]], NDArray[Any]]


def matrix(rows: Sequence[Sequence[object]]) -> NDArray[np.float64]:
    """Rows of numbers and None as (rows, features), NaN for None."""
    return np.array(rows, dtype=np.float64)


def asks(loaded: Loaded, signature: Signature, takes: str) -> Predict:
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
    dice = np.random.default_rng(1)
    moved = [
        [
            value * (1 + shift) + shift if feature.kind == "float" and isinstance(value, float) else value
            for feature, value, shift in zip(signature.features, example, noise.tolist(), strict=True)
        ]
        for noise in dice.normal(size=(count, len(example)))
    ]
    return [list(example), *moved]


def answers(predict: Predict, row: Sequence[object]) -> bool:
    """Whether the model gives an answer that is one: no exception, no NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            given = np.asarray(predict([row]))
        except Exception:
            return False
    return not (given.dtype.kind == "f" and np.isnan(given).any())


def accepted_missing(predict: Predict, row: Sequence[object]) -> tuple[int, ...]:
    """The positions whose null is answered, each probed alone.

    One row of nulls would tell too little: an imputer for some columns, none for others, is usual.
    """
    return tuple(
        at
        for at in range(len(row))
        if answers(predict, [None if place == at else value for place, value in enumerate(row)])
    )


def accepts_huge(predict: Predict, row: Sequence[object]) -> bool:
    """Whether a number beyond float32 is answered in every numeric place, up and down."""
    places = [at for at, value in enumerate(row) if isinstance(value, int | float)]
    return all(
        answers(predict, [number if place == at else value for place, value in enumerate(row)])
        for at in places
        for number in (HUGE, -HUGE)
    )
