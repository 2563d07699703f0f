"""The smoke prediction of the preparing process: one row, two and three, each answered once.

Without an input example the row is made up, and its values may rightly be refused: an encoder does not know
the empty text, a logarithm not zero. So other made-up rows are tried. Everything but a ValueError (a missing
column, something that is not fitted) would come whatever the values are, and refuses the start.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.failures import StartFailed
from driftlead_inference.model import frames
from driftlead_inference.model.answers import AnswerForm, UnusableAnswer, bare, form_of
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.prepare.missing import encoders
from driftlead_inference.prepare.probing import Predict, variants
from driftlead_inference.rows.signature import Signature

ZEROS = "zeros"
OF_TYPES = "could not convert"  # how numpy and pandas begin where text stands for a number


def smoke(
    predict: Predict, loaded: Loaded, signature: Signature, row: list[Any], kind: str, *, takes: str
) -> tuple[list[Any], str, list[str], AnswerForm]:
    """A row that was answered, where it is from, what is in doubt, and the form of the answer.

    Raises `StartFailed`.
    """
    first: Exception | None = None
    for candidate, origin in [(row, kind), *(made_up(loaded, signature, row) if kind == ZEROS else ())]:
        try:
            answers = predict([candidate])
        except Exception as error:
            first = first or error
            if kind != ZEROS or not doubtful(error):
                raise failed(origin, error) from error
            continue
        count(predict, signature, candidate, origin)
        likely(loaded, signature, takes, candidate, origin)
        return candidate, origin, [], form_of(answers)
    if first is None:
        raise RuntimeError("no row was tried")
    sentence = f"the smoke prediction of {kind} failed: {type(first).__name__}: {first}"
    return (
        row,
        kind,
        [f"{sentence}; log the model with an input example to make this certain"],
        unseen(loaded),
    )


def unseen(loaded: Loaded) -> AnswerForm:
    """The form of answers that nobody has seen yet: what the classes say of it."""
    return AnswerForm() if loaded.classes is None else form_of(np.asarray(loaded.estimator.classes_))


def failed(kind: str, error: Exception) -> StartFailed:
    """The refusal of a start."""
    return StartFailed(
        ExitCode.SMOKE_FAILED, f"the smoke prediction of {kind} failed: {type(error).__name__}: {error}"
    )


def doubtful(error: Exception) -> bool:
    """Whether other values may be answered. What is not fitted is a ValueError and an AttributeError."""
    return (
        isinstance(error, ValueError)
        and not isinstance(error, AttributeError)
        and not str(error).startswith(OF_TYPES)
    )


def count(predict: Predict, signature: Signature, row: list[Any], kind: str) -> None:
    """Asks for two and three different rows, whose values may be refused, and for as many equal ones."""
    others = variants(signature, row, 2)[1:]
    for number in (2, 3):
        try:
            predict([row] * number)
        except Exception as error:
            raise failed(kind, error) from error
        try:
            predict([row, *others][:number])
        except UnusableAnswer as error:
            raise failed(kind, error) from error
        except Exception:  # noqa: S110 - values next to the row's, which nobody has sent, may be refused
            pass


def likely(loaded: Loaded, signature: Signature, takes: str, row: list[Any], kind: str) -> None:
    """Asks for the probabilities of a row that was answered, and of two: they may fail where it does not."""
    if not loaded.has_probabilities:
        return
    for number in (1, 2):
        try:
            frames.predict(loaded, signature, takes, [row] * number, probabilities=True)
        except Exception as error:
            raise failed(kind, error) from error


def made_up(loaded: Loaded, signature: Signature, zeros: list[Any]) -> Iterator[tuple[list[Any], str]]:
    """Rows to try where zeros were refused: the categories that encoders know, with zeros and with ones."""
    known: dict[str, Any] = {}
    for name, values in encoders(loaded.estimator, signature.names):
        present = [value for value in values if value is not None and value == value]  # noqa: PLR0124 - not NaN
        if present:
            known.setdefault(name, present[0])
    ones = [value + 1 if type(value) in (int, float) else value for value in zeros]
    for numbers, words in ((zeros, "known categories"), (ones, "ones")):
        row = [
            bare(known.get(feature.name, value))
            for feature, value in zip(signature.features, numbers, strict=True)
        ]
        yield row, words
