"""An engine's answers to a batch, as replies and the log need them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf, isfinite, isinf, nan
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from driftlead_inference.model.answers import UnusableAnswer, bare


@dataclass(frozen=True, slots=True)
class Outputs:
    """The answers to a batch, row by row.

    texts          the answer as JSON, for replies
    numbers        the answer as the log's one number
    labels         the class as text, where it is text
    rest           further outputs as a JSON array, where the model has several
    probabilities  by class, where asked for
    wrong          rows whose answer is null, NaN or infinite: no answer at all
    infinite       those of them whose values were beyond what the model computes with
    """

    texts: list[bytes]
    numbers: list[float]
    labels: list[str | None] | None = None
    rest: list[bytes] | None = None
    probabilities: list[list[float]] | None = None
    wrong: frozenset[int] = frozenset()
    infinite: frozenset[int] = frozenset()


def outputs(answers: NDArray[Any], likely: NDArray[np.float64] | None, labels: dict[str, int]) -> Outputs:
    """An array of answers, (rows,) or (rows, outputs), as replies and log need it.

    `labels` numbers text classes; one that it does not know gets -1, which no class has.
    """
    if answers.ndim > 1:
        return several(answers.reshape(len(answers), -1), likely, labels)
    probabilities = None if likely is None else likely.tolist()
    kind = answers.dtype.kind
    values = answers.tolist()
    if kind in "iu":
        return Outputs([b"%d" % value for value in values], values, probabilities=probabilities)
    if kind == "f":
        texts = [repr(value).encode() for value in values]
        if np.isfinite(answers).all():
            return Outputs(texts, values, probabilities=probabilities)
        wrong, infinite = not_finite([value] for value in values)
        return Outputs(texts, values, None, None, probabilities, wrong, infinite)
    if kind == "b":
        return Outputs(
            [b"true" if value else b"false" for value in values],
            [float(value) for value in values],
            probabilities=probabilities,
        )
    if kind == "M":  # as numpy's own numbers they would be counts of nobody knows what
        values = [None if np.isnat(each) else str(np.datetime_as_string(each)) for each in answers]
    return mixed(values, probabilities, labels)


def mixed(values: list[Any], probabilities: list[list[float]] | None, labels: dict[str, int]) -> Outputs:
    """Answers that are text, or objects of one kind or another."""
    values = [bare(value) for value in values]
    texts = [None if isinstance(value, bool | int | float) else str(value) for value in values]
    jsons = [as_json(value) for value in values]
    numbers = [
        number(value) if text is None else nan if value is None else float(labels.get(text, -1))
        for value, text in zip(values, texts, strict=True)
    ]
    wrong, infinite = not_finite([number] for number in numbers)
    return Outputs(jsons, numbers, texts, None, probabilities, wrong, infinite)


def not_finite(rows: Iterable[Sequence[Any]]) -> tuple[frozenset[int], frozenset[int]]:
    """Rows with NaN or infinity among their numbers, and those of them that have infinity alone."""
    odd = {
        at: found
        for at, row in enumerate(rows)
        if (found := [value for value in row if isinstance(value, float) and not isfinite(value)])
    }
    return frozenset(odd), frozenset(at for at, found in odd.items() if all(map(isinf, found)))


def number(value: float) -> float:
    """A number as the log holds it; infinite where Python's integers go beyond."""
    try:
        return float(value)
    except OverflowError:
        return inf


def as_json(value: Any) -> bytes:
    """An answer as JSON. Raises `UnusableAnswer`."""
    try:
        # msgspec would write base64 and P1D, which nobody reads as what they were.
        kept = within(value) if isinstance(value, bytes | bytearray | timedelta) else value
        return msgspec.json.encode(kept, enc_hook=within)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UnusableAnswer(
            f"the model gave an answer of type {type(value).__name__}, which JSON cannot hold ({error}); "
            "give a number, a text, true or false, or a list of such"
        ) from error


def within(value: Any) -> Any:
    """numpy's values within a dict or list as Python's own. Raises TypeError for everything else."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"objects of type {type(value).__name__} are not supported")


def several(answers: NDArray[Any], likely: NDArray[np.float64] | None, labels: dict[str, int]) -> Outputs:
    """Answers with several outputs: the first is the log's number, the others stand beside it."""
    first = outputs(answers[:, 0], likely, labels)
    values = answers.tolist()
    if answers.dtype.kind == "O":
        values = [[bare(value) for value in row] for row in values]
    wrong, infinite = not_finite(values)
    return Outputs(
        [as_json(row) for row in values],
        first.numbers,
        first.labels,
        [as_json(row[1:]) for row in values],
        first.probabilities,
        wrong,
        infinite,
    )
