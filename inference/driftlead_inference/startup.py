"""From a model URI to a model that answered: cache, preparing process, engine, smoke prediction, pace, log.

This is the one place that knows everything which serves together. It runs behind an open port: probes and
metrics answer from the first second, predictions are refused with 503 until `serving` is set, which is the
last step but to say so.

A start takes one of two ways. Where the cache holds the exact version, whole, and prepared by the libraries
that are installed now, it is served from there without a child process; the registry is asked only whether
the version still has the same artifact, and an unreachable one is not waited for. Everything else is the work
of a child (`prepare`). It writes its result before it converts: a converter that crashes or hangs costs ONNX
Runtime, not the start. It is killed where the start ends first, and a child that died without a result is
explained by its exit code, for the kernel's out-of-memory killer leaves no other word.

The spool is opened behind the smoke prediction, so that a start which fails never takes the folder's lock. At
the end what was loaded is frozen out of garbage collection, and collections become rare: a full one would
walk the whole model within somebody's request.
"""

import asyncio
import gc
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import structlog

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.batching import Batcher, Pace
from driftlead_inference.engines.base import Engine, LoadedEngine
from driftlead_inference.failures import StartFailed
from driftlead_inference.model import cache, locate, preparing
from driftlead_inference.model.cache import ARTIFACT, Damaged
from driftlead_inference.model.examples import read_baseline
from driftlead_inference.model.prepared import Prepared, Source
from driftlead_inference.model.preparing import PrepareRequest, PrepareResult
from driftlead_inference.prediction_log import open_log
from driftlead_inference.rows.validation import RowValidator
from driftlead_inference.service import Service, Serving, now
from driftlead_inference.settings import Settings
from driftlead_inference.startup_smoke import pace_of, smoke
from driftlead_inference.traffic.file import TrafficFile
from driftlead_inference.traffic.forwarder import Forwarder
from driftlead_inference.traffic.outcome import Outcome

log = structlog.get_logger()


async def load(service: Service) -> None:
    """Makes the service ready. Raises `StartFailed`."""
    settings, metrics = service.settings, service.metrics
    started = time.monotonic()
    entry = await asyncio.to_thread(cached, settings) or await prepare(settings)
    known = preparing.load(entry / preparing.file_name(settings.onnx))
    if known is None:
        raise StartFailed(ExitCode.UNEXPECTED, f"{entry} was prepared and cannot be read; is the disk full?")
    folder = artifact(entry, known)
    engine = await asyncio.to_thread(build, known, folder, entry)
    exact = not known.onnx and known.signature.exact(known.takes)
    validator = RowValidator(known.signature, frozenset(known.accepts_missing), known.accepts_huge, exact)
    await asyncio.to_thread(smoke, engine, validator, known)
    pace = await asyncio.to_thread(pace_of, engine, validator, known, settings.batch_rows)
    named = msgspec.structs.replace(known, source=renamed(known, settings))
    batcher = Batcher(
        engine, validator, pace, metrics, service.answered,
        batch_rows=settings.batch_rows, waiting_rows=settings.waiting_rows,
        probabilities=service.logs_probabilities and known.probabilities,
    )  # fmt: skip
    metrics.version, metrics.engine = known.source.version, engine.name
    metrics.model.labels(named.source.name, known.source.version, settings.stage, engine.name).set(1)
    metrics.warnings.set(len(known.warnings))
    for step, seconds in {**known.seconds, "total": time.monotonic() - started}.items():
        metrics.load_seconds.labels(step).set(seconds)
    for sentence in known.warnings:
        log.warning(sentence)
    service.log = await asyncio.to_thread(open_log, settings, named, read_baseline(folder), metrics.registry)
    await service.log.start()
    follow_traffic(service, pace)
    freeze()
    metrics.loads.labels("success").inc()
    service.serving = Serving(named, validator, batcher, now())
    service.published(named.source)
    log.info(
        "ready", model=named.source.name, version=known.source.version, engine=engine.name,
        engine_reason=known.engine_reason, takes=known.takes, seconds=round(time.monotonic() - started, 2),
        one_row_us=round(pace.first * 1e6), further_row_us=round(pace.further * 1e6, 1),
    )  # fmt: skip


