"""What a label says of the row it belongs to: right or wrong, how probable the truth was called. Pure.

Classes are compared by the log's `prediction` or `prediction_label`. Probabilities are taken from where a
model leaves them: in `outputs` as an object by class (`DRIFTLEAD_LOG_PROBABILITIES`), as a list of one for
the class 1 or of one for each class, or a `prediction` between 0 and 1 whose labels are 0 and 1. A prediction
that is no class is a number, and how far it lies from its label counts. The rows of one request are not
independent of one another, so sums are taken by request.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, log
from typing import Any, Final, NamedTuple, TypeGuard

from driftlead_formats.classes import class_name

CAP: Final = -log(0.01)
"""Most that one row adds to the log loss, in nats: a truth called less probable than 1 % counts as 1 %."""
_WHOLE: Final = 0.01  # how far probabilities may be from adding up to 1


class Labelled(NamedTuple):
    """A row whose label has come. `outputs`: the column's JSON as Python knows it."""

    label: float | None
    label_text: str | None
    prediction: float
    prediction_label: str | None
    outputs: Any


class LabelResult(NamedTuple):
    """What one label says.

    wrong       whether the class was not the true one; None for a prediction that is not a class
    truth       probability given to what was true; None where none was logged
    score       probability of the second of two classes; None with one or more of them, or without any
    positive    whether that class was the true one
    error       how far the prediction lies from the label, where both are numbers; infinite if it is none
    """

    wrong: bool | None
    truth: float | None = None
    score: float | None = None
    positive: bool = False
    error: float | None = None


@dataclass
class Tally:
    """What the labels of one block of time say together.

    `rows`, `wrong`: labels of classes. `numbers`: labels whose prediction is a number, not a class.
    `requests`: with labels of classes; `shares`, `share_squares`: each one's share of wrong rows, its square.
    `size_squares`, `size_wrong`, `wrong_squares`: sums over these requests of m^2, m k, k^2 for k wrong of m
    rows. `probable`: requests with a logged probability; `loss`, `squares`: of each one's mean log loss in
    parts of CAP. `between`: probabilities that are neither 0 nor 1. `errors`: of each row whose prediction
    may be a number; `sizes`: rows of each of their requests, in the same order.
    """

    rows: int = 0
    wrong: int = 0
    numbers: int = 0
    requests: int = 0
    shares: float = 0.0
    share_squares: float = 0.0
    size_squares: int = 0
    size_wrong: int = 0
    wrong_squares: int = 0
    probable: int = 0
    loss: float = 0.0
    squares: float = 0.0
    between: int = 0
    scores: list[float] = field(default_factory=list)
    positive: list[bool] = field(default_factory=list)
    errors: array[float] = field(default_factory=lambda: array("d"))
    sizes: array[int] = field(default_factory=lambda: array("q"))

    def add(self, *request: LabelResult) -> None:
        """Counts the labels of one request."""
        self._classes([result.wrong for result in request if result.wrong is not None])
        self.numbers += sum(result.wrong is None and result.error is not None for result in request)
        errors = [result.error for result in request if result.error is not None]
        if errors:
            self.errors.extend(errors)
            self.sizes.append(len(errors))
        self._probabilities([result.truth for result in request if result.truth is not None])
        for result in request:
            if result.score is not None:
                self.scores.append(result.score)
                self.positive.append(result.positive)

    def _classes(self, wrong: Sequence[bool]) -> None:
        size, bad = len(wrong), sum(wrong)
        if not size:
            return
        self.rows += size
        self.wrong += bad
        self.requests += 1
        self.shares += bad / size
        self.share_squares += (bad / size) ** 2
        self.size_squares += size * size
        self.size_wrong += size * bad
        self.wrong_squares += bad * bad

    def _probabilities(self, truths: Sequence[float]) -> None:
        if not truths:
            return
        part = sum(min(-log(max(truth, 1e-300)), CAP) for truth in truths) / CAP / len(truths)
        self.probable += 1
        self.between += sum(0 < truth < 1 for truth in truths)
        self.loss += part
        self.squares += part * part


def label_result(row: Labelled) -> LabelResult:
    """What a row's label says."""
    if row.label_text is not None or row.prediction_label is not None:
        text = _text(row.label_text, row.label)
        said = _text(row.prediction_label, row.prediction)
        return _with(text, wrong=text != said and not _same_number(row), outputs=row.outputs)
    if row.label is None or not isfinite(row.label):
        return LabelResult(None)
    return _numbers(float(row.label), float(row.prediction), row.outputs)


def _numbers(label: float, prediction: float, outputs: Any) -> LabelResult:
    if not isfinite(prediction):
        return LabelResult(wrong=True, error=inf)
    whole = prediction.is_integer() and label.is_integer()
    if isinstance(outputs, Mapping) and (whole or any(map(_probability, outputs.values()))):
        return _with(class_name(label), wrong=label != prediction, outputs=outputs)
    listed = _listed(outputs, label)
    if listed is not None:
        return LabelResult(label != prediction, *listed)
    error = abs(label - prediction)
    if label in (0.0, 1.0) and 0 <= prediction <= 1:
        truth = prediction if label else 1 - prediction
        return LabelResult((prediction >= 0.5) != bool(label), truth, prediction, bool(label), error)
    return LabelResult(label != prediction if whole else None, error=error)


def _text(text: str | None, number: float | None) -> str:
    """A class in words, from the column that holds it; empty where neither does."""
    if text is not None:
        return text
    return "" if number is None else class_name(number)


def _same_number(row: Labelled) -> bool:
    """A number sent for classes of text may be the class's own number in the log."""
    return row.label_text is None and row.label == row.prediction


def _with(label: str, *, wrong: bool, outputs: Any) -> LabelResult:
    """A label beside an object of probabilities by class."""
    truth = outputs.get(label) if isinstance(outputs, Mapping) else None
    if not isinstance(outputs, Mapping) or not _probability(truth):
        return LabelResult(wrong)
    positive = max(outputs, key=_order)
    score = outputs[positive]
    if len(outputs) != 2 or not _probability(score):
        return LabelResult(wrong, float(truth))
    return LabelResult(wrong, float(truth), float(score), label == positive)


def _probability(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _listed(outputs: Any, label: float) -> tuple[float, float | None, bool] | None:
    """Truth, score and whether it is the second class, of a list of probabilities; None where it is none."""
    if not isinstance(outputs, Sequence) or isinstance(outputs, str) or not outputs:
        return None
    if not all(_probability(share) for share in outputs):
        return None
    shares = [1 - outputs[0], outputs[0]] if len(outputs) == 1 else list(outputs)
    if abs(sum(shares) - 1) > _WHOLE or not label.is_integer() or not 0 <= label < len(shares):
        return None
    return float(shares[int(label)]), float(shares[1]) if len(shares) == 2 else None, label == 1


def _order(name: str) -> tuple[bool, float, str]:
    """Numbers by size, then text by letters."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
