"""What a forwarder counts, as Prometheus and /health show it."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from driftlead_inference.metrics import SECONDS, Histogram
from driftlead_inference.traffic.breaker import State
from driftlead_inference.traffic.outcome import Cause

PREFIX = "driftlead_inference_traffic"


class Counts:
    """Requests that met the canary: answered by it, or by prod instead (`fallbacks`, by cause).

    `busy`: prod answered at once because all connections were in use. Copies: `copied` were good, `failed`
    were not, `dropped` were never sent.
    """

    def __init__(self) -> None:
        self.answered = 0
        self.fallbacks: Counter[Cause] = Counter()
        self.busy = 0
        self.copied = 0
        self.failed: Counter[Cause] = Counter()
        self.dropped = 0
        self.seconds = Histogram(SECONDS)

    @property
    def forwarded(self) -> int:
        """Requests that the canary was asked for a user."""
        return self.answered + self.fallbacks.total()

    def health(self) -> dict[str, object]:
        """The counts as /health says them."""
        return {
            "forwarded": self.forwarded,
            "answered": self.answered,
            "fallbacks": {str(cause): count for cause, count in sorted(self.fallbacks.items())},
            "busy": self.busy,
            "shadow_sent": self.copied + self.failed.total(),
            "shadow_failed": {str(cause): count for cause, count in sorted(self.failed.items())},
            "shadow_dropped": self.dropped,
        }

    def families(self) -> Iterator[Metric]:
        """The counters for Prometheus."""
        forwarded = CounterMetricFamily(
            f"{PREFIX}_forwarded_requests",
            "Requests that the canary was asked: answered, or the cause why prod answered instead.",
            labels=["result"],
        )
        copies = CounterMetricFamily(
            f"{PREFIX}_shadow_requests",
            "Copies of requests: answered, dropped unsent, or the cause why the answer was none.",
            labels=["result"],
        )
        forwarded.add_metric(["answered"], self.answered)
        copies.add_metric(["answered"], self.copied)
        copies.add_metric(["dropped"], self.dropped)
        for cause in Cause:
            forwarded.add_metric([cause], self.fallbacks[cause])
            copies.add_metric([cause], self.failed[cause])
        yield from (forwarded, copies)
        yield CounterMetricFamily(
            f"{PREFIX}_busy", "Requests that prod answered because all connections were in use.", self.busy
        )
        yield HistogramMetricFamily(
            f"{PREFIX}_forward_seconds",
            "From a forwarded request to the canary's answer, or until prod answered instead.",
            buckets=self.seconds.buckets(),
            sum_value=self.seconds.total,
        )


def gauges(wanted: float, in_force: float, shadow: float, state: State, error: str) -> Iterator[Metric]:
    """What is in force now, for Prometheus."""
    weight = GaugeMetricFamily(
        f"{PREFIX}_weight_percent",
        "Share of requests that the canary answers: as the file says, and in force.",
        labels=["kind"],
    )
    weight.add_metric(["wanted"], wanted)
    weight.add_metric(["in-force"], in_force)
    yield weight
    yield GaugeMetricFamily(f"{PREFIX}_shadow_percent", "Share of the others that is copied to it.", shadow)
    yield GaugeMetricFamily(
        f"{PREFIX}_breaker_open",
        "1 while nothing is forwarded because of the canary's failures.",
        float(state is not State.CLOSED),
    )
    yield GaugeMetricFamily(
        f"{PREFIX}_file_failing",
        "1 while the traffic file is not taken and what it said before stays in force.",
        float(bool(error)),
    )
