"""Copies of requests: sent behind the replies, a few at a time, from a queue that drops what does not fit."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import structlog

from driftlead_inference.traffic.canary import Canary, Check, ForwardedRequest
from driftlead_inference.traffic.client import Busy, Message
from driftlead_inference.traffic.counts import Counts

log = structlog.get_logger()
WAITING = 100
HELD_BYTES = 16 * 1024**2  # of all bodies that wait or are under way; a single one may be larger
AT_ONCE = 8


class Copy(NamedTuple):
    """What waits to be sent, to whom."""

    canary: Canary
    message: Message
    check: Check
    trial: bool


class Copies:
    """The queue. `seconds` says how long an answer may take, `done` takes what became of each."""

    def __init__(
        self, counts: Counts, seconds: Callable[[], float], done: Callable[[ForwardedRequest], None]
    ) -> None:
        self.counts, self.seconds, self.done = counts, seconds, done
        self.waiting: deque[Copy] = deque()
        self.held = 0
        self.senders: set[asyncio.Task[None]] = set()

    def add(self, canary: Canary, message: Message, check: Check, *, trial: bool) -> bool:
        """Takes a copy if there is room. Returns at once."""
        held = self.held + len(message.body)
        if len(self.waiting) >= WAITING or (self.held and held > HELD_BYTES):
            self.counts.dropped += 1
            return False
        self.held = held
        self.waiting.append(Copy(canary, message, check, trial))
        if len(self.senders) < AT_ONCE:
            task = asyncio.get_running_loop().create_task(self.send())
            self.senders.add(task)
            task.add_done_callback(self.senders.discard)
        return True

    async def send(self) -> None:
        """Sends what waits. What waited for a canary that is left alone meanwhile is dropped."""
        while self.waiting:
            copy = self.waiting.popleft()
            try:
                await self.send_one(copy)
            finally:
                self.held -= len(copy.message.body)

    async def send_one(self, copy: Copy) -> None:
        """Sends one, and says what became of it."""
        if not copy.trial and not copy.canary.breaker.closed:
            self.counts.dropped += 1
            return
        try:
            asked = await copy.canary.ask(copy.message, copy.check, self.seconds(), trial=copy.trial)
        except Exception as error:
            if not isinstance(error, Busy):
                log.error("a copy could not be sent", exc_info=error)
            self.counts.dropped += 1
            if copy.trial:
                copy.canary.breaker.not_tried()
            return
        if asked.fault is None:
            self.counts.copied += 1
        else:
            self.counts.failed[asked.fault.cause] += 1
        self.done(asked)

    def drop(self) -> None:
        """Forgets what waits."""
        self.counts.dropped += len(self.waiting)
        for copy in self.waiting:
            self.held -= len(copy.message.body)
            if copy.trial:
                copy.canary.breaker.not_tried()
        self.waiting.clear()
