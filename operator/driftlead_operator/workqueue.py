"""The queue of keys: a key at most once, worked on by one worker at a time, with delays and backoff.

As client-go's work queues, for one event loop. Clock and randomness are given, so that tests move time by
hand.

A key is in one of these places, or in none:

- ready: waits for a worker, since when; in the order in which keys came.
- busy: a worker has it. One that is added meanwhile is noted in `_again`, with the time of the first
  addition, and becomes ready when the worker is done. So nothing that happens during a reconcile is lost,
  however often it happens, and no two workers ever have the same key.
- delayed: becomes ready at a time (`_due`). The soonest request wins, and becoming ready by another way ends
  the delay. The heap is not searched for what ended: its entry is dropped when it comes up and does not match
  `_due`.

A delay may end while the key is busy; that counts as an addition.

While the queue is closed it takes keys in and gives none out. It is closed while this process is not the
leader or has not seen everything; what waits then waits on.

Wake-ups are not lost: between looking for a key and waiting, `get` yields to nobody. A wake-up reaches every
worker that waits; those that find nothing wait again.
"""

import asyncio
import heapq
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")


def backoff(failures: int, *, first: float, longest: float, jitter: float) -> float:
    """Seconds to wait after a number of failures: doubling up to `longest`, from half of it to all of it.

    `jitter` is a random number in [0, 1).
    """
    whole = min(longest, first * 2.0 ** min(failures - 1, 30))
    return whole * (0.5 + 0.5 * jitter)


class WorkQueue(Generic[K]):
    """Keys that wait, that are worked on, and that are delayed. Closed at first."""

    def __init__(
        self,
        *,
        first: float = 0.2,
        longest: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first, self._longest, self._clock, self._chance = first, longest, clock, chance
        self._ready: OrderedDict[K, float] = OrderedDict()
        self._busy: set[K] = set()
        self._again: dict[K, float] = {}
        self._due: dict[K, float] = {}
        self._later: list[tuple[float, int, K]] = []
        self._order = 0
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.open = False

    def __len__(self) -> int:
        return len(self._ready) + len(self._again)

    @property
    def oldest(self) -> float:
        """Seconds that the oldest waiting key has waited; 0 when none waits."""
        waiting = [*list(self._ready.values())[:1], *self._again.values()]
        return self._clock() - min(waiting) if waiting else 0.0

    def set_open(self, open_: bool) -> None:
        """Opens or closes; what is being worked on goes on."""
        self.open = open_
        self._wake.set()

    def add(self, key: K) -> None:
        """Queues the key now."""
        self._due.pop(key, None)
        now = self._clock()
        if key in self._busy:
            self._again.setdefault(key, now)
        elif key not in self._ready:
            self._ready[key] = now
            self._wake.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Queues the key in `seconds`, unless it is queued sooner."""
        due = self._clock() + max(0.0, seconds)
        if key in self._ready or key in self._again or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._order += 1
        heapq.heappush(self._later, (due, self._order, key))
        self._wake.set()

    def add_failed(self, key: K, *, at_least: float = 0.0) -> float:
        """Queues the key after a delay that grows with its failures in a row; returns the seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        seconds = backoff(
            self._failures[key], first=self._first, longest=self._longest, jitter=self._chance()
        )
        seconds = max(seconds, at_least)
        self.add_after(key, seconds)
        return seconds

    def failures(self, key: K) -> int:
        """How often in a row the key failed."""
        return self._failures.get(key, 0)

    def succeed(self, key: K) -> None:
        """Forgets the key's failures."""
        self._failures.pop(key, None)

    def add_due(self) -> float | None:
        """Queues delayed keys whose time has come; seconds until the next one, None without one."""
        while self._later:
            due, _, key = self._later[0]
            if self._due.get(key) != due:  # it was queued sooner
                heapq.heappop(self._later)
            elif due <= self._clock():
                heapq.heappop(self._later)
                self.add(key)
            else:
                return due - self._clock()
        return None

    def pop(self) -> tuple[K, float] | None:
        """The next key and how long it waited, None when there is none or the queue is closed."""
        if not self.open or not self._ready:
            return None
        key, since = self._ready.popitem(last=False)
        self._busy.add(key)
        self._idle.clear()
        return key, self._clock() - since

    async def get(self) -> tuple[K, float]:
        """Waits for the next key; every key got must be given back by `done`."""
        while True:
            wait = self.add_due()
            if (popped := self.pop()) is not None:
                if self._ready:
                    self._wake.set()
                return popped
            self._wake.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def done(self, key: K) -> None:
        """Ends the work on a key that `get` gave out; what was added meanwhile is queued."""
        self._busy.discard(key)
        if (since := self._again.pop(key, None)) is not None:
            self._ready[key] = since
            self._wake.set()
        if not self._busy:
            self._idle.set()

    async def idle(self) -> None:
        """Waits until nothing is being worked on."""
        await self._idle.wait()
