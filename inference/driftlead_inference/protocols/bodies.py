"""What the protocols share: JSON objects, tables of rows, answers row by row."""

from typing import Any

import msgspec

from driftlead_inference.engines.outputs import Outputs
from driftlead_inference.jobs import Job
from driftlead_inference.problems import shown, unprocessable
from driftlead_inference.protocols.predict import UNREADABLE, check_count, no_json
from driftlead_inference.rows.validation import RowValidator


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object that a body must be. Raises `Refused`."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise no_json(body, error) from error
    if not isinstance(document, dict):
        raise unprocessable(f"the body must be a JSON object, seen {shown(document)}", expected="an object")
    return document


def table(value: object, validator: RowValidator, limit: int, field: str) -> list[list[Any]]:
    """Rows by position or by name. Raises `Refused`."""
    if not isinstance(value, list):
        raise unprocessable(
            f"`{field}` is {shown(value)}; expected a list of rows",
            field=field,
            seen=shown(value),
            expected="a list",
        )
    check_count(len(value), limit)
    return validator.admit(value)


def answered(job: Job) -> Outputs:
    """The outputs of a job that was answered."""
    if job.outputs is None:
        raise RuntimeError("a reply without outputs")
    return job.outputs


def answers(job: Job) -> list[msgspec.Raw]:
    """The job's answers as JSON, row by row."""
    texts = answered(job).texts[job.start : job.start + len(job.rows)]
    return [msgspec.Raw(text) for text in texts]


def likelihoods(job: Job) -> list[list[float]] | None:
    """The job's probabilities, row by row, where it asked for them and the model has them."""
    probabilities = answered(job).probabilities
    if not job.probabilities or probabilities is None:
        return None
    return probabilities[job.start : job.start + len(job.rows)]


def predictions(job: Job) -> dict[str, Any]:
    """`predictions`, and `probabilities` where they were asked for."""
    document: dict[str, Any] = {"predictions": answers(job)}
    likely = likelihoods(job)
    if likely is not None:
        document["probabilities"] = likely
    return document
