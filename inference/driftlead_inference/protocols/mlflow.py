"""MLflow's scoring protocol at `/invocations`: split, records, instances, inputs as JSON, or CSV.

MLflow's own client writes a gap of a frame as `NaN`, which no other JSON has, and a gap between times as the
text "NaT". Both are null here, as they are to MLflow's server; `/predict` takes JSON alone.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from driftlead_inference.jobs import Job
from driftlead_inference.model.served import ServedModel
from driftlead_inference.problems import Problem, Refused, shown, unprocessable
from driftlead_inference.protocols.answer_checks import check_predictions, finding
from driftlead_inference.protocols.bodies import (
    by_column,
    in_place,
    object_of,
    once,
    predictions,
    table,
    wants_probabilities,
)
from driftlead_inference.protocols.csv_body import from_csv
from driftlead_inference.protocols.protocol import Incoming, Protocol, Reply, Request
from driftlead_inference.protocols.schemas import holding, rows
from driftlead_inference.rows.signature import Feature
from driftlead_inference.rows.validation import RowValidator

# A string as a whole, also one without an end, or NaN outside of any. Nothing of it is tried twice.
STRING_OR_NAN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|NaN', re.DOTALL)
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def decode(body: bytes, content_type: bytes, validator: RowValidator, limit: int) -> list[list[Any]]:
    """The rows. Raises `Refused`."""
    kind = content_type.split(b";")[0].strip().lower()
    if kind == b"text/csv":
        return from_csv(body, validator, limit)
    if kind not in (b"application/json", b"application/x-www-form-urlencoded", b""):
        raise Refused(
            Problem(
                415, f"the content type {kind.decode(errors='replace')!r} is not served; send JSON or CSV"
            )
        )
    document = object_with_gaps(body)
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        raise unprocessable(
            f"the body must hold one of {', '.join(FORMS)}; seen {', '.join(sorted(document)) or 'nothing'}",
            expected=" | ".join(FORMS),
        )
    if document.get("params"):
        raise unprocessable(
            f"`params` is {shown(document['params'])}; requests share batches, so the model answers all of "
            "them with the defaults of its signature: leave params out, or log a model that has them fixed",
            field="params",
            seen=shown(document["params"]),
            expected="no params",
        )
    value = document[forms[0]]
    if forms[0] == "dataframe_split":
        value = from_split(value, validator)
    elif isinstance(value, dict):
        value = from_columns(value, forms[0])
    elif isinstance(value, list) and value and not isinstance(value[0], list | dict):
        value = [value]  # one row, as MLflow takes it
    return table(
        [known(row, validator) for row in value] if isinstance(value, list) else value,
        validator,
        limit,
        forms[0],
    )


def object_with_gaps(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, where NaN may stand for null. Raises `Refused`."""
    try:
        return object_of(body)
    except Refused:
        if b"NaN" not in body:
            raise
    return object_of(STRING_OR_NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], body))


def from_split(value: object, validator: RowValidator) -> object:
    """Pandas' split form; without columns, or for features without names, the order is the model's."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise unprocessable(
            f"`dataframe_split` is {shown(value)}; expected columns and data",
            field="dataframe_split",
            expected="columns and data",
        )
    columns = value.get("columns")
    if not isinstance(columns, list):
        return value["data"]
    if not validator.signature.named:
        in_place([str(column) for column in columns], validator, "dataframe_split")
        return value["data"]
    once(columns, "dataframe_split")
    return [by_column(columns, row) for row in value["data"]]


def from_columns(value: Mapping[str, Any], form: str) -> list[dict[str, Any]]:
    """An object of columns (each a list), or one row by name."""
    if not any(isinstance(column, list) for column in value.values()):
        return [dict(value)]
    lengths = {name: len(column) if isinstance(column, list) else -1 for name, column in value.items()}
    if len(set(lengths.values())) != 1:
        raise unprocessable(f"`{form}` has columns of different lengths: {shown(lengths)}", field=form)
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]


def known(row: object, validator: RowValidator) -> object:
    """A row without the columns that the model does not take, which MLflow ignores, and with null for NaT."""
    features = validator.signature.features
    if isinstance(row, list):
        if "NaT" not in row:
            return row
        return [gap(value, each) for value, each in zip(row, features, strict=False)] + row[len(features) :]
    if not isinstance(row, dict) or not validator.signature.named:
        return row
    if validator.known.issuperset(row) and "NaT" not in row.values():
        return row
    return {each.name: gap(row[each.name], each) for each in features if each.name in row}


def gap(value: object, feature: Feature) -> object:
    """A value, null where it is a time that is none."""
    return None if value == "NaT" and feature.kind == "datetime" else value


def read(incoming: Incoming, served: ServedModel, limit: int) -> Request:
    """The rows of a whole request. Raises `Refused`."""
    rows = decode(incoming.body, incoming.headers.get(b"content-type", b""), served.validator, limit)
    return Request(rows, probabilities=wants_probabilities(incoming.query))


def encode(job: Job) -> bytes:
    """The body of an answer; `probabilities` where they were asked for."""
    return msgspec.json.encode(predictions(job))


MLFLOW = Protocol(
    paths=("/invocations",),
    tag="MLflow",
    summary="Split, records, instances, inputs, or CSV",
    error_members=("message", "error_code"),
    read=read,
    reply=lambda job, request, served: Reply(encode(job)),
    fault=finding(check_predictions),
    body_schema=lambda validator: holding("instances", rows(validator)),
    example=lambda row: {"instances": [row]},
)
