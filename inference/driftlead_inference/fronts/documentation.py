"""What `/openapi.json` says of the paths that FastAPI's router does not see, with the served model's own
example row."""

from typing import Any

from driftlead_inference.model.served import ServedModel
from driftlead_inference.protocols import PROTOCOLS, feedback
from driftlead_inference.protocols.feedback import FEEDBACK
from driftlead_inference.protocols.protocol import ANY, Endpoint, Schema

PROBLEM: dict[str, Any] = {"application/problem+json": {"schema": ANY}}
UNKNOWN_ROW = [0.0, 1.0]  # the example while no model is served


def described(document: dict[str, Any], served: ServedModel | None) -> dict[str, Any]:
    """FastAPI's document with the paths of the protocols and of labels."""
    row = UNKNOWN_ROW if served is None else served.known.example
    model = "model" if served is None else served.known.source.name
    for protocol in PROTOCOLS:
        schema = ANY if served is None else protocol.body_schema(served.validator)
        path = protocol.paths[0].replace("{model}", model)
        document["paths"][path] = {"post": operation(protocol, schema, protocol.example(row))}
    document["paths"][FEEDBACK.paths[0]] = {"post": operation(FEEDBACK, feedback.BODY, feedback.EXAMPLE)}
    return document


def operation(endpoint: Endpoint, schema: Schema, example: dict[str, Any]) -> dict[str, Any]:
    """One OpenAPI operation."""
    answer = {
        "description": endpoint.answer,
        "content": {"application/json": {"schema": endpoint.answer_schema}},
    }
    refusals = {
        status: {"description": words, "content": PROBLEM} for status, words in endpoint.refusals.items()
    }
    return {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "parameters": list(endpoint.parameters),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {"200": answer, **refusals},
    }


def refusing(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route that FastAPI describes refuses with."""
    words = {404: "Another model or version is asked for", 503: "The model is still loading, or leaves"}
    return {status: {"description": words[status], "content": PROBLEM} for status in statuses}


def text(what: str) -> dict[int | str, dict[str, Any]]:
    """The answer of a route that says plain text."""
    return {200: {"description": what, "content": {"text/plain": {"schema": {"type": "string"}}}}}
