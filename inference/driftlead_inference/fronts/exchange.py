"""One HTTP exchange over ASGI: read a bounded body, ask a handler, send the reply, count
it."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from driftlead_inference import problems
from driftlead_inference.fronts.encodings import unpacked
from driftlead_inference.problems import Problem, Refused
from driftlead_inference.protocols.protocol import Incoming, Reply
from driftlead_inference.service import Service
from driftlead_inference.traffic.headers import FORWARDED, mark_of
from driftlead_log.frames import Mark

log = structlog.get_logger()
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class ClientDisconnected(Exception):  # noqa: N818 - the client left; nobody is there to be answered
    """The client closed the connection before its request was whole."""


Handler = Callable[[Service, Incoming], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An ASGI application for one route with a body.

    `route` is its name in metrics; `members` are what the protocol's own clients read of an error;
    `predicts`: whether an error of it is a failed prediction. Of a request that a canary was asked it is not
    this server's own: the server that asked counts what became of it.
    """

    service: Service
    route: str
    handler: Handler
    members: tuple[str, ...] = ()
    predicts: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        service = self.service
        headers = dict(scope["headers"])
        sent = headers.get(b"x-request-id")
        request_id = next(service.ids) if sent is None else service.request_id(sent.strip())
        incoming = Incoming(
            headers,
            b"",
            scope["query_string"],
            scope.get("path_params", NONE),
            request_id,
            scope["raw_path"],
            DIRECT if FORWARDED not in headers else mark_of(headers),
        )
        try:
            if service.token:
                service.authorize(headers.get(b"authorization", b"").strip())
            body = await read(headers, receive, service.settings.body_bytes)
            if b"content-encoding" in headers:
                body = unpacked(body, headers[b"content-encoding"], service.settings.body_bytes)
            incoming.body = body
            reply = await self.handler(service, incoming)
            status, content_type, body, extra = 200, reply.content_type, reply.body, [*reply.headers]
        except Refused as refused:
            problem = refused.problem
            status, content_type, body = problem.status, problems.CONTENT_TYPE, self.problem_body(problem)
            extra = problem.headers() + closing(problem)
        except ClientDisconnected:
            service.count(self.route, 499, started, predicts=self.predicts and not incoming.mark)
            return
        except Exception as error:
            log.error("a request failed", route=self.route, request_id=request_id, exc_info=error)
            failure = Problem(500, f"the server failed; its log says more under request {request_id}")
            status, content_type, body, extra = 500, problems.CONTENT_TYPE, self.problem_body(failure), []
        service.count(self.route, status, started, predicts=self.predicts and not incoming.mark)
        if service.draining:
            extra = [*extra, CLOSE]
        if sent and sent.strip() != request_id.encode():
            extra = [*extra, OTHER_ID]
        reply_headers = [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
            *extra,
        ]
        await send({"type": "http.response.start", "status": status, "headers": reply_headers})
        await send({"type": "http.response.body", "body": body})

    def problem_body(self, problem: Problem) -> bytes:
        """A problem with what the protocol's clients read of it."""
        words: dict[str, object] = {"error_code": "BAD_REQUEST" if problem.status < 500 else "INTERNAL_ERROR"}
        return problem.body({member: words.get(member, problem.detail) for member in self.members})


CLOSE = (b"connection", b"close")
# A label of the id that was sent would never find its row, so it is said; a refusal would cost whoever sends
# such ids all predictions.
OTHER_ID = (
    b"x-request-id-error",
    b'the id that was sent is not 1 to 128 visible ASCII characters without " and \\; this reply has another',
)
DISCARDED = 8  # times the limit is read of a body that is refused
NONE: Mapping[str, str] = {}
DIRECT = Mark.NONE  # to look a member of an enum up costs more than all else that a mark does


def closing(problem: Problem) -> Headers:
    """Ends the connection where the rest of the request is not read."""
    return [CLOSE] if problem.status in (401, 408, 413) else []


async def read(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `Refused` beyond `limit` bytes, `ClientDisconnected` when the client left.

    The protocol class bounds the time. A client that sends too much usually reads nothing before it has sent
    all, and would see a broken connection instead of the refusal: the rest is taken and thrown away, unless
    the client asked first (`Expect`) or there is far too much.
    """
    declared = int(headers.get(b"content-length", b"0"))
    if declared > limit and (declared > DISCARDED * limit or b"expect" in headers):
        raise Refused(problems.too_large(limit))
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body: bytes = message["body"]
        size += len(body)
        more = message.get("more_body")
        if size > limit:
            parts.clear()
            if not more or size > DISCARDED * limit:
                raise Refused(problems.too_large(limit))
        elif not more:
            return body if not parts else b"".join([*parts, body])
        else:
            parts.append(body)
