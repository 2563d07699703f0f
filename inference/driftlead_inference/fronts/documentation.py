"""What `/docs` says of the predicting routes: each protocol's body, with the served model's own example
row."""

from typing import Any

from driftlead_inference.fronts import body_schemas
from driftlead_inference.jobs import REQUEST_ID
from driftlead_inference.labels import MOST_ROWS
from driftlead_inference.model.served import ServedModel
from driftlead_inference.protocols.feedback import EXAMPLE

TENSORS = "Open Inference Protocol"
ANY: dict[str, Any] = {"type": "object"}
PROBABILITIES: dict[str, Any] = {
    "name": "probabilities",
    "in": "query",
    "required": False,
    "description": "`true` adds the probability of each class, where the model knows them.",
    "schema": {"type": "boolean"},
}


def described(document: dict[str, Any], serving: ServedModel | None) -> dict[str, Any]:
    """FastAPI's document with the predicting routes, which its router does not see."""
    row = [0.0, 1.0] if serving is None else serving.known.example
    model = "model" if serving is None else serving.known.source.name
    schemas = {} if serving is None else body_schemas.bodies(serving.validator)
    for path, (tag, summary, example) in bodies(row).items():
        described_path = operation(tag, summary, example, schemas.get(path, ANY))
        document["paths"][path.replace("{model}", model)] = {"post": described_path}
    document["paths"]["/feedback"] = {"post": labels_operation()}
    return document


def bodies(row: list[Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """For each path: the protocol, a summary, and a body that works."""
    tensor = {"name": "input", "shape": [1, len(row)], "datatype": "FP64", "data": row}
    one = "One row, or a list of rows; by position, or by name"
    return {
        "/predict": ("driftlead", one, {"features": row}),
        "/v1/models/{model}:predict": ("KServe V1", "Instances", {"instances": [row]}),
        "/v2/models/{model}/infer": (TENSORS, "Tensors", {"inputs": [tensor]}),
        "/invocations": ("MLflow", "Split, records, instances, inputs, or CSV", {"instances": [row]}),
    }


def operation(tag: str, summary: str, example: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """One OpenAPI operation."""
    problem = {"application/problem+json": {"schema": ANY}}
    refusals = {
        "401": "The token is missing or wrong",
        "413": "The body is too large",
        "422": "The input does not fit: which field, what was seen, what was expected",
        "429": "Too many rows wait already",
        "503": "The model is still loading, or the log may not lose rows and is full",
    }
    return {
        "tags": [tag],
        "summary": summary,
        "parameters": [] if tag == TENSORS else [PROBABILITIES],  # there they are an output
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {
            "200": {"description": "The answer", "content": {"application/json": {"schema": ANY}}},
            **{status: {"description": words, "content": problem} for status, words in refusals.items()},
        },
    }


def refusing(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route that FastAPI describes refuses with."""
    words = {404: "Another model or version is asked for", 503: "The model is still loading, or leaves"}
    problem = {"application/problem+json": {"schema": ANY}}
    return {status: {"description": words[status], "content": problem} for status in statuses}


def text(what: str) -> dict[int | str, dict[str, Any]]:
    """The answer of a route that says plain text."""
    return {200: {"description": what, "content": {"text/plain": {"schema": {"type": "string"}}}}}


LABEL: dict[str, Any] = {
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


def labels_operation() -> dict[str, Any]:
    """The OpenAPI operation of `/feedback`."""
    problem = {"application/problem+json": {"schema": ANY}}
    refusals = {
        "401": "The token is missing or wrong",
        "409": "This server logs no predictions",
        "413": "The body is too large",
        "422": "A label does not fit: which one, what was seen, what was expected",
        "503": "Postgres does not take labels now; nothing is acknowledged, send them again",
    }
    counts = {"type": "integer", "minimum": 0}
    reply = {"type": "object", "properties": {"received": counts, "stored": counts}}
    body = {"anyOf": [LABEL, {"type": "array", "items": LABEL, "minItems": 1}]}
    return {
        "tags": ["driftlead"],
        "summary": "What was true of rows predicted earlier: one label or a list; the first of a row counts",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "example": EXAMPLE}},
        },
        "responses": {
            "200": {
                "description": "All are stored; `stored` of them were new",
                "content": {"application/json": {"schema": reply}},
            },
            **{status: {"description": words, "content": problem} for status, words in refusals.items()},
        },
    }
