"""What the server needs of a prediction log, and the log of mode `off`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from prometheus_client import CollectorRegistry

from driftlead_formats.baseline import Baseline
from driftlead_formats.connections import load_connections
from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.failures import StartFailed
from driftlead_inference.model.prepared import Prepared
from driftlead_inference.recorder.types import RecorderSettings, Row, SpoolUnusable
from driftlead_inference.settings import LogMode, Settings
from driftlead_log.frames import Mark
from driftlead_log.store import S3Store

DSN = "DRIFTLEAD_POSTGRES_DSN"
Files = Callable[[], Mapping[str, str]]


class PredictionLog(Protocol):
    """Takes rows before they are answered and delivers them exactly once."""

    def append(self, rows: Sequence[Row], mark: Mark = Mark.NONE) -> int:
        """Puts rows into the spool; the last one's sequence number. Raises `SpoolFull` when it may not
        drop. `mark`: how their requests came."""

    async def durable(self, seq: int) -> None:
        """Returns once everything up to `seq` is committed."""

    def count_status(self, status_class: int, latency_ms: float) -> None:
        """Counts a failed request (4 or 5) in the histograms."""

    def count_forwarded(self, version: str, deployment: str, status_class: int, latency_ms: float) -> None:
        """Counts what became of a request that a canary was asked (2, 4 or 5), in the canary's
        histograms."""

    async def start(self) -> None:
        """Begins to deliver."""

    async def drain(self, seconds: float) -> None:
        """Delivers what is left within `seconds`, and uploads the segments that remain."""

    def health(self) -> dict[str, object]:
        """The part `log` of /health."""


class Off:
    """No log: rows are forgotten, as mode `off` says."""

    def append(self, rows: Sequence[Row], mark: Mark = Mark.NONE) -> int:
        """Forgets the rows."""
        return 0

    async def durable(self, seq: int) -> None:
        """Nothing is ever committed, so nothing is waited for."""

    def count_status(self, status_class: int, latency_ms: float) -> None:
        """Forgets it: there are no histograms without a log."""

    def count_forwarded(self, version: str, deployment: str, status_class: int, latency_ms: float) -> None:
        """Forgets it."""

    async def start(self) -> None:
        """Nothing to deliver."""

    async def drain(self, seconds: float) -> None:
        """Nothing to deliver."""

    def health(self) -> dict[str, object]:
        """Says that there is no log."""
        return {
            "mode": "off",
            "last_seq": 0,
            "pending": 0,
            "lag_seconds": 0.0,
            "dropped": 0,
            "spool_bytes": 0,
        }


def open_log(
    settings: Settings, known: Prepared, baseline: Baseline | None, registry: CollectorRegistry
) -> PredictionLog:
    """The log that the settings ask for. Raises `StartFailed` when its spool cannot be used."""
    if settings.log_mode is LogMode.OFF:
        return Off()
    from driftlead_inference.recorder import Identity, Recorder  # noqa: PLC0415 - asyncpg, where it is used

    identity = Identity(
        model_name=known.source.name,
        model_version=known.source.version,
        deployment=settings.deployment,
        cluster=settings.cluster,
        namespace=settings.namespace,
        resource=settings.resource,
        pod=settings.pod,
    )
    try:
        return Recorder.open(recorder_settings(settings, known), identity, baseline, registry)
    except SpoolUnusable as error:
        raise StartFailed(ExitCode.SPOOL_UNUSABLE, str(error)) from error


def recorder_settings(settings: Settings, known: Prepared) -> RecorderSettings:
    """The recorder's part of the settings; DSN and keys are looked up again at each use."""

    files = partial(load_connections, settings.connections_dir)
    bucket = settings.report_bucket
    return RecorderSettings(
        mode=settings.log_mode.value,
        dsn=dsn_of(settings, files),
        spool_dir=settings.spool_dir,
        spool_bytes=settings.spool_bytes,
        spool_full=settings.spool_full.value,
        sample=settings.log_sample,
        redact=settings.log_redact,
        feature_names=tuple(known.signature.names),
        pooler=settings.log_pooler,
        store=S3Store(bucket, files) if bucket else None,
    )


def dsn_of(settings: Settings, files: Files | None = None) -> Callable[[], str]:
    """Gives the DSN as it is now: one that came from a file is read again, any other stays."""
    now = files or partial(load_connections, settings.connections_dir)
    first = settings.postgres_dsn.get_secret_value()
    if now().get(DSN) != first:
        return lambda: first
    return lambda: now().get(DSN, first)
