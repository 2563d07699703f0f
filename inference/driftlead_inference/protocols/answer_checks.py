"""What may be wrong with another server's answers to a request, before a user gets them as ours. Pure.

An answer passes where ours would be of the same form: one for each row, of the type and the number of values
that our own model's smoke prediction had. No protocol has an answer that is NaN, infinite or null.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from driftlead_inference.model.served import ServedModel
from driftlead_inference.problems import shown
from driftlead_inference.protocols.protocol import JSON, Reply, Request
from driftlead_inference.traffic.outcome import Cause, Fault

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
NOT_JSON = (b"NaN", b"Infinity")


R = TypeVar("R", bound=Request)
Checking = Callable[[Reply, R, ServedModel], None]


class Unfit(Exception):  # noqa: N818 - a property of an answer
    """Carries a fault from where it is seen."""

    def __init__(self, cause: Cause, seen: str) -> None:
        super().__init__(seen)
        self.fault = Fault(cause, seen, 200)


def finding(check: Checking[R]) -> Callable[[Reply, R, ServedModel], Fault | None]:
    """A protocol's check as it is asked: a fault, or None."""

    def fault(reply: Reply, request: R, served: ServedModel) -> Fault | None:
        try:
            check(reply, request, served)
        except Unfit as unfit:
            return unfit.fault
        return None

    return fault


def object_in(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises `Unfit`."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE as error:
        if any(word in body for word in NOT_JSON):
            raise Unfit(Cause.NO_NUMBER, "its body holds NaN or Infinity") from error
        raise Unfit(Cause.UNREADABLE, f"its body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise Unfit(Cause.UNREADABLE, f"its body is {shown(document)}, not an object")
    return document


def check_predictions(reply: Reply, request: Request, served: ServedModel) -> None:
    """Checks `{"predictions": [...]}`, as V1 and MLflow answer. Raises `Unfit`."""
    check_kind(reply)
    document = object_in(reply.body)
    check_answers(member(document, "predictions"), len(request.rows), served)
    check_probabilities(document, len(request.rows), request.probabilities, served)


def check_kind(reply: Reply, wanted: bytes = JSON) -> None:
    """Holds the content type against what we would send. Raises `Unfit`."""
    if reply.content_type.split(b";")[0].strip().lower() != wanted:
        seen = reply.content_type.decode(errors="replace")
        raise Unfit(Cause.UNREADABLE, f"its content type is {seen!r}, not {wanted.decode()}")


def member(document: dict[str, Any], name: str) -> Any:
    """What an answer must have. Raises `Unfit`."""
    if name not in document:
        raise Unfit(Cause.UNREADABLE, f"it has no `{name}`, but {', '.join(sorted(document)) or 'nothing'}")
    return document[name]


def check_answers(answers: object, rows: int, served: ServedModel) -> None:
    """Holds answers against the rows and our model's form. Raises `Unfit`."""
    check_count(answers, rows)
    assert isinstance(answers, list)  # noqa: S101 - it was counted
    for answer in answers:
        check_answer(answer, served)


def check_count(answers: object, rows: int) -> None:
    """One for each row, in a list. Raises `Unfit`."""
    if not isinstance(answers, list):
        raise Unfit(Cause.UNREADABLE, f"its answers are {shown(answers)}, not a list")
    if len(answers) != rows:
        raise Unfit(Cause.COUNT, f"{len(answers)} answers for {rows} rows")


def check_answer(answer: object, served: ServedModel) -> None:
    """Holds one row's answer against our model's form. Raises `Unfit`."""
    form = served.known.answer
    values = answer if isinstance(answer, list) else [answer]
    check_numbers(values)
    if not form.dtype or form.dtype == "object":
        return
    wanted = form.width if form.shape else None
    if (len(answer) if isinstance(answer, list) else None) != wanted:
        raise Unfit(Cause.SHAPE, f"an answer is {shown(answer)}, ours is {in_words(form.shape, form.dtype)}")
    truth = form.dtype == "bool"
    if any(isinstance(value, bool) is not truth or not isinstance(value, int | float) for value in values):
        raise Unfit(Cause.SHAPE, f"an answer is {shown(answer)}, ours is {in_words(form.shape, form.dtype)}")


def check_numbers(values: Sequence[object]) -> None:
    """Refuses null, NaN and infinities, however deep. Raises `Unfit`."""
    for value in values:
        if isinstance(value, list):
            check_numbers(value)
        elif value is None or (isinstance(value, float) and not math.isfinite(value)):
            raise Unfit(Cause.NO_NUMBER, f"an answer is {shown(value)}")


def check_probabilities(document: dict[str, Any], rows: int, wanted: bool, served: ServedModel) -> None:
    """Holds a member `probabilities` against what we would answer. Raises `Unfit`."""
    known = served.known
    expected = wanted and known.probabilities
    if ("probabilities" in document) != expected:
        words = "it has no probabilities, ours has" if expected else "it has probabilities, ours has none"
        raise Unfit(Cause.SHAPE, words)
    if expected:
        check_likely(document["probabilities"], rows, served)


def check_likely(likely: object, rows: int, served: ServedModel) -> None:
    """Probabilities of each row, one for each class of ours. Raises `Unfit`."""
    check_count(likely, rows)
    assert isinstance(likely, list)  # noqa: S101 - it was counted
    width = None if served.known.classes is None else len(served.known.classes)
    for row in likely:
        if not isinstance(row, list) or (width is not None and len(row) != width):
            raise Unfit(Cause.SHAPE, f"probabilities are {shown(row)}, ours are {width} numbers")
        check_numbers(row)
        if any(isinstance(share, bool) or not isinstance(share, int | float) for share in row):
            raise Unfit(Cause.SHAPE, f"probabilities are {shown(row)}, ours are numbers")


def in_words(shape: tuple[int, ...], dtype: str) -> str:
    """Our form in a sentence."""
    return f"{dtype} of shape {list(shape)}" if shape else dtype
