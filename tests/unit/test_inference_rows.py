"""What a row may be, and the sentence for what it may not."""

import numpy as np
import pytest

from driftlead_inference.problems import Refused
from driftlead_inference.rows.signature import (
    Feature,
    Signature,
    Unservable,
    from_estimator,
    from_mlflow,
    unnamed,
)
from driftlead_inference.rows.validation import RowValidator

NAMED = Signature(
    (
        Feature("temp"),
        Feature("seats", "integer", "int64"),
        Feature("late", "boolean", "bool"),
        Feature("carrier", "string", "object"),
        Feature("when", "datetime", "datetime64[ns]"),
    ),
    named=True,
)
VALIDATOR = RowValidator(NAMED, frozenset({0}))
GOOD = {"temp": 1, "seats": 2.0, "late": True, "carrier": "AA", "when": "2013-07-01T10:00:00"}


def refusal(validator: RowValidator, row: object) -> dict[str, object]:
    with pytest.raises(Refused) as caught:
        validator.admit_row(row)
    problem = caught.value.problem
    assert problem.status == 422
    return {"detail": problem.detail, **problem.about}


def test_an_object_becomes_a_row_in_the_signatures_order() -> None:
    assert VALIDATOR.admit_row(dict(reversed(GOOD.items()))) == [1.0, 2, True, "AA", "2013-07-01T10:00:00"]


def test_whole_floats_go_into_integer_columns_and_fractions_do_not() -> None:
    assert VALIDATOR.admit_row(GOOD)[1] == 2
    assert refusal(VALIDATOR, {**GOOD, "seats": 2.5})["field"] == "seats"


def test_a_null_is_taken_where_the_model_answers_it() -> None:
    assert VALIDATOR.admit_row({**GOOD, "temp": None})[0] is None
    said = refusal(VALIDATOR, {**GOOD, "seats": None})
    assert (said["field"], said["seen"]) == ("seats", "null")


def test_a_feature_that_is_absent_is_refused_though_its_null_is_taken() -> None:
    said = refusal(VALIDATOR, {key: value for key, value in GOOD.items() if key != "temp"})
    assert said["field"] == "temp"
    assert VALIDATOR.admit_row({**GOOD, "temp": None})[0] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("temp", "1"), ("temp", True), ("temp", 10**400), ("seats", 2**63), ("late", 2), ("carrier", 3),
     ("carrier", "a\0b"), ("when", "yesterday")],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_named(field: str, value: object) -> None:
    said = refusal(VALIDATOR, {**GOOD, field: value})
    assert said["field"] == field
    assert "expected" in said


def test_an_unknown_feature_is_named_with_those_that_exist() -> None:
    said = refusal(VALIDATOR, {**GOOD, "tmp": 1})
    assert said["field"] == "tmp"
    assert "temp, seats" in str(said["detail"])


def test_names_do_not_help_where_the_model_knows_none() -> None:
    assert "no names" in str(refusal(RowValidator(unnamed(2), frozenset()), {"a": 1})["detail"])


def test_the_width_is_said() -> None:
    said = refusal(RowValidator(unnamed(3), frozenset()), [1, 2])
    assert (said["seen"], said["expected"]) == ("2 values", "3 values")


def test_which_of_several_rows_is_wrong_is_said() -> None:
    with pytest.raises(Refused, match="row 1: "):
        RowValidator(unnamed(1), frozenset()).admit([[1], ["a"]])


def fits(validator: RowValidator, row: list[float]) -> bool:
    matrix = np.array([row])
    with np.errstate(over="ignore"):
        usual = validator.usual(matrix, matrix.astype(np.float32))
    assert usual == (validator.fault(matrix[0]) is None)
    return usual


def test_a_batch_is_looked_at_as_each_of_its_rows_would_be() -> None:
    validator = RowValidator(unnamed(2), frozenset({1}))
    assert fits(validator, [1, 2])
    assert fits(validator, [1, np.nan])
    assert not fits(validator, [np.nan, 1])
    assert not fits(validator, [1e39, 1])
    assert not fits(validator, [np.inf, 1])
    assert fits(RowValidator(unnamed(2), frozenset({1}), accepts_huge=True), [1e39, 1])
    assert not fits(RowValidator(unnamed(2), frozenset({1}), accepts_huge=True), [-np.inf, 1])
    whole = RowValidator(unnamed(2, "int64"), frozenset({1}))
    assert fits(whole, [1, np.nan])
    assert not fits(whole, [1.5, 1])


@pytest.mark.parametrize(
    "row",
    [[1, 2.5], [-0.0, 1e-45], [3.4e38, 1], [1e39, 1], [3.4e38, 3.4e38], [np.nan, 1], [np.inf, 1], [None, 1]],
)
def test_one_row_is_packed_as_a_batch_would_be_or_left_to_the_closer_look(row: list[float | None]) -> None:
    matrix = np.array([row], dtype=np.float64)
    with np.errstate(over="ignore"):
        singles = matrix.astype("<f4")
    for validator in (
        RowValidator(unnamed(2), frozenset({0, 1})),
        RowValidator(unnamed(2, "int64"), frozenset()),
    ):
        packed = validator.packed(row)
        assert packed is None or (packed == singles.tobytes() and validator.usual(matrix, singles))
    assert (RowValidator(unnamed(2), frozenset()).packed(row) is None) == (not np.isfinite(singles).all())


def test_mlflows_columns_and_tensors_are_understood() -> None:
    columns = from_mlflow([{"type": "double", "name": "a"}, {"type": "long", "name": "b", "required": False}])
    assert [(f.name, f.kind, f.required) for f in columns.features] == [
        ("a", "float", True),
        ("b", "integer", False),
    ]
    assert columns.named
    tensor = from_mlflow([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}])
    assert (len(tensor.features), tensor.named, tensor.numeric) == (4, False, True)


@pytest.mark.parametrize(
    "inputs",
    [[], [{"type": "binary", "name": "a"}],
     [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 8, 8]}}],
     [{"type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1, 8]}}]],
)  # fmt: skip
def test_what_no_row_can_hold_is_not_served(inputs: list[dict[str, object]]) -> None:
    with pytest.raises(Unservable):
        from_mlflow(inputs)


def test_an_estimator_speaks_for_itself_where_no_signature_does() -> None:
    class Fitted:
        n_features_in_ = 2

    assert from_estimator(Fitted()) == unnamed(2)
    Fitted.feature_names_in_ = np.array(["a", "b"])  # type: ignore[attr-defined]
    assert from_estimator(Fitted()).names == ["a", "b"]
    with pytest.raises(Unservable):
        from_estimator(object())
