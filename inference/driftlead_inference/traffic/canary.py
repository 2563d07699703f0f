"""One canary as a server sees it: how it is asked, what of its answers is good, and whether to leave it
alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from driftlead_formats.traffic_split import CanaryTarget
from driftlead_inference.traffic.breaker import Breaker
from driftlead_inference.traffic.client import Answer, Busy, Client, Lost, Message, Unreachable
from driftlead_inference.traffic.headers import latency_in, version_in
from driftlead_inference.traffic.outcome import Cause, Fault, Outcome

log = structlog.get_logger()
UNREGISTERED = ("", "0")  # what a server says whose model no registry counts

Check = Callable[[Answer], Fault | None]


@dataclass(slots=True)
class ForwardedRequest:
    """A request that a canary was asked. Its `answer` is good where `fault` is None.

    `trial`: the breaker's own try; `seconds`: how long it was waited for.
    """

    canary: "Canary"
    trial: bool = False
    answer: Answer = field(default_factory=lambda: Answer(0, {}, b""))
    fault: Fault | None = None
    seconds: float = 0.0

    def outcome(self, status: int) -> Outcome:
        """How it counts; `status` is what prod said, or would say, to the same request."""
        fault, target = self.fault, self.canary.target
        told = version_in(self.answer.headers)
        if fault is None:
            latency = latency_in(self.answer.headers)
            spent = self.seconds * 1e3 if latency is None else latency
            return Outcome(told or target.version, target.deployment, 2, spent)
        both_refuse = 400 <= fault.status < 500 and 400 <= status < 500
        return Outcome(target.version or told, target.deployment, 4 if both_refuse else 5, self.seconds * 1e3)


class Canary:
    """A canary that a document names, for as long as it names it."""

    def __init__(self, target: CanaryTarget) -> None:
        self.target = target
        self.client = Client(target.url)
        self.breaker = Breaker()

    async def ask(
        self, message: Message, check: Check, seconds: float, *, trial: bool = False
    ) -> ForwardedRequest:
        """Asks, and finds what is wrong with the answer. Raises `Busy`."""
        asked, began = ForwardedRequest(self, trial), time.perf_counter()
        try:
            asked.answer = await self.client.ask(message, seconds)
            asked.fault = self.fault(asked.answer, check)
        except TimeoutError:
            asked.fault = Fault(Cause.LATE, f"later than {seconds * 1e3:.4g} ms")
        except Unreachable as error:
            asked.fault = Fault(Cause.UNREACHABLE, f"it cannot be reached: {error}")
        except Lost as error:
            asked.fault = Fault(Cause.LOST, str(error))
        except Busy:
            raise
        except Exception as error:  # whatever it is, a user waits for an answer
            log.error("a canary's answer could not be taken", exc_info=error)
            asked.fault = Fault(Cause.UNREADABLE, f"{type(error).__name__}: {error}")
        asked.seconds = time.perf_counter() - began
        return asked

    def fault(self, answer: Answer, check: Check) -> Fault | None:
        """What is wrong with an answer."""
        if answer.status != 200:
            return Fault(Cause.STATUS, f"status {answer.status}: {start_of(answer.body)}", answer.status)
        told, wanted = version_in(answer.headers), self.target.version
        if wanted and told not in (*UNREGISTERED, wanted):
            return Fault(Cause.VERSION, f"version {told} answered, the file names {wanted}", 200)
        return check(answer)

    def learn(self, asked: ForwardedRequest, status: int, now: float) -> str:
        """Tells the breaker; why it opened, if it did. A request that prod fails on too says nothing."""
        fault = asked.fault
        if fault is not None and status >= 400:
            if asked.trial:
                self.breaker.not_tried()
            return ""
        closed = self.breaker.closed
        record = self.breaker.tried if asked.trial else self.breaker.record
        record(fault is None, now, "" if fault is None else fault.seen)
        return self.breaker.reason if closed and not self.breaker.closed else ""


def start_of(body: bytes) -> str:
    """The beginning of a body, on one line."""
    text = " ".join(body[:200].decode(errors="replace").split())
    return "".join(sign for sign in text if sign.isprintable())