def follow_traffic(service: Service, pace: Pace) -> None:
    """Forwards from now on what a traffic file says, where the settings name one."""
    if service.settings.traffic is None:
        return

    def count(outcome: Outcome) -> None:
        if service.log is not None:
            service.log.count_forwarded(
                outcome.version, outcome.deployment, outcome.status_class, outcome.latency_ms
            )

    seed = int.from_bytes(os.urandom(8))  # two pods do not draw the same requests of a common pattern
    service.forwarder = Forwarder(
        TrafficFile(service.settings.traffic), count, expected_ms=pace.first * 1e3, seed=seed
    )
    service.metrics.registry.register(service.forwarder)
    service.forwarder.start()


def renamed(known: Prepared, settings: Settings) -> Source:
    """The source under the name that the setting gives."""
    return msgspec.structs.replace(known.source, name=settings.name or known.source.name)


def cached(settings: Settings) -> Path | None:
    """The entry that serves without a preparing process: there, whole, prepared, and still the registry's.

    An unreachable registry is not a reason to wait: the URI names an exact version.
    """
    uri = locate.parse(settings.model)
    if not uri.version:
        return None
    entry = cache.find(settings.cache_dir, settings.tracking_uri, uri.name, uri.version)
    record = cache.read(entry) if entry else None
    if entry is None or record is None:
        return None
    known = preparing.load(entry / preparing.file_name(settings.onnx))
    if known is None or known.converts:
        return None
    source = locate.current_source(settings.tracking_uri, uri.name, uri.version)
    if source is None:
        log.warning("the registry cannot be asked; the cached version serves", version=uri.version)
    elif source != record.source.source:
        log.warning("the registry's version has another artifact than the cached one", source=source)
        return None
    try:
        cache.check(entry / ARTIFACT, record.files)
    except Damaged as damage:
        log.warning("the cached model is damaged", damage=str(damage))
        return None
    return entry


async def prepare(settings: Settings) -> Path:
    """Runs the preparing process; the entry that it made. Raises `StartFailed` with its words."""
    with tempfile.TemporaryDirectory(prefix="driftlead-") as folder:
        result = Path(folder) / "result.json"
        request = PrepareRequest(
            settings.model,
            settings.name,
            settings.tracking_uri,
            str(settings.cache_dir),
            settings.onnx,
            str(result),
            settings.convert_seconds,
        )
        code = await run(request, settings.load_seconds)
        if not result.is_file():
            raise StartFailed(ExitCode.LOAD_FAILED, died(code, settings.load_seconds))
        found = msgspec.json.decode(result.read_bytes(), type=PrepareResult)
    if found.code:
        raise StartFailed(ExitCode(found.code), found.message)
    return Path(found.entry)


async def run(request: PrepareRequest, seconds: float) -> int | None:
    """The child's exit code, None when it took too long. It ends with us at the latest."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "driftlead_inference.prepare", stdin=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds):
            await child.communicate(msgspec.json.encode(request))
    except TimeoutError:
        log.error("preparing took too long and was ended", seconds=seconds)
        return None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode


def died(code: int | None, seconds: float) -> str:
    """Why a preparing process left no result."""
    if code is None:
        return f"loading took longer than {seconds:.0f} s; is the model that large?"
    how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
    hint = "; it probably needs more memory than the container may use" if code == -9 else ""
    return f"the process that loads the model {how} before it could say why{hint}"


def artifact(entry: Path, known: Prepared) -> Path:
    """The model's folder."""
    return entry / ARTIFACT if known.source.registry else Path(known.source.source)


def build(known: Prepared, folder: Path, entry: Path) -> Engine:
    """The engine that serves. Raises `StartFailed`."""
    if known.onnx:
        return verified(known, entry / known.onnx)
    from driftlead_inference.model.flavours import load as load_model  # noqa: PLC0415 - imports MLflow

    return LoadedEngine(load_model(folder), known.signature, known.takes, known.labels, known.answer)


def verified(known: Prepared, file: Path) -> Engine:
    """The converted model, if its file is what was verified. Raises `StartFailed`."""
    from driftlead_inference.engines.onnx.engine import OnnxEngine, Session  # noqa: PLC0415 - only where it serves

    model = file.read_bytes()
    if hashlib.sha256(model).hexdigest() != known.onnx_sha256:
        file.unlink()
        raise StartFailed(
            ExitCode.UNEXPECTED,
            f"{file} is not what was verified and was deleted; the next start converts it again",
        )
    session = Session(model, known.onnx_type)
    return OnnxEngine(session, known.labels, known.answer, probabilities=known.probabilities)


def freeze() -> None:
    """Takes what is loaded out of garbage collection: a full one would walk it inside a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
