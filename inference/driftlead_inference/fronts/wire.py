"""The fast front: answers a whole `POST /predict` from the bytes of one read, and leaves the rest to ASGI.

ASGI puts a parser's callbacks, a task and several dictionaries between a request's bytes and its batch.
Nearly all requests look the same, so this front knows the head by its bytes (`heads`), decodes the body and
submits the job itself. Heads that carry a request id never repeat, so they are read and not remembered.

What is split over reads, chunked, compressed, HTTP/1.0, unauthorized, too long or malformed, does not fit
the model or the queue, or meets a canary, goes the usual way from its first byte. The parser has seen nothing
of it yet, which is why this front steps in only between two messages (`parsing`, `cycle`). Such a body is
decoded twice, and there is one place that refuses or forwards it. Once a job is submitted this front answers
it, refusals by the model included. What it answers equals ASGI's reply byte for byte:
tests/component/test_inference_fronts.py sends both the same requests.

Request smuggling: a head that two parsers could read differently is not for this front. `HEAD` takes what
every parser reads in one way; `read_head` refuses a length or a host that is said twice or in other signs
than theirs (`FORMS`), and every header that changes how the message is read (`FOREIGN`). The fuzz test
compares it with httptools.

Order: one request of a connection is under way at a time. What is pipelined behind it is held, the socket is
not read beyond `HELD_BYTES`, and what is held goes through `data_received` again once the reply is written,
or once a slow reader has taken what was queued for it.

The end: while the server drains new requests go to ASGI, which closes the connections it answers; a request
that is under way here is answered with `connection: close`.
"""

import re
import time
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from driftlead_inference import problems
from driftlead_inference.fronts.guarded import HEADERS, HOST, Guarded
from driftlead_inference.fronts.outgoing import PendingWrites
from driftlead_inference.jobs import REQUEST_ID, Job
from driftlead_inference.problems import Problem, Refused
from driftlead_inference.protocols import predict
from driftlead_inference.service import Service, Serving
from driftlead_inference.traffic.headers import FORWARDED

