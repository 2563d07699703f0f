"""Asks a loaded model what it takes: arrays or frames, nulls feature by feature, huge numbers. No I/O."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_inference.model import frames
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.model.frames import frame
from driftlead_inference.rows.signature import Feature, Signature

HUGE = 1e39  # finite, and beyond float32
Predict = Callable[[Sequence[Sequence[object]]], NDArray[Any]]
LARGE = 2**53 + 1  # the first whole number that float64 cannot hold
MOST_CELLS = 8_000_000  # rows times features of one probe; nulls of up to 2,828 features each have a row
BLOCK_CELLS = 1_000_000  # asked at once
CLOSE = 1e-9  # arithmetic over rows or over columns of memory differs in the last digits


def matrix(rows: Sequence[Sequence[object]]) -> NDArray[np.float64]:
    """Rows of numbers and None as (rows, features), NaN for None."""
    return np.array(rows, dtype=np.float64)


def predictor(loaded: Loaded, signature: Signature, takes: str) -> Predict:
    """How rows are given to the model."""
    return lambda rows: frames.predict(loaded, signature, takes, rows)[0]


def taken(loaded: Loaded, signature: Signature, example: Sequence[object], *more: Sequence[object]) -> str:
    """How the model is given rows: as an array, a frame, or one column of texts.

    A vectorizer that was fitted on a Series of texts takes a frame's column names for its documents, so its
    answers are too few; a column transformer refuses a Series.
    """
    if takes_arrays(loaded, signature, example, *more):
        return "array"
    documents = [feature.kind for feature in signature.features] == ["string"]
    if (
        documents
        and not counts(loaded, signature, "frame", example)
        and counts(loaded, signature, "texts", example)
    ):
        return "texts"
    return "frame"


def counts(loaded: Loaded, signature: Signature, takes: str, example: Sequence[object]) -> bool:
    """Whether one, two and three rows get one, two and three answers."""
    ask = predictor(loaded, signature, takes)
    return all(tried(ask, [list(example)] * count) is not None for count in (1, 2, 3))


def takes_arrays(
    loaded: Loaded, signature: Signature, example: Sequence[object], *more: Sequence[object]
) -> bool:
    """Whether the model answers an array exactly as it answers a frame with the signature's names and types.

    Tried, not concluded: a `ColumnTransformer` by name refuses an array, others do not mind, and a step that
    reads numbers as text sees 94110 in one and 94110.0 in the other.
    """
    if not signature.numeric or loaded.estimator is None or any(each.objects for each in signature.features):
        return False
    if not signature.named:
        return True
    rows = variants(signature, example, more=more)
    try:
        return all(
            same(ask(frame(signature, rows)), ask(matrix(rows))) for ask in questions(loaded.estimator)
        )
    except Exception:
        return one_by_one(loaded, signature, rows)


def one_by_one(loaded: Loaded, signature: Signature, rows: Sequence[Sequence[object]]) -> bool:
    """The same where some row is refused: it must be refused either way, and some row must be answered."""
    good = 0
    for row in rows:
        for ask in questions(loaded.estimator):
            by_name, by_place = tried(ask, frame(signature, [row])), tried(ask, matrix([row]))
            if (by_name is None) != (by_place is None):
                return False
            if by_name is not None:
                good += 1
                if not same(by_name, by_place):
                    return False
    return good > 0


def tried(ask: Callable[[Any], Any], data: Any) -> Any:
    """An answer, None where there is none."""
    try:
        return ask(data)
    except Exception:
        return None


def questions(estimator: Any) -> list[Callable[[Any], Any]]:
    """All that tells what an estimator made of its rows: labels alone hide most of it."""
    names = ("predict_proba", "decision_function")
    asked = [kind_and_answers(estimator.predict)]
    asked += [getattr(estimator, name) for name in names if hasattr(estimator, name)]
    if hasattr(estimator, "steps") and len(estimator.steps) > 1:
        front = estimator[:-1]
        asked.append(front.transform)
    return asked


def kind_and_answers(predict: Callable[[Any], Any]) -> Callable[[Any], list[NDArray[Any]]]:
    """Answers of a frame's integers may be integers, and of an array's floats floats: the same, and not."""

    def ask(data: Any) -> list[NDArray[Any]]:
        answers = np.asarray(predict(data))
        return [np.array(answers.dtype.kind), answers]

    return ask


def same(one: Any, other: Any) -> bool:
    """Whether two answers are of one type and equal, but for the last digits."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    one, other = (np.asarray(each.toarray() if hasattr(each, "toarray") else each) for each in (one, other))
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return one.dtype.kind in "iub" and other.dtype.kind == "f" and bool(np.array_equal(one, other))
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=CLOSE, atol=CLOSE * 1e-3, equal_nan=True))
    return bool(np.array_equal(one, other))


