"""KServe's V1 protocol: `{"instances": [...]}` becomes `{"predictions": [...]}`."""

from typing import Any

import msgspec

from driftlead_inference.jobs import Job
from driftlead_inference.problems import unprocessable
from driftlead_inference.protocols.bodies import object_of, predictions, table
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


def reply(job: Job) -> bytes:
    """The body of an answer; `probabilities` where they were asked for."""
    return msgspec.json.encode(predictions(job))