START = b"POST %b HTTP/1.1\r\n" % predict.PATH.encode()
ROUTE = predict.PATH
# Only heads that cannot be read in two ways; the parser sees all others.
HEAD = re.compile(re.escape(START) + rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
HEADER = re.compile(rb"\r\n([^:\r\n]+):[ \t]*([^\r\n]*)")
FOREIGN = {
    b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"te", b"trailer", FORWARDED
}  # fmt: skip
ONCE = {b"content-length", b"host"}
FORMS = {
    b"content-length": re.compile(rb"[0-9]{1,9}"),
    b"host": HOST,
    b"connection": re.compile(rb"(?i:keep-alive)"),
    b"x-request-id": REQUEST_ID,
}
MOST_HEADS = 512
LONGEST_HEAD = 4096
HELD_BYTES = 64 * 1024


class Head(NamedTuple):
    """What a request's head says: the body's length, the client's own id, its credentials."""

    length: int
    request_id: str | None
    authorization: bytes


def read_head(head: bytes) -> Head | None:
    """A head that this front understands; None for any other."""
    if not HEAD.fullmatch(head):
        return None
    headers = [(name.lower(), value.rstrip(b" \t")) for name, value in HEADER.findall(head)]
    if len(headers) > HEADERS or FOREIGN.intersection(name for name, _ in headers):
        return None
    said: dict[bytes, bytes] = {}
    for name, value in headers:
        form = FORMS.get(name)
        if form is not None and (not form.fullmatch(value) or (name in ONCE and name in said)):
            return None
        said[name] = value
    if not said.keys() >= ONCE:
        return None
    request_id = said.get(b"x-request-id", b"").decode() or None
    return Head(int(said[b"content-length"]), request_id, said.get(b"authorization", b""))


class Wire(Guarded):
    """One connection. `waiting`: a request of this front is under way; `held`: what came meanwhile."""

    service: Service
    heads: dict[bytes, Head | None]
    dated: tuple[Any, bytes]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.waiting = False
        self.many = False
        self.leaving = False
        self.held = b""
        self.started = 0.0
        self.serving: Serving | None = None

    def data_received(self, data: bytes) -> None:
        """Answers a whole request, holds what comes before its reply is written, or hands on."""
        if self.waiting:
            self.hold(data)
            return
        if not self.parsing and (self.cycle is None or self.cycle.response_complete):
            if self.flow.write_paused:
                self.hold(data)
                return
            if data.startswith(START) and self.ask(data):
                return
        super().data_received(data)

    def hold(self, data: bytes) -> None:
        """Keeps pipelined bytes for later; a client that sends too many of them is not read."""
        self.held += data
        if len(self.held) > HELD_BYTES:
            self.flow.pause_reading()

    def release(self) -> None:
        """Goes on with what was held."""
        if self.held and not self.waiting and not self.flow.write_paused and not self.transport.is_closing():
            data, self.held = self.held, b""
            self.flow.resume_reading()
            self.data_received(data)

    @property
    def busy(self) -> bool:
        """Whether a request arrives or is under way, here or by ASGI."""
        return self.waiting or super().busy

    def ask(self, data: bytes) -> bool:
        """Submits the request that stands whole at the beginning of `data`; False where this front must
        not."""
        serving = self.service.serving
        end = data.find(b"\r\n\r\n") + 4
        if serving is None or self.service.draining or not 4 <= end <= LONGEST_HEAD:
            return False
        head = self.head_of(data[:end])
        if head is None or not self.allowed(head):
            return False
        whole = end + head.length
        if len(data) < whole:
            return False
        started = time.perf_counter()
        service = self.service
        try:
            request = predict.decode(data[end:whole], serving.validator, service.settings.rows)
            if service.forwarder is not None and not service.forwarder.own(data[:end]):
                return False
            job = Job(
                request.rows,
                request.raws,
                head.request_id or next(service.ids),
                service.clock(),
                time.perf_counter(),
                self.reply,
            )
            serving.batcher.submit(job)
        except Refused:
            return False
        self.started, self.serving, self.many, self.waiting = started, serving, request.many, True
        self.held = data[whole:]
        return True

    def head_of(self, text: bytes) -> Head | None:
        """The head, remembered: a client sends the same one again and again."""
        heads = self.heads
        try:
            return heads[text]
        except KeyError:
            head = read_head(text)
            if len(heads) >= MOST_HEADS:
                heads.clear()
            if head is None or head.request_id is None:
                heads[text] = head
            return head

    def allowed(self, head: Head) -> bool:
        """Whether size and credentials are beyond question."""
        service = self.service
        if service.token:
            try:
                service.authorize(head.authorization)
            except Refused:
                return False
        return head.length <= service.settings.body_bytes

    def reply(self, job: Job) -> None:
        """Writes the answer, as uvicorn would have written the application's."""
        self.waiting = False
        serving = self.serving
        if serving is None or self.transport.is_closing():
            return
        leaving = self.leaving or self.service.draining
        if job.problem is None:
            status, body = 200, predict.encode(job, serving, self.many)
            reply = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n" % (
                self.date(),
                len(body),
            )
            extra = b""
        else:
            status, body, reply, extra = self.refusal(job.problem)
        self.service.count(ROUTE, status, self.started)
        tail = b"connection: close\r\n\r\n" if leaving else b"\r\n"
        self.outgoing.write_through(
            b"%bx-request-id: %b\r\n%b%b%b" % (reply, job.request_id.encode(), extra, tail, body)
        )
        self.server_state.total_requests += 1
        if leaving:
            self.transport.close()
            return
        self.idle()
        if self.held:
            self.release()

    def refusal(self, problem: Problem) -> tuple[int, bytes, bytes, bytes]:
        """Status, body, and the head's parts of a problem."""
        body = problem.body()
        reply = b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n" % (
            STATUS_LINE[problem.status],
            self.date(),
            problems.CONTENT_TYPE,
            len(body),
        )
        extra = b"".join(b"%b: %b\r\n" % pair for pair in problem.headers())
        return problem.status, body, reply, extra

    def date(self) -> bytes:
        """uvicorn's default headers as bytes; it replaces the list once a second."""
        headers = self.server_state.default_headers
        dated = type(self).dated
        if dated[0] is not headers:
            dated = (headers, b"".join(b"%b: %b\r\n" % pair for pair in headers))
            type(self).dated = dated
        return dated[1]

    def resume_writing(self) -> None:
        super().resume_writing()
        self.release()

    def shutdown(self) -> None:
        """The server ends: an idle connection at once, one that waits after its reply."""
        if self.waiting:
            self.leaving = True
        else:
            super().shutdown()


def wire_of(serves: Service) -> type[Wire]:
    """The protocol class of a service, for uvicorn's `http` setting."""

    class ServiceWire(Wire):
        """Connections of one server: they share its service, the heads it has seen, and its writes."""

        service = serves
        request_seconds = serves.settings.body_seconds
        pending_writes = PendingWrites()
        heads: dict[bytes, Head | None] = {}  # noqa: RUF012 - shared on purpose
        dated = (None, b"")

    return ServiceWire