def variants(
    signature: Signature,
    example: Sequence[object],
    count: int = 64,
    more: Sequence[Sequence[object]] = (),
) -> list[list[object]]:
    """The example's rows, and rows around them in which every kind of value is another."""
    rng = np.random.default_rng(1)
    rows = [list(example), *map(list, more)]
    moved = [
        [
            moved_value(feature, value, shift, at)
            for feature, value, shift in zip(signature.features, rows[at % len(rows)], noise, strict=True)
        ]
        for at, noise in enumerate(rng.normal(size=(count, len(example))).tolist())
    ]
    return [*rows, *moved]


def moved_value(feature: Feature, value: object, shift: float, at: int) -> object:
    """A value near another one: a little off, or (every eighth row) far or whole."""
    if value is None:
        return None
    far = at % 8 == 7
    if feature.kind == "boolean":
        return bool(value) != (shift > 0)
    if feature.kind == "integer" and isinstance(value, int):
        if far and feature.dtype == "int64":
            return LARGE + at
        return int(value + (round(shift * 3) if at % 2 else round(shift * max(3, abs(value)))))
    if feature.kind == "float" and isinstance(value, int | float):
        number = value * (1 + shift) + shift
        return float(round(number)) if far else number
    return value


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


def changed(row: Sequence[object], places: Sequence[int], value: object) -> list[object]:
    """The row with another value in some places."""
    copy = list(row)
    for at in places:
        copy[at] = value
    return copy


def together(places: Sequence[int], width: int) -> list[Sequence[int]]:
    """Places that are probed in one row: each by itself, but in a model so wide that this were too much."""
    size = max(1, -(-len(places) * width // MOST_CELLS))
    return [places[at : at + size] for at in range(0, len(places), size)]


def blocks(groups: list[Sequence[int]], width: int) -> Iterator[list[Sequence[int]]]:
    """Groups whose rows are asked at once."""
    size = max(1, BLOCK_CELLS // width)
    return (groups[at : at + size] for at in range(0, len(groups), size))


def accepted_missing(predict: Predict, row: Sequence[object]) -> tuple[int, ...]:
    """The positions whose null is answered, each probed in a row of its own.

    One row of nulls would tell too little: an imputer for some columns, none for others, is usual. Many rows
    are asked at once; only where a model refuses one of them is it asked row by row.
    """
    accepted: list[int] = []
    for groups in blocks(together(range(len(row)), len(row)), len(row)):
        rows = [changed(row, places, None) for places in groups]
        found = answered(predict, rows)
        if found is None:
            found = [answered(predict, [one]) == [True] for one in rows]
        accepted += [at for places, good in zip(groups, found, strict=True) if good for at in places]
    return tuple(accepted)


def accepts_huge(predict: Predict, row: Sequence[object]) -> bool:
    """Whether a number beyond float32 is answered in every numeric place, up and down."""
    numbers = [at for at, value in enumerate(row) if isinstance(value, int | float)]
    for groups in blocks(together(numbers, len(row)), len(row)):
        for huge in (HUGE, -HUGE):
            if not all(answered(predict, [changed(row, places, huge) for places in groups]) or [False]):
                return False
    return True
