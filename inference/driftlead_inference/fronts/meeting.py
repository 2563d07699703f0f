"""A request of a server that follows a traffic file: the canary answers it, or this version, or both.

What this version would refuse is never forwarded. Where the canary's answer is not good or not in time, this
version answers: the user sees no difference but its version. A copy is sent once this version has answered.
"""

from dataclasses import dataclass
from typing import Any

from driftlead_inference.problems import Refused
from driftlead_inference.protocols.protocol import Incoming, Protocol, Reply, Request
from driftlead_inference.service import Service, Serving
from driftlead_inference.traffic.canary import ForwardedRequest
from driftlead_inference.traffic.client import Answer, Message
from driftlead_inference.traffic.forwarder import Forwarder
from driftlead_inference.traffic.headers import COPY, FORWARD, sent_on
from driftlead_inference.traffic.outcome import Fault
from driftlead_inference.traffic.split import Choice
from driftlead_log.frames import Mark

KEPT = b"inference-header-content-length"  # the one header beside the content type that a body needs


@dataclass(frozen=True, slots=True)
class Meeting:
    """A request that was read and that this version could answer."""

    service: Service
    served: Serving
    protocol: Protocol[Any]
    incoming: Incoming
    request: Request

    async def reply(self, forwarder: Forwarder) -> Reply:
        """Whoever's reply. Raises `Refused`."""
        choice = forwarder.choose(self.incoming.headers)
        if choice is Choice.OWN or self.served.batcher.problem_of_rows(self.request.rows) is not None:
            return await self.own()
        if choice is Choice.COPY:
            answered = await self.own()
            forwarder.copy(self.message(COPY), self.fault)
            return answered
        asked = await forwarder.ask(self.message(FORWARD), self.fault)
        if asked is None:
            return await self.own()
        self.incoming.mark = Mark.FALLBACK if asked.fault is not None else Mark.FORWARDED
        return reply_of(asked.answer) if asked.fault is None else await self.in_place(forwarder, asked)

    async def own(self) -> Reply:
        """This version's reply. Raises `Refused`."""
        request, incoming = self.request, self.incoming
        job = await self.service.predict(
            request.rows,
            request.raws,
            incoming.request_id,
            probabilities=request.probabilities,
            mark=incoming.mark,
        )
        return self.protocol.reply(job, request, self.served)

    async def in_place(self, forwarder: Forwarder, asked: ForwardedRequest) -> Reply:
        """This version's reply in place of the canary's. Raises `Refused`."""
        status = 500
        try:
            answered = await self.own()
            status = 200
        except Refused as refused:
            status = refused.problem.status
            raise
        finally:
            forwarder.settle(asked, status)
        return answered

    def message(self, how: tuple[bytes, bytes]) -> Message:
        """The request as the canary gets it: the same bytes under the same path, and `how`, the header that
        keeps it from being forwarded again."""
        incoming = self.incoming
        query = b"?" + incoming.query if incoming.query else b""
        headers = (how, *sent_on(incoming.headers, incoming.request_id))
        return Message(incoming.target + query, headers, incoming.body)

    def fault(self, answer: Answer) -> Fault | None:
        """What is wrong with an answer to this request."""
        return self.protocol.fault(reply_of(answer), self.request, self.served)


def reply_of(answer: Answer) -> Reply:
    """A canary's answer as a reply of ours: its body and how to read it."""
    headers = ((KEPT, answer.headers[KEPT]),) if KEPT in answer.headers else ()
    return Reply(answer.body, answer.headers.get(b"content-type", b""), headers)
