"""KServe's V1 protocol: `{"instances": [...]}` becomes `{"predictions": [...]}`."""

from typing import Any

import msgspec

from driftlead_inference.jobs import Job
from driftlead_inference.model.served import ServedModel
from driftlead_inference.problems import unprocessable
from driftlead_inference.protocols.answer_checks import check_predictions, finding
from driftlead_inference.protocols.bodies import object_of, predictions, table, wants_probabilities
from driftlead_inference.protocols.protocol import Incoming, Protocol, Reply, Request
from driftlead_inference.protocols.schemas import holding, rows
from driftlead_inference.rows.validation import RowValidator


def decode(body: bytes, validator: RowValidator, limit: int) -> list[list[Any]]:
    """The rows. Raises `Refused`."""
    document = object_of(body)
    if "instances" not in document:
        raise unprocessable(
            'the body has no `instances`; send {"instances": [[...], ...]}',
            field="instances",
            expected="a list",
        )
    return table(document["instances"], validator, limit, "instances")


def read(incoming: Incoming, served: ServedModel, limit: int) -> Request:
    """The rows of a whole request. Raises `Refused`."""
    rows = decode(incoming.body, served.validator, limit)
    return Request(rows, probabilities=wants_probabilities(incoming.query))


def encode(job: Job) -> bytes:
    """The body of an answer; `probabilities` where they were asked for."""
    return msgspec.json.encode(predictions(job))


KSERVE_V1 = Protocol(
    paths=("/v1/models/{model}:predict",),
    tag="KServe V1",
    summary="Instances",
    error_members=("error",),
    read=read,
    reply=lambda job, request, served: Reply(encode(job)),
    fault=finding(check_predictions),
    body_schema=lambda validator: holding("instances", rows(validator)),
    example=lambda row: {"instances": [row]},
)
