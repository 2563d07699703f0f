"""When a process stops to ask a canary, by what it saw itself: no operator is needed for that. Pure.

Closed, requests are forwarded. Failures in a row, or half of the last ones, open it: nothing is forwarded.
After a pause it is half open: copies of requests that prod has answered are tried, one at a time, so that no
user waits for a try. Some good ones in a row close it, a bad one begins a longer pause.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

IN_A_ROW = 5
WINDOW = 20
MOST_FAILURES = 10  # of the last WINDOW
FIRST_PAUSE = 10.0  # seconds; a try costs no user anything
LONGEST_PAUSE = 300.0
GOOD_TRIES = 3


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass
class Breaker:
    """One canary's. Times are seconds of any clock that only goes forward."""

    state: State = State.CLOSED
    opened_at: float = 0.0
    openings: int = 0
    pause: float = FIRST_PAUSE
    reason: str = ""
    failures: int = 0  # in a row
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    since_closed: int = 0
    trying: bool = False
    good_tries: int = 0

    @property
    def closed(self) -> bool:
        """Whether requests are forwarded."""
        return self.state is State.CLOSED

    def wants_try(self, now: float) -> bool:
        """Whether a copy should be tried now."""
        return not self.closed and not self.trying and now - self.opened_at >= self.pause

    def begin_try(self) -> None:
        """A copy is on its way."""
        self.state, self.trying = State.HALF_OPEN, True

    def record(self, good: bool, now: float, why: str = "") -> None:
        """What became of a forwarded request. Those that were under way when it opened say nothing new."""
        if not self.closed:
            return
        self.recent.append(good)
        self.since_closed += 1
        self.failures = 0 if good else self.failures + 1
        if good:
            if self.since_closed >= WINDOW and all(self.recent):
                self.pause = FIRST_PAUSE
            return
        bad = self.recent.count(False)
        if self.failures >= IN_A_ROW:
            self.open(now, f"{self.failures} failures in a row, the last: {why}")
        elif bad >= MOST_FAILURES:
            self.open(now, f"{bad} failures among the last {len(self.recent)}, the last: {why}")

    def tried(self, good: bool, now: float, why: str = "") -> None:
        """What became of the copy."""
        self.trying = False
        if self.closed:
            return
        if not good:
            self.pause = min(2 * self.pause, LONGEST_PAUSE)
            self.open(now, f"a try after the pause failed: {why}")
            return
        self.good_tries += 1
        if self.good_tries >= GOOD_TRIES:
            self.close()

    def not_tried(self) -> None:
        """The copy was never sent, so it tells nothing."""
        self.trying = False

    def open(self, now: float, reason: str) -> None:
        """Stops."""
        self.openings += self.closed
        self.state, self.opened_at, self.reason = State.OPEN, now, reason
        self.good_tries = 0

    def close(self) -> None:
        """Goes on; the next pause is longer, until the canary has proved itself."""
        self.state, self.reason = State.CLOSED, ""
        self.pause = min(2 * self.pause, LONGEST_PAUSE)
        self.failures = self.since_closed = 0
        self.recent.clear()
