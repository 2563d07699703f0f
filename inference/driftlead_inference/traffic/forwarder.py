"""The forwarder: which requests the canary is asked, and what became of each.

A user is never hurt by a canary: whoever asks here gets an answer that was checked, or a fault in time to
answer by itself. Of what prod fails on too the canary is not blamed, so an HTTP status other than 200 counts
only once prod's own answer is known (`settle`).

While the breaker is open some requests that prod has answered are copied as its tries. So no user waits for
one.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from driftlead_inference.traffic import counts
from driftlead_inference.traffic.breaker import State
from driftlead_inference.traffic.canary import Canary, Check, ForwardedRequest
from driftlead_inference.traffic.client import Busy, Message
from driftlead_inference.traffic.copies import Copies
from driftlead_inference.traffic.counts import Counts
from driftlead_inference.traffic.deadline import Latency, fallback_seconds
from driftlead_inference.traffic.file import TrafficFile
from driftlead_inference.traffic.headers import Headers
from driftlead_inference.traffic.outcome import Cause, Outcome
from driftlead_inference.traffic.split import Choice, Splitter

log = structlog.get_logger()
LOOK_SECONDS = 0.5


class Forwarder(Collector):
    """One server's. `count` takes what became of each request; `clock` is monotonic."""

    def __init__(
        self,
        file: TrafficFile,
        count: Callable[[Outcome], None],
        *,
        expected_ms: float = 0.0,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file, self.count, self.clock = file, count, clock
        self.counts = Counts()
        self.copies = Copies(self.counts, lambda: self.seconds, lambda asked: self.settled(asked, 200))
        self.latency = Latency(expected_ms)
        self.splitter = Splitter(seed)
        self.canary: Canary | None = None
        self.key = b""  # the lower-case name of the header that decides
        self.key_line = re.compile(b"")
        self.weight = self.shadow = 0
        self.stopped = False
        self.task: asyncio.Task[None] | None = None
        self.seconds = fallback_seconds(file.split, expected_ms)
        self.look()

    def start(self) -> None:
        """Begins to follow the file."""
        self.task = asyncio.get_running_loop().create_task(self.follow())

    async def follow(self) -> None:
        """Reads the file again and again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.look()
            except Exception as error:
                log.error("the traffic file could not be followed", exc_info=error)

    def look(self) -> None:
        """Takes over what the file says now, and how long an answer may take."""
        error = self.file.error
        if self.file.look():
            self.take_over()
        if self.file.error and self.file.error != error:
            log.warning(self.file.error)
        self.latency.turn(self.clock())
        self.seconds = fallback_seconds(self.file.split, self.latency.p99)
        if self.canary is not None:
            self.canary.client.close_idle()

    def take_over(self) -> None:
        """Follows another document. Another canary has done nothing yet, good or bad."""
        said, old = self.file.split, self.canary
        if old is None or said.canary != old.target:
            self.canary = None if said.canary is None else Canary(said.canary)
            if old is not None:
                self.copies.drop()
                old.client.retire()
        self.weight = said.weight_parts if said.canary else 0
        self.shadow = said.shadow_parts if said.canary else 0
        self.key = said.key_header.lower().encode()
        self.key_line = re.compile(rb"\r\n" + re.escape(self.key) + rb":[ \t]*([^\r\n]*)", re.IGNORECASE)
        self.splitter.follow(said)
        log.info("traffic", split=said.dump())

    @property
    def idle(self) -> bool:
        """Whether nothing is forwarded or copied, whatever comes."""
        return self.stopped or self.canary is None or not (self.weight or self.shadow)

    def own(self, head: bytes) -> bool:
        """Whether only prod hears of a request, by its head's bytes; then it counts. Else ask `choose`."""
        canary = self.canary
        if canary is None or self.idle:
            return True
        if not canary.breaker.closed:
            return not canary.breaker.wants_try(self.clock())
        key = None
        if self.key and (found := self.key_line.findall(head)):
            key = found[-1].rstrip(b" \t") or None
        return self.splitter.own(key, self.weight, self.shadow)

    def choose(self, headers: Headers) -> Choice:
        """What is done with a request. While the breaker is open only its tries are copied."""
        canary = self.canary
        if canary is None or self.idle:
            return Choice.OWN
        if not canary.breaker.closed:
            return Choice.COPY if canary.breaker.wants_try(self.clock()) else Choice.OWN
        key = headers.get(self.key, b"").strip() or None if self.key else None
        return self.splitter.choose(key, self.weight, self.shadow)

    async def ask(self, message: Message, check: Check) -> ForwardedRequest | None:
        """The checked answer or its fault, in time; None where the canary was not asked after all."""
        canary = self.canary
        if canary is None or self.stopped or not canary.breaker.closed:
            return None
        try:
            asked = await canary.ask(message, check, self.seconds)
        except Busy:
            self.counts.busy += 1
            return None
        self.counts.seconds.observe(asked.seconds)
        if asked.fault is None:
            self.counts.answered += 1
            self.settled(asked, 200)
        elif asked.fault.cause is not Cause.STATUS:
            self.counts.fallbacks[asked.fault.cause] += 1
            self.settled(asked, 200)
        return asked

    def settle(self, asked: ForwardedRequest, status: int) -> None:
        """Says what prod answered in place of the canary."""
        if asked.fault is not None and asked.fault.cause is Cause.STATUS:
            self.counts.fallbacks[Cause.STATUS] += 1
            self.settled(asked, status)

    def settled(self, asked: ForwardedRequest, status: int) -> None:
        """Counts what became of a request; `status` is what prod said, or would say, to the same.

        In the histograms a request that prod fails on too counts as what it was to the canary, for prod's
        own requests hold such ones as well.
        """
        if why := asked.canary.learn(asked, status, self.clock()):
            log.warning("nothing is forwarded to the canary", reason=why, canary=asked.canary.target.url)
        try:
            self.count(asked.outcome(status))
        except Exception as error:  # a user waits for an answer
            log.error("what became of a forwarded request could not be counted", exc_info=error)

    def copy(self, message: Message, check: Check) -> None:
        """Sends a copy of a request that prod has answered, if there is room. Returns at once."""
        canary = self.canary
        if canary is None or self.stopped:
            return
        trial = not canary.breaker.closed
        if trial and not canary.breaker.wants_try(self.clock()):
            return
        if self.copies.add(canary, message, check, trial=trial) and trial:
            canary.breaker.begin_try()

    def stop(self) -> None:
        """Nothing more is forwarded or copied; what is under way is answered."""
        self.stopped = True
        self.copies.drop()

    async def close(self, seconds: float) -> None:
        """The end: waits for the copies that are under way, and closes the connections."""
        self.stop()
        if self.task is not None:
            self.task.cancel()
        if self.copies.senders:
            await asyncio.wait(self.copies.senders, timeout=min(seconds, self.seconds))
        if self.canary is not None:
            self.canary.client.close()

    @property
    def in_force(self) -> float:
        """The percentage that is forwarded now."""
        closed = self.canary is not None and self.canary.breaker.closed
        return self.weight / 10_000 if closed and not self.stopped else 0.0

    def health(self) -> dict[str, Any]:
        """The part `traffic` of /health."""
        said = self.file.split.dump()
        breaker: dict[str, object] = {"state": str(State.CLOSED)}
        if self.canary is not None:
            held = self.canary.breaker
            breaker = {"state": str(held.state), "openings": held.openings, "reason": held.reason}
        return {
            "file": str(self.file.path),
            "error": self.file.error,
            "canary": said["canary"],
            "weight": said["weight"],
            "weight_in_force": self.in_force,
            "shadow": said["shadow"],
            "fallback_after_ms": round(self.seconds * 1e3, 1),
            "breaker": breaker,
            **self.counts.health(),
        }

    def collect(self) -> Iterable[Metric]:
        """The families for Prometheus."""
        said = self.file.split
        state = State.CLOSED if self.canary is None else self.canary.breaker.state
        yield from counts.gauges(
            float(said.weight), self.in_force, float(said.shadow), state, self.file.error
        )
        yield from self.counts.families()

    def describe(self) -> list[Metric]:
        return list(self.collect())
