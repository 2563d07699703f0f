"""What a row becomes for the model depends on that row and the signature, on nothing else."""

from typing import Any

import numpy as np
import pytest

from driftlead_inference.model import frames
from driftlead_inference.rows.signature import Feature, Signature, unnamed
from driftlead_inference.rows.times import nanoseconds

WHOLE = Signature((Feature("n", "integer", "int64"), Feature("x")), named=True)
SECOND = 1_000_000_000


class Types:
    """Answers with the type of the first column, row by row, and remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def predict(self, data: Any, probabilities: bool = False) -> tuple[Any, Any]:
        self.seen.append(data)
        first = data.iloc[:, 0] if hasattr(data, "iloc") else data[:, 0]
        return np.array([f"{first.dtype} {value}" for value in first]), None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01", SECOND),
        ("1970-01-01 00:00:01.5", SECOND * 3 // 2),
        ("1970-01-01T00:00:00.123456789", 123_456_789),
        ("1970-01-01T00:00:00.1234567Z", 123_456_700),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:59:59Z", -SECOND),
        ("1677-01-01", None),
        ("2263-01-01", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_is_nanoseconds_in_utc(text: str, count: int | None) -> None:
    assert nanoseconds(text) == count


def test_a_neighbours_null_does_not_change_the_type_of_a_row() -> None:
    rows = [[7, 1.0], [None, 2.0], [2**53 + 1, None]]
    answers, _ = frames.predict(Types(), WHOLE, "frame", rows)
    assert answers.tolist() == ["int64 7", "float64 nan", f"int64 {2**53 + 1}"]


def test_rows_without_such_a_null_are_asked_at_once() -> None:
    model = Types()
    frames.predict(model, WHOLE, "frame", [[1, None], [2, 0.5], [3, None]])
    assert len(model.seen) == 1


@pytest.mark.parametrize(("missing", "held"), [("nan", True), ("none", False)])
def test_a_missing_text_is_what_training_held(missing: Any, held: bool) -> None:
    signature = Signature((Feature("t", "string", "object", missing=missing),), named=True)
    value = frames.frame(signature, [["a"], [None]])["t"].tolist()[1]
    assert (value != value) is held  # noqa: PLR0124 - NaN alone differs from itself
    assert (value is None) is not held


def test_times_have_one_unit_whatever_their_texts() -> None:
    signature = Signature((Feature("ts", "datetime", "datetime64[ns]"),), named=True)
    table = frames.frame(signature, [["2024-01-02"], [None], ["2024-01-01T00:00:00.123456789"]])
    assert str(table["ts"].dtype) == "datetime64[ns]"
    assert table["ts"].isna().tolist() == [False, True, False]


def test_a_tensor_of_integers_keeps_every_digit() -> None:
    answers, _ = frames.predict(Types(), unnamed(1, "int64"), "array", [[2**53 + 1], [None]])
    assert answers.tolist() == [f"int64 {2**53 + 1}", "float64 nan"]


@pytest.mark.parametrize(
    ("signature", "takes", "exact"),
    [(WHOLE, "frame", True), (WHOLE, "array", False), (unnamed(2), "array", False),
     (unnamed(2, "int64"), "array", True)],
)  # fmt: skip
def test_integers_are_read_exactly_where_the_model_gets_integers(
    signature: Signature, takes: str, exact: bool
) -> None:
    assert signature.exact(takes) is exact
