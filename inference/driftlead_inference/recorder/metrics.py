"""Metrics of the prediction log, read when they are scraped: counting costs the predictions nothing."""

from collections.abc import Iterable
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from driftlead_inference.recorder.spool import Spool
from driftlead_inference.recorder.writer import Writer

PREFIX = "driftlead_inference_log"


class Recording(Protocol):
    """What is measured of a recorder."""

    dropped: dict[str, int]

    @property
    def pending(self) -> int:
        """Rows in the spool that are not yet known to be committed."""

    @property
    def lag_seconds(self) -> float:
        """How long the oldest row that is not committed has been waiting."""

    @property
    def spool(self) -> Spool:
        """Where rows wait."""

    @property
    def writer(self) -> Writer:
        """What delivers them."""


class RecorderCollector(Collector):
    """One recorder's metrics."""

    def __init__(self, recorder: Recording) -> None:
        self._recorder = recorder

    def collect(self) -> Iterable[Metric]:
        """The families, with the values of this moment."""
        recorder, done = self._recorder, self._recorder.writer.progress
        yield _gauge("pending_rows", "Rows in the spool that are not yet committed", recorder.pending)
        yield _gauge(
            "lag_seconds", "How long the oldest row that is not committed has waited", recorder.lag_seconds
        )
        yield _gauge("spool_bytes", "Bytes of the spool's segments", recorder.spool.size)
        yield _gauge("spool_limit_bytes", "Bytes that the spool may have", recorder.spool.limit)
        yield _gauge("failing", "1 while the database does not take rows", float(bool(done.error)))
        yield _counter("rows_written", "Rows committed to inference_logs by this process", done.rows)
        yield _counter(
            "rows_rejected", "Rows that the database refused, in inference_logs_rejected", done.rejected
        )
        yield _counter("rows_corrupt", "Rows lost with damaged parts of the spool", done.corrupt_rows)
        yield _counter("corrupt_bytes", "Damaged bytes found in the spool, never sent", done.corrupt_bytes)
        yield _counter("rows_imported", "Rows delivered for pods that no longer exist", done.imported)
        yield _counter("transactions", "Committed transactions", done.transactions)
        yield _counter(
            "failures", "Transactions and connections that failed; each was tried again", done.failures
        )
        dropped = CounterMetricFamily(
            f"{PREFIX}_rows_dropped", "Rows answered but not logged", labels=["reason"]
        )
        for reason in sorted({"spool-full", "disk-full", "uncounted", *recorder.dropped}):
            dropped.add_metric([reason], recorder.dropped.get(reason, 0))
        yield dropped


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", description, value=value)


def _counter(name: str, description: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", description, value=value)
