"""What a label says of the row it belongs to: right or wrong, how probable the truth was called. Pure.

Classes are compared by the log's `prediction` or `prediction_label`. Probabilities are taken from where a
model leaves them: in `outputs` as an object by class (`DRIFTLEAD_LOG_PROBABILITIES`), as a list of one for
the class 1 or of one for each class, or a `prediction` between 0 and 1 whose labels are 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
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
    """

    wrong: bool | None
    truth: float | None = None
    score: float | None = None
    positive: bool = False


@dataclass
class Tally:
    """What the labels of one minute say together.

    `loss`, `squares`: of each row's log loss in parts of CAP. `numbers`: rows whose prediction is a
    number, not a class. `between`: probabilities that are neither 0 nor 1.
    """

    rows: int = 0
    wrong: int = 0
    numbers: int = 0
    probable: int = 0
    loss: float = 0.0
    squares: float = 0.0
    between: int = 0
    scores: list[float] = field(default_factory=list)
    positive: list[bool] = field(default_factory=list)

    def add(self, result: LabelResult) -> None:
        """Counts one label."""
        if result.wrong is None:
            self.numbers += 1
            return
        self.rows += 1
        self.wrong += int(result.wrong)
        if result.truth is None:
            return
        part = min(-log(max(result.truth, 1e-300)), CAP) / CAP
        self.probable += 1
        self.between += int(0 < result.truth < 1)
        self.loss += part
        self.squares += part * part
        if result.score is not None:
            self.scores.append(result.score)
            self.positive.append(result.positive)


def label_result(row: Labelled) -> LabelResult:
    """What a row's label says."""
    if row.label_text is not None or row.prediction_label is not None:
        text = _text(row.label_text, row.label)
        said = _text(row.prediction_label, row.prediction)
        return _with(text, wrong=text != said and not _same_number(row), outputs=row.outputs)
    if row.label is None:
        return LabelResult(None)
    return _numbers(float(row.label), float(row.prediction), row.outputs)


def _numbers(label: float, prediction: float, outputs: Any) -> LabelResult:
    if isinstance(outputs, Mapping):
        return _with(class_name(label), wrong=label != prediction, outputs=outputs)
    listed = _listed(outputs, label)
    if listed is not None:
        return LabelResult(label != prediction, *listed)
    if label in (0.0, 1.0) and 0 <= prediction <= 1:
        truth = prediction if label else 1 - prediction
        return LabelResult((prediction >= 0.5) != bool(label), truth, prediction, bool(label))
    classes = prediction.is_integer() and label.is_integer()
    return LabelResult(label != prediction if classes else None)


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
