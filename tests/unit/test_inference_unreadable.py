"""Bodies that a fuzzer found, and their like: each is refused with a sentence, and at once."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from driftlead_inference.problems import Refused
from driftlead_inference.protocols import feedback, kserve_v1, mlflow, open_inference, predict
from driftlead_inference.rows.signature import Feature, Signature, unnamed
from driftlead_inference.rows.validation import RowValidator

NUMBERS = RowValidator(unnamed(3), frozenset())
NAMED = RowValidator(Signature((Feature("a"), Feature("b", "string", "object")), named=True), frozenset())
DEEP = b"[" * 100_000
PARSERS: dict[str, Callable[[bytes, RowValidator], Any]] = {
    "predict": lambda body, validator: predict.decode(body, validator, 9),
    "instances": lambda body, validator: kserve_v1.decode(body, validator, 9),
    "inputs": lambda body, validator: open_inference.decode(body, None, validator, 9),
    "dataframe": lambda body, validator: mlflow.decode(body, b"application/json", validator, 9),
    "csv": lambda body, validator: mlflow.decode(body, b"text/csv", validator, 9),
    "feedback": lambda body, validator: feedback.decode(body, 9),
}
BODIES = {
    "no UTF-8 in a name": b'{"\x97": [1, 2, 3]}',
    "no UTF-8 in a value": b'{"features": [1, "\xff", 3], "instances": ["\xff"], "inputs": ["\xff"]}',
    "no UTF-8 in a row": b'{"features": {"a": 1, "b": "\xfe"}}',
    "lists in lists": DEEP,
    "lists in lists below the name": b'{"features": ' + DEEP + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("parser", PARSERS)
def test_what_no_parser_can_read_is_refused_and_not_a_failure_of_the_server(parser: str, body: str) -> None:
    for validator in (NUMBERS, NAMED):
        with pytest.raises(Refused) as caught:
            PARSERS[parser](BODIES[body], validator)
        assert caught.value.problem.status == 422
        assert caught.value.problem.detail


def test_a_shape_of_very_many_sizes_is_not_multiplied() -> None:
    tensor = {"name": "x", "shape": [10**18] * 200_000, "datatype": "FP32", "data": []}
    with pytest.raises(Refused, match="served are"):
        PARSERS["inputs"](json.dumps({"inputs": [tensor]}).encode(), NUMBERS)


def test_a_length_of_more_digits_than_a_number_may_have_is_refused() -> None:
    with pytest.raises(Refused, match="Inference-Header-Content-Length"):
        open_inference.decode(b"{}", b"9" * 5000, NUMBERS, 9)
