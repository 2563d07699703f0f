"""What a model answers for a row: how many values, and of which type, whoever computes them. Pure.

The type is the estimator's own, as the smoke prediction saw it. Nothing else may decide it: not ONNX Runtime,
which knows neither truth nor classes that are fractions, and not the other rows of a batch, with which numpy
makes one array of one type (3 beside 2.5 becomes 3.0).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Answers = tuple[NDArray[Any], NDArray[np.float64] | None]


class UnusableAnswer(Exception):  # noqa: N818 - a property of the model, in a sentence
    """What the model gave is not one answer for each row, or nothing that a reply could hold."""


class AnswerForm(msgspec.Struct, frozen=True):
    """A row's answer. `dtype`: numpy's name of its type, empty where no row was answered yet; `shape`: empty
    for one value, (2,) for two outputs."""

    dtype: str = ""
    shape: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def type(self) -> np.dtype[Any] | None:
        """The type to hold answers against; None where it is not known."""
        return np.dtype(self.dtype) if self.dtype else None


def form_of(answers: NDArray[Any]) -> AnswerForm:
    """The form of a model's answers: (rows,) or (rows, outputs)."""
    return AnswerForm(name_of(answers), answers.shape[1:])


def name_of(answers: NDArray[Any]) -> str:
    """The type's name: numbers are what they are also within objects, and everything else is an object."""
    dtype = answers.dtype
    if dtype.kind == "O":
        return type_of(answers.ravel().tolist())
    if dtype.kind == "f" and dtype.itemsize > np.float64().itemsize:
        return "float64"  # JSON has no more digits
    return dtype.name if dtype.kind in "biuf" else "object"


def type_of(values: Iterable[Any]) -> str:
    """The narrowest of truth, whole numbers, numbers and objects that holds these values."""
    kinds = {type(bare(value)) for value in values}
    if kinds <= {bool}:
        return "bool"
    if kinds <= {int}:
        return "int64"
    return "float64" if kinds <= {int, float} else "object"


def bare(value: Any) -> Any:
    """A value without numpy's wrapping, as JSON would hold it."""
    return value.item() if isinstance(value, np.generic) else value


def typed(answers: NDArray[Any], dtype: np.dtype[Any] | None) -> NDArray[Any]:
    """The answers in the estimator's own type; one that this type cannot hold stays as it is."""
    if dtype is None or answers.dtype == dtype or (dtype.kind == "O" and answers.dtype.kind not in "biuf"):
        return answers
    if dtype.kind == answers.dtype.kind == "f" or dtype.kind == "O":
        return answers.astype(dtype)
    try:
        with np.errstate(invalid="ignore"):
            cast = answers.astype(dtype)
            fits = np.asarray(cast.astype(answers.dtype) == answers)
    except (TypeError, ValueError, OverflowError):
        return answers
    if fits.all():
        return cast
    return np.where(fits, cast.astype(object), answers.astype(object))


def joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The answers of several groups of rows behind one another, none changed by another's type."""
    if len({part.shape[1:] for part in parts}) > 1:
        raise UnusableAnswer("the model gave different numbers of outputs for rows of one request")
    if len({part.dtype.kind for part in parts}) > 1:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)


def in_order(answers: Any) -> Any:
    """A Series or frame in the order of the rows that were asked: its index says which row each entry is.

    A model that sorts its answers leaves the index behind them; another index than that of the rows says
    nothing.
    """
    if not hasattr(answers, "iloc"):
        return answers
    index, places = np.asarray(answers.index), np.arange(len(answers))
    if index.dtype.kind not in "iu" or np.array_equal(index, places):
        return answers
    order = np.argsort(index)
    return answers.iloc[order] if np.array_equal(index[order], places) else answers


def unmasked(answers: Any) -> Any:
    """An array whose masked entries are None: numpy keeps a number under the mask, which is no answer."""
    if not isinstance(answers, np.ma.MaskedArray):
        return answers
    values = np.asarray(answers, dtype=object)
    values[np.ma.getmaskarray(answers)] = None
    return values


def counted(answers: Answers, rows: int) -> Answers:
    """The answers, if there is one for each row, with its probabilities. Raises `UnusableAnswer`."""
    given, likely = answers
    if likely is not None and (likely.ndim != 2 or len(likely) != rows):
        raise UnusableAnswer(
            f"asked for the probabilities of {rows} row{'s' * (rows != 1)}, the model gave an array of shape "
            f"{likely.shape}; give one row of probabilities for each, one of them for each class"
        )
    if given.ndim and len(given) == rows and given.dtype.kind != "c":
        return answers
    seen = f"{len(given)} answers" if given.ndim else f"one answer of type {type(given.item()).__name__}"
    if given.dtype.kind == "c":
        seen = "complex numbers"
    raise UnusableAnswer(
        f"asked for {rows} row{'s' * (rows != 1)}, the model gave {seen}; give one for each row"
    )
