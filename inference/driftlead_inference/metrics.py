"""What the service measures. Hot counters are plain lists, turned into Prometheus' format only when
scraped."""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 10_000)
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter that nobody asks for
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Counts by bucket; 0.1 us an observation, against 3 us of a labelled Prometheus child."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Prometheus' cumulative buckets."""
        seen, cumulative = 0, []
        for bound, count in zip([*self.bounds, float("inf")], self.counts, strict=True):
            seen += count
            cumulative.append(("+Inf" if bound == float("inf") else repr(float(bound)), float(seen)))
        return cumulative

    @property
    def count(self) -> int:
        return sum(self.counts)


class Metrics(Collector):
    """Every metric of the service but the log's own, which its recorder registers in the same registry."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.version = ""
        self.engine = ""
        self.requests: dict[tuple[str, int], Histogram] = {}
        self.batches = Histogram(ROWS)
        self.predictions = 0
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        self.loads = Counter(
            "driftlead_inference_model_loads",
            "Starts that loaded the model, and those that could not, by reason.",
            ["result"],
            registry=self.registry,
        )
        self.load_seconds = Gauge(
            "driftlead_inference_model_load_seconds",
            "How long the model took from start to ready, by step.",
            ["step"],
            registry=self.registry,
        )
        self.model = Gauge(
            "driftlead_inference_model_info",
            "1, with what is served as labels.",
            ["model", "version", "stage", "engine"],
            registry=self.registry,
        )
        self.warnings = Gauge(
            "driftlead_inference_model_warnings",
            "Sentences that /health says about the model, training-serving skew among them.",
            registry=self.registry,
        )
        self.labels = Counter(
            "driftlead_inference_feedback_labels",
            "Labels that came by /feedback: stored, or known already and left as they were.",
            ["result"],
            registry=self.registry,
        )
        self.draining = Gauge(
            "driftlead_inference_draining", "1 once the process was told to end.", registry=self.registry
        )

    def route(self, route: str, status: int) -> Histogram:
        """The latencies of a route's answers with one status."""
        key = (route, status)
        histogram = self.requests.get(key)
        if histogram is None:
            histogram = self.requests[key] = Histogram(SECONDS)
        return histogram

    def describe(self) -> list[Metric]:
        return list(self.collect())

    def collect(self) -> Iterator[Metric]:
        """The hot counters in Prometheus' terms."""
        names = ["stage", "version", "route", "status"]
        count = CounterMetricFamily(
            "driftlead_inference_requests", "Requests answered, by route and status.", labels=names
        )
        latency = HistogramMetricFamily(
            "driftlead_inference_request_seconds",
            "From a request's first byte to its reply.",
            labels=names,
        )
        for (route, status), histogram in self.requests.items():
            labels = [self.stage, self.version, route, str(status)]
            count.add_metric(labels, histogram.count)
            latency.add_metric(labels, histogram.buckets(), histogram.total)
        predictions = CounterMetricFamily(
            "driftlead_inference_predictions", "Rows predicted, by engine.", labels=["engine"]
        )
        predictions.add_metric([self.engine], self.predictions)
        batches = HistogramMetricFamily(
            "driftlead_inference_batch_rows",
            "Rows that the model was asked for at once.",
            buckets=self.batches.buckets(),
            sum_value=self.batches.total,
        )
        yield from (count, latency, predictions, batches)

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
