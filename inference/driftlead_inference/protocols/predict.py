"""The seed's protocol: `POST /predict` with `{"features": ...}`: a list, an object by name, or a list of
either."""

import msgspec

from driftlead_inference.jobs import Job
from driftlead_inference.model.served import ServedModel
from driftlead_inference.problems import shown, unprocessable
from driftlead_inference.protocols.answer_checks import (
    check_answer,
    check_answers,
    check_kind,
    check_probabilities,
    finding,
    member,
    object_in,
)
from driftlead_inference.protocols.bodies import UNREADABLE, check_count, invalid_json, wants_probabilities
from driftlead_inference.protocols.protocol import Incoming, Protocol, Reply, Request
from driftlead_inference.protocols.schemas import holding, row, rows
from driftlead_inference.rows.validation import RowValidator

PATH = "/predict"


class Body(msgspec.Struct):
    """The request: `features` stays text until it is known what it should be."""

    features: msgspec.Raw


decode_body = msgspec.json.Decoder(Body).decode
decode_numbers = msgspec.json.Decoder(list[float | None]).decode
decode_table = msgspec.json.Decoder(list[list[float | None]]).decode


class PredictRequest(Request, kw_only=True):
    """`many`: a list of rows was sent, so a list is answered."""

    many: bool = False


def decode(body: bytes, validator: RowValidator, limit: int) -> PredictRequest:
    """The rows of a body. Raises `Refused` with the feature, what was seen and what was expected."""
    try:
        raw = decode_body(body).features
    except msgspec.ValidationError as error:
        raise unprocessable(
            f'the body must be an object like {{"features": [...]}}; {error}',
            field="features",
            expected="features",
        ) from error
    except UNREADABLE as error:
        raise invalid_json(body, error) from error
    if validator.floats:
        try:
            row = decode_numbers(raw)
        except UNREADABLE:
            return decode_other(bytes(raw), validator, limit)
        if len(row) != validator.width:
            raise validator.wrong_width(row)
        return PredictRequest([row], [bytes(raw)])
    return decode_other(bytes(raw), validator, limit)


def decode_other(raw: bytes, validator: RowValidator, limit: int) -> PredictRequest:
    """Everything but one list of numbers: several rows, names, text, and what must be refused with a
    sentence."""
    if validator.floats:
        try:
            table = decode_table(raw)
        except UNREADABLE:
            pass
        else:
            check_count(len(table), limit)
            for index, row in enumerate(table):
                if len(row) != validator.width:
                    raise validator.wrong_width(row, index if len(table) > 1 else None)
            return PredictRequest(table, None, many=True)
    try:
        value = msgspec.json.decode(raw)
    except UNREADABLE as error:
        raise invalid_json(raw, error) from error
    if isinstance(value, dict):
        return PredictRequest([validator.admit_row(value)], None, many=False)
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
        return PredictRequest(validator.admit(value), None, many=True)
    return PredictRequest([validator.admit_row(value)], None, many=False)


def encode(job: Job, serving: ServedModel, many: bool) -> bytes:
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


def read(incoming: Incoming, served: ServedModel, limit: int) -> PredictRequest:
    """The rows of a whole request. Raises `Refused`."""
    request = decode(incoming.body, served.validator, limit)
    request.probabilities = wants_probabilities(incoming.query)
    return request


def reply(job: Job, request: PredictRequest, served: ServedModel) -> Reply:
    """An answered job."""
    return Reply(encode(job, served, request.many))


def check(reply: Reply, request: PredictRequest, served: ServedModel) -> None:
    """Checks another server's answer. Raises `Unfit`."""
    check_kind(reply)
    document = object_in(reply.body)
    for name in ("model_name", "model_version", "request_id"):
        member(document, name)
    if request.many:
        check_answers(member(document, "predictions"), len(request.rows), served)
    else:
        check_answer(member(document, "prediction"), served)
        if "probabilities" in document:
            document["probabilities"] = [document["probabilities"]]
    check_probabilities(document, len(request.rows), request.probabilities, served)


PREDICT = Protocol(
    paths=(PATH,),
    tag="driftlead",
    summary="One row, or a list of rows; by position, or by name",
    read=read,
    reply=reply,
    fault=finding(check),
    body_schema=lambda validator: holding("features", {"anyOf": [row(validator), rows(validator)]}),
    example=lambda row: {"features": row},
)
