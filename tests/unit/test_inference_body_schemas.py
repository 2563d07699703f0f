"""What the published schema of a body takes, its parser takes too; and the example that stands beside it."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from driftlead_inference.model.served import ServedModel
from driftlead_inference.protocols import PROTOCOLS
from driftlead_inference.protocols.kserve_v1 import KSERVE_V1
from driftlead_inference.protocols.mlflow import MLFLOW
from driftlead_inference.protocols.predict import PREDICT
from driftlead_inference.protocols.protocol import Incoming, Protocol
from driftlead_inference.rows.validation import RowValidator
from fuzz.targets import MIXED, NUMBERS
from serving import known

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
BY_ROWS = [PREDICT, KSERVE_V1, MLFLOW]


def taken(protocol: Protocol[Any], validator: RowValidator, body: Any) -> list[list[Any]]:
    incoming = Incoming({}, json.dumps(body).encode(), b"", {}, "id-1")
    return protocol.read(incoming, ServedModel(known(validator), validator, ""), 9).rows


@pytest.mark.parametrize("protocol", BY_ROWS, ids=lambda each: each.tag)
@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_row_that_fits_the_schema_is_taken_by_the_parser(number: int, protocol: Protocol[Any]) -> None:
    validator, row = ROWS[number]
    schema = protocol.body_schema(validator)
    (member,) = schema["required"]
    body = {member: [row]}
    Draft202012Validator.check_schema(schema)
    fits = Draft202012Validator(schema).is_valid(body)
    assert fits == (number in TAKEN)
    if fits:
        assert len(taken(protocol, validator, body)[0]) == validator.width


def test_one_row_needs_no_list_around_it_in_predict_alone() -> None:
    for protocol, alone in ((PREDICT, True), (KSERVE_V1, False)):
        schema = protocol.body_schema(NUMBERS)
        (member,) = schema["required"]
        assert Draft202012Validator(schema).is_valid({member: [1, 2, 3]}) is alone


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda each: each.tag)
def test_a_protocols_own_example_fits_its_schema_and_is_taken(protocol: Protocol[Any]) -> None:
    body = protocol.example([1.0, 2.0, 3.0])
    assert Draft202012Validator(protocol.body_schema(NUMBERS)).is_valid(body)
    assert taken(protocol, NUMBERS, body) == [[1.0, 2.0, 3.0]]


def test_no_two_protocols_share_a_path() -> None:
    paths = [path for protocol in PROTOCOLS for path in protocol.paths]
    assert len(paths) == len(set(paths))
