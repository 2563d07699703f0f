"""What the published schema of a body takes, its parser takes too; and the example that stands beside it."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from driftlead_inference.fronts import body_schemas
from driftlead_inference.protocols import kserve_v1, mlflow, predict
from driftlead_inference.rows.validation import RowValidator
from fuzz.targets import MIXED, NUMBERS

NAMED = {"temp": 1.5, "seats": 3, "open": None, "port": "a", "day": "2026-01-01T00:00:00Z"}
ROWS: list[tuple[RowValidator, Any]] = [
    (NUMBERS, [1.5, None, -3]),
    (NUMBERS, [1.5, 2, None]),
    (NUMBERS, [1.5, 2]),
    (NUMBERS, ["1", 2, 3]),
    (NUMBERS, [1e39, 2, 3]),
    (MIXED, NAMED),
    (MIXED, list(NAMED.values())),
    (MIXED, {**NAMED, "seats": 1.5}),
    (MIXED, {**NAMED, "port": None}),
    (MIXED, {**NAMED, "other": 1}),
    (MIXED, {name: value for name, value in NAMED.items() if name != "day"}),
]
TAKEN = {0, 5, 6}
PARSERS = {
    "/predict": lambda body, validator: predict.decode(body, validator, 9).rows,
    "/v1/models/{model}:predict": lambda body, validator: kserve_v1.decode(body, validator, 9),
    "/invocations": lambda body, validator: mlflow.decode(body, b"application/json", validator, 9),
}


@pytest.mark.parametrize("path", PARSERS)
@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_row_that_fits_the_schema_is_taken_by_the_parser(number: int, path: str) -> None:
    validator, row = ROWS[number]
    schema = body_schemas.bodies(validator)[path]
    (member,) = schema["required"]
    body = {member: [row]}
    Draft202012Validator.check_schema(schema)
    fits = Draft202012Validator(schema).is_valid(body)
    assert fits == (number in TAKEN)
    if fits:
        assert len(PARSERS[path](json.dumps(body).encode(), validator)[0]) == validator.width


def test_one_row_needs_no_list_around_it_in_predict_alone() -> None:
    for path, taken in (("/predict", True), ("/v1/models/{model}:predict", False)):
        schema = body_schemas.bodies(NUMBERS)[path]
        (member,) = schema["required"]
        assert Draft202012Validator(schema).is_valid({member: [1, 2, 3]}) is taken
