"""The seed's protocol: `POST /predict` with `{"features": ...}`: a list, an object by name, or a list of
either."""

from typing import Any

import msgspec

from driftlead_inference.jobs import Job
from driftlead_inference.model.served import ServedModel
from driftlead_inference.problems import Refused, shown, unprocessable
from driftlead_inference.rows.validation import RowValidator


class Body(msgspec.Struct):
    """The request: `features` stays text until it is known what it should be."""

    features: msgspec.Raw


# Also what msgspec lets through of text that is no UTF-8, and of lists in lists in lists.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
decode_body = msgspec.json.Decoder(Body).decode
decode_numbers = msgspec.json.Decoder(list[float | None]).decode
decode_table = msgspec.json.Decoder(list[list[float | None]]).decode


class Request(msgspec.Struct):
    """Rows in the model's order. `raws`: their JSON text, where it can be logged as it came. `many`: a list
    was sent."""

    rows: list[list[Any]]
    raws: list[bytes] | None
    many: bool


def decode(body: bytes, validator: RowValidator, limit: int) -> Request:
    """The rows of a body. Raises `Refused` with the feature, what was seen and what was expected."""
    try:
        raw = decode_body(body).features
    except UNREADABLE as error:
        raise no_json(body, error) from error
    if validator.numeric:
        try:
            row = decode_numbers(raw)
        except UNREADABLE:
            return decode_other(bytes(raw), validator, limit)
        if len(row) != validator.width:
            raise validator.wrong_width(row)
        return Request([row], [bytes(raw)], many=False)
    return decode_other(bytes(raw), validator, limit)


def decode_other(raw: bytes, validator: RowValidator, limit: int) -> Request:
    """Everything but one list of numbers: several rows, names, text, and what must be refused with a
    sentence."""
    if validator.numeric:
        try:
            table = decode_table(raw)
        except UNREADABLE:
            pass
        else:
            check_count(len(table), limit)
            for index, row in enumerate(table):
                if len(row) != validator.width:
                    raise validator.wrong_width(row, index if len(table) > 1 else None)
            return Request(table, None, many=True)
    try:
        value = msgspec.json.decode(raw)
    except UNREADABLE as error:
        raise no_json(raw, error) from error
    if isinstance(value, dict):
        return Request([validator.admit_row(value)], None, many=False)
    if not isinstance(value, list):
        raise unprocessable(
            f"`features` is {shown(value)}; expected a list of {validator.width} values, "
            "an object by name, or a list of either",
            field="features",
            seen=shown(value),
            expected=f"a list of {validator.width} values",
        )
    if value and isinstance(value[0], list | dict):
        check_count(len(value), limit)
        return Request(validator.admit(value), None, many=True)
    return Request([validator.admit_row(value)], None, many=False)


def check_count(rows: int, limit: int) -> None:
    """Refuses no rows and too many rows."""
    if not 0 < rows <= limit:
        raise unprocessable(
            f"a request carries 1 to {limit} rows, seen {rows}; split it",
            field="features",
            seen=f"{rows} rows",
            expected=f"1 to {limit} rows",
        )


def no_json(body: bytes, error: Exception) -> Refused:
    """The refusal of a body that is no JSON, or not an object with `features`."""
    words = str(error)
    if isinstance(error, msgspec.ValidationError):
        return unprocessable(
            'the body must be an object like {"features": [...]}; ' + words,
            field="features",
            expected="features",
        )
    hint = ""
    if b"NaN" in body or b"Infinity" in body:
        hint = "; NaN and Infinity are no JSON: send null for a missing value"
    return unprocessable(f"the body is no JSON: {words}{hint}", expected="JSON")


def reply(job: Job, serving: ServedModel, many: bool) -> bytes:
    """The body of an answer."""
    outputs, start = job.outputs, job.start
    if outputs is None:  # a job is answered before it is replied to
        raise RuntimeError("a reply without outputs")
    end = start + len(job.rows)
    if many:
        head = b'{"predictions":[%b]' % b",".join(outputs.texts[start:end])
    else:
        head = b'{"prediction":%b' % outputs.texts[start]
    tail = b'"}'
    if job.probabilities and outputs.probabilities is not None:
        likely = outputs.probabilities[start:end]
        tail = b'","probabilities":%b}' % msgspec.json.encode(likely if many else likely[0])
    return b"%b%b%b%b" % (head, serving.middle, job.request_id.encode(), tail)
