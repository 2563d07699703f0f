"""What a serving protocol is, to the front ends that serve it and to the document that describes it. Pure.

A protocol knows no socket, no event loop and no model: it makes rows of a whole request, and a reply of an
answered job. In between the front end asks the model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from driftlead_inference.jobs import Job
from driftlead_inference.model.served import ServedModel
from driftlead_inference.rows.validation import RowValidator
from driftlead_inference.traffic.outcome import Fault
from driftlead_log.frames import Mark

Schema = dict[str, Any]
ANY: Schema = {"type": "object"}
JSON = b"application/json"
PROBABILITIES: Schema = {
    "name": "probabilities",
    "in": "query",
    "required": False,
    "description": "`true` adds the probability of each class, where the model knows them.",
    "schema": {"type": "boolean"},
}
REFUSALS = {
    "401": "The token is missing or wrong",
    "413": "The body is too large",
    "422": "The input does not fit: which field, what was seen, what was expected",
    "429": "Too many rows wait already",
    "503": "The model is still loading, or the log may not lose rows and is full",
}


class Incoming(msgspec.Struct):
    """A whole request.

    `headers` have lower-case names; of repeated ones the last counts. `path`: the values of the path's
    placeholders, empty where the path was matched as a whole; `target`: the path as it was sent. `mark`: how
    it came, for the log.
    """

    headers: Mapping[bytes, bytes]
    body: bytes
    query: bytes
    path: Mapping[str, str]
    request_id: str
    target: bytes = b""
    mark: Mark = Mark.NONE


class Reply(msgspec.Struct):
    """What is answered with status 200."""

    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request(msgspec.Struct):
    """Rows in the model's order. `raws`: their JSON text, where it can be logged as it came."""

    rows: list[list[Any]]
    raws: list[bytes] | None = None
    probabilities: bool = False


R = TypeVar("R", bound=Request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Paths that take a body by POST, and what `/openapi.json` says of the first of them.

    paths          `{model}` and `{version}` stand for what is served
    error_members  where the protocol's own clients look for the sentence of an error
    parameters     OpenAPI's parameters
    answer         what status 200 means, and its body's schema
    refusals       what every other status means
    """

    paths: tuple[str, ...]
    tag: str
    summary: str
    error_members: tuple[str, ...] = ()
    parameters: tuple[Schema, ...] = ()
    answer: str = "The answer"
    answer_schema: Schema = field(default_factory=ANY.copy)
    refusals: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol(Endpoint, Generic[R]):
    """A way to ask for predictions.

    read         the rows of a whole request, at most `limit`; raises `Refused`
    reply        the answered job in the protocol's words; raises `Refused`
    fault        what is wrong with another server's reply to the same request, None if nothing
    body_schema  what a body may be, for the served model's rows
    example      a body that works, with one row of the served model
    """

    read: Callable[[Incoming, ServedModel, int], R]
    reply: Callable[[Job, R, ServedModel], Reply]
    fault: Callable[[Reply, R, ServedModel], Fault | None]
    body_schema: Callable[[RowValidator], Schema]
    example: Callable[[list[Any]], dict[str, Any]]
    parameters: tuple[Schema, ...] = (PROBABILITIES,)
    refusals: Mapping[str, str] = field(default_factory=REFUSALS.copy)
