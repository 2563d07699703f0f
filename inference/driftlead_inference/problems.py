"""What goes wrong with a request, as RFC 9457 problem documents: a sentence for people, fields for
programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType

import msgspec

CONTENT_TYPE = b"application/problem+json"
NAMED, MOST_NAMED = 5, 1000  # rows in a sentence, and for programs


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that is not a prediction.

    `detail` says what is wrong, what was seen and what to do; `about` holds the same for programs:
    `field`, `seen`, `expected`, where there is one field to blame. `retry_after` is in seconds.
    """

    status: int
    detail: str
    about: Mapping[str, object] = field(default_factory=dict)
    retry_after: int | None = None

    def body(self, members: Mapping[str, object] = MappingProxyType({})) -> bytes:
        """The JSON document; `members` are what a protocol's own clients look for."""
        title = HTTPStatus(self.status).phrase
        return msgspec.json.encode(
            {
                "type": "about:blank",
                "title": title,
                "status": self.status,
                "detail": self.detail,
                **self.about,
                **members,
            }
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers beside content type and length."""
        return [] if self.retry_after is None else [(b"retry-after", b"%d" % self.retry_after)]


class Refused(Exception):  # noqa: N818 - a request is refused; nothing of ours failed
    """Carries a problem from where it is seen to where it is answered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def unprocessable(
    detail: str, *, field: str | None = None, seen: str | None = None, expected: str | None = None
) -> Refused:
    """A 422 that blames the input."""
    about = {"field": field, "seen": seen, "expected": expected}
    return Refused(Problem(422, detail, {key: value for key, value in about.items() if value is not None}))


def shown(value: object, width: int = 60) -> str:
    """A value as JSON, short enough for a sentence."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= width else f"{text[:width]}..."


NOT_READY = Problem(503, "the model is still loading; ask /readyz until it answers 200", retry_after=1)
SPOOL_FULL = Problem(
    503,
    "the prediction log's spool is full and the log may not lose rows; is Postgres unreachable?",
    retry_after=5,
)
NO_TOKEN = Problem(
    401, "this server answers with the header `Authorization: Bearer <token>` alone; it is missing or wrong"
)
TOO_SLOW = Problem(408, "the request did not arrive in time")
TOO_LARGE = Problem(431, "the request's head is larger than 64 KiB")
NOT_HTTP = Problem(400, "what was sent is not a request of HTTP/1.1, so the connection is closed")
NO_TUNNEL = Problem(501, "CONNECT asks for a tunnel, and this server is no proxy; ask it directly")


def no_answer(rows: Sequence[int], *, overflow: bool) -> Problem:
    """Rows whose answer is no prediction.

    The model answered its smoke prediction with a number: one that overflows did so for the row's values. NaN
    is the model's own way to have no answer.
    """
    named = ", ".join(map(str, rows[:NAMED])) + (f" and {len(rows) - NAMED} more" if rows[NAMED:] else "")
    where = f"row{'s' * (len(rows) > 1)} {named}"
    about = {"field": "rows", "seen": list(rows[:MOST_NAMED]), "expected": "rows with a finite answer"}
    if overflow:
        return Problem(
            422, f"{where}: these values make the model's answer infinite; send smaller ones", about
        )
    return Problem(
        500, f"{where}: the model's answer is NaN, which is not a prediction; the others have one", about
    )


def too_large(limit: int) -> Problem:
    """A body beyond the limit, in bytes."""
    return Problem(
        413,
        f"the body is larger than {limit} bytes; send fewer rows a request",
        {"field": "body", "seen": f"more than {limit} bytes", "expected": f"at most {limit} bytes"},
    )


def too_many_headers(limit: int) -> Problem:
    """More headers than anybody needs."""
    return Problem(
        431,
        f"the request has more than {limit} headers",
        {"field": "headers", "seen": f"more than {limit}", "expected": f"at most {limit}"},
    )


def wrong_host(hosts: Sequence[bytes]) -> Problem:
    """Not exactly one `Host`, or one that is no name of a host (RFC 9112, 3.2)."""
    values = [value.strip().decode(errors="replace")[:60] for value in hosts]
    seen = ", ".join(map(repr, values[:3])) or "none"
    return Problem(
        400,
        f"a request of HTTP/1.1 has one header `Host` with a name and perhaps a port, seen {seen}",
        {"field": "Host", "seen": seen, "expected": "one Host"},
    )


def too_many_waiting(waiting: int, limit: int) -> Problem:
    """More rows wait for the model than may."""
    return Problem(
        429,
        f"{waiting} rows wait for the model already, {limit} may; try again or add replicas",
        {"field": "rows", "seen": f"{waiting} rows waiting", "expected": f"at most {limit} rows waiting"},
        retry_after=1,
    )


def not_committed(seconds: float) -> Problem:
    """A prediction of mode `durable` whose commit took too long; its row is not lost."""
    return Problem(
        503,
        f"the prediction was not committed to the log within {seconds:g} s; its row stands in the spool and "
        "will be committed once Postgres answers, so the same request sent again makes a further row",
        {"committed": False},
        retry_after=5,
    )
