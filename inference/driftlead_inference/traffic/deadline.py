"""How long a canary's answer is waited for: by how long this server's own answers take. Pure."""

from bisect import bisect_left

from driftlead_formats.traffic_split import TrafficSplit

LEAST_SECONDS = 0.05
TIMES = 2
PERIOD = 60.0
ENOUGH = 100  # answers, before their percentile means anything
EDGES: list[float] = [
    0.01 * 2.0 ** (step / 4) for step in range(97)
]  # milliseconds, as in the log's histograms


class Latency:
    """The 99th percentile of the last one to two minutes of own answers, in milliseconds."""

    def __init__(self, expected_ms: float) -> None:
        self.expected_ms = expected_ms  # measured at load, until there are answers
        self.now = [0] * (len(EDGES) + 1)
        self.before = self.now.copy()
        self.began: float | None = None

    def observe(self, milliseconds: float) -> None:
        """Counts an answer."""
        self.now[bisect_left(EDGES, milliseconds)] += 1

    def turn(self, now: float) -> None:
        """Begins a new minute where the last one is over; `now` in seconds."""
        if self.began is None or now - self.began >= PERIOD:
            self.began, self.before, self.now = now, self.now, [0] * (len(EDGES) + 1)

    @property
    def p99(self) -> float:
        """The percentile's upper bound; what was measured at load while there are few answers."""
        counts = [one + other for one, other in zip(self.before, self.now, strict=True)]
        total = sum(counts)
        if total < ENOUGH:
            return self.expected_ms
        seen = 0
        for edge, count in zip(EDGES, counts, strict=False):
            seen += count
            if seen >= 0.99 * total:
                return edge
        return EDGES[-1]


def fallback_seconds(split: TrafficSplit, p99_ms: float) -> float:
    """What the document says, else the larger of 50 ms and twice the percentile."""
    if split.fallback_after_milliseconds is not None:
        return float(split.fallback_after_milliseconds) / 1e3
    return max(LEAST_SECONDS, TIMES * p99_ms / 1e3)
