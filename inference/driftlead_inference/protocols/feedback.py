"""`POST /feedback`: what was true of rows that were predicted earlier, one label or a list. Pure."""

import math

import msgspec

from driftlead_inference.jobs import REQUEST_ID
from driftlead_inference.labels import MOST_ROWS, Label
from driftlead_inference.problems import Refused, shown, unprocessable
from driftlead_inference.protocols.bodies import UNREADABLE, check_count, invalid_json
from driftlead_inference.protocols.protocol import Endpoint, Schema

EXAMPLE = {"request_id": "5f1c-1", "label": 1}
LABEL: Schema = {
    "type": "object",
    "required": ["request_id", "label"],
    "additionalProperties": False,
    "properties": {
        "request_id": {
            "type": "string",
            "pattern": f"^{REQUEST_ID.pattern.decode()}$",
            "description": "What the prediction's reply said.",
        },
        "label": {
            "type": ["number", "string", "boolean"],
            "pattern": "^[^\\u0000]*$",
            "description": "What was true, as `/predict` says it.",
        },
        "row": {
            "type": "integer",
            "minimum": 0,
            "maximum": MOST_ROWS,
            "default": 0,
            "description": "The row in its request.",
        },
        "observed_at": {"type": ["string", "null"], "format": "date-time"},
    },
}
COUNT: Schema = {"type": "integer", "minimum": 0}
BODY: Schema = {"anyOf": [LABEL, {"type": "array", "items": LABEL, "minItems": 1}]}
FEEDBACK = Endpoint(
    paths=("/feedback",),
    tag="driftlead",
    summary="What was true of rows predicted earlier: one label or a list; the first of a row counts",
    answer="All are stored; `stored` of them were new",
    answer_schema={"type": "object", "properties": {"received": COUNT, "stored": COUNT}},
    refusals={
        "401": "The token is missing or wrong",
        "409": "This server logs no predictions",
        "413": "The body is too large",
        "422": "A label does not fit: which one, what was seen, what was expected",
        "503": "Postgres does not take labels now; nothing is acknowledged, send them again",
    },
)

decode_labels = msgspec.json.Decoder(Label | list[Label]).decode


def decode(body: bytes, limit: int) -> list[Label]:
    """The labels of a body. Raises `Refused` with the place, what was seen and what was expected."""
    try:
        found = decode_labels(body)
    except msgspec.ValidationError as error:
        example = msgspec.json.encode(EXAMPLE).decode()
        raise unprocessable(f"the body must be {example}, or a list of such; {error}") from error
    except UNREADABLE as error:
        raise invalid_json(body, error) from error
    labels = [found] if isinstance(found, Label) else found
    check_count(len(labels), limit)
    for place, label in enumerate(labels):
        check(label, place)
    return labels


def check(label: Label, place: int) -> None:
    """Refuses what no row can be found by, and what the table cannot hold."""
    if not REQUEST_ID.fullmatch(label.request_id.encode()):
        raise refused(
            place, "request_id", label.request_id, "the id that the reply had: 1 to 128 visible ASCII signs"
        )
    if label.number is not None and not math.isfinite(label.number):
        raise refused(place, "label", label.label, "a finite number")
    if label.text is not None and "\0" in label.text:
        raise refused(place, "label", label.label, "text without NUL")


def refused(place: int, field: str, value: object, expected: str) -> Refused:
    """The refusal of one label's member."""
    seen = shown(value)
    return unprocessable(
        f"label {place}: `{field}` is {seen}; expected {expected}", field=field, seen=seen, expected=expected
    )


def reply(received: int, stored: int) -> bytes:
    """The body of an answer: how many labels came, and how many of them were not known yet."""
    return b'{"received":%d,"stored":%d}' % (received, stored)
