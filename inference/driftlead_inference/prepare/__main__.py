"""The preparing process: finds, downloads, loads, probes and converts a model, and leaves what it found as
data.

It runs as a child (`python -m driftlead_inference.prepare`), so that MLflow, pandas, scikit-learn and
the ONNX converter never enter the process that serves unless that needs them, and so that a model that
crashes its interpreter takes down only this one. It reads a `PrepareRequest` from standard input and writes a
`PrepareResult` to the file named there.
"""

import hashlib
import os
import signal
import sys
import time
import warnings
from pathlib import Path

import msgspec
import structlog

from driftlead_formats.baseline import Baseline, BaselineError
from driftlead_formats.classes import numbered
from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.engines.onnx import convert as onnx_convert
from driftlead_inference.failures import StartFailed
from driftlead_inference.model import flavours, locate, preparing
from driftlead_inference.model.cache import ARTIFACT, Record
from driftlead_inference.model.examples import example, read_baseline
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.model.prepared import Prepared
from driftlead_inference.model.preparing import PrepareRequest, PrepareResult
from driftlead_inference.prepare import beside, fetching, fits, probing, smoke, units
from driftlead_inference.prepare.missing import with_missing
from driftlead_inference.prepare.zones import with_zones
from driftlead_inference.rows.signature import Signature, Unservable, from_estimator, from_mlflow
from driftlead_inference.rows.validation import RowValidator

log = structlog.get_logger()


def main() -> int:
    """Does what standard input asks; the exit code is that of the serving process."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=PrepareRequest)
    uri = locate.parse(request.uri)
    result = Path(request.result)
    try:
        entry, convertible = prepare(request)
        # From here on the model serves, whatever the converter does: it may crash its interpreter.
        result.write_bytes(msgspec.json.encode(PrepareResult(entry=str(entry))))
        if convertible is not None:
            signal.alarm(request.convert_seconds)  # a converter that hangs is ended by it, wherever it hangs
            converted(entry, request, convertible)
        return 0
    except StartFailed as failed:
        found = PrepareResult(code=failed.code, message=failed.message, version=uri.version)
    except Exception as error:
        log.exception("preparing failed")
        found = PrepareResult(
            code=ExitCode.UNEXPECTED, message=f"{type(error).__name__}: {error}", version=uri.version
        )
    result.write_bytes(msgspec.json.encode(found))
    return found.code


def prepare(request: PrepareRequest) -> tuple[Path, Loaded | None]:
    """The cache entry that holds the model and what is known of it; the model where it may be converted.

    Raises `StartFailed`.
    """
    started = time.monotonic()
    source = fetching.resolve(request)
    located = time.monotonic()
    entry, folder, record = fetching.fetch(request, source)
    fetched = time.monotonic()
    path = entry / preparing.file_name(request.conversion)
    known = preparing.load(path)
    if known is not None and known.digest == record.digest:
        return entry, flavours.load(folder) if known.converts else None
    seconds = {"locate": located - started, "fetch": fetched - located}
    loaded, known = study(request, folder, record, seconds)
    preparing.save(path, known)
    return entry, loaded if known.converts else None


def converted(entry: Path, request: PrepareRequest, loaded: Loaded) -> None:
    """Converts and verifies; the prepared file says the result."""
    path = entry / preparing.file_name(request.conversion)
    known = preparing.load(path)
    if known is None:
        return
    preparing.save(path, msgspec.structs.replace(known, tries=known.tries + 1))
    started = time.monotonic()
    validator = RowValidator(known.signature, frozenset(known.accepts_missing), known.accepts_huge)
    folder = entry / ARTIFACT if known.source.registry else Path(known.source.source)
    parity = onnx_convert.convert(loaded, validator, known.takes, known.example, baseline_of(folder))
    seconds = {**known.seconds, "convert": time.monotonic() - started}
    known = msgspec.structs.replace(known, engine_reason=parity.reason, seconds=seconds, settled=True)
    if parity.model:
        known = msgspec.structs.replace(
            known,
            engine="onnx",
            onnx=onnx_convert.written(parity, entry),
            onnx_sha256=hashlib.sha256(parity.model).hexdigest(),
            onnx_type=parity.dtype,
        )
    preparing.save(path, known)


def baseline_of(folder: Path) -> Baseline | None:
    """The version's baseline, where it has a readable one."""
    try:
        return read_baseline(folder)
    except BaselineError:
        return None


def study(
    request: PrepareRequest, folder: Path, record: Record, seconds: dict[str, float]
) -> tuple[Loaded, Prepared]:
    """Loads the model and finds out what it takes and who can serve it."""
    started = time.monotonic()
    loaded = flavours.load(folder)
    seconds["load"] = time.monotonic() - started
    fits.predicts(loaded)
    signature = with_missing(signature_of(folder, loaded), loaded.estimator, folder)
    signature, zones = with_zones(signature, folder)
    fits.takes(loaded, signature)
    (row, *more), kind = example(folder, signature)
    takes = probing.taken(loaded, signature, row, *more)
    predict = probing.predictor(loaded, signature, takes)
    row, kind, doubts, answer = smoke.smoke(predict, loaded, signature, row, kind, takes=takes)
    beside.alone(loaded, signature, takes, [row, *more])
    notes = [*skew(folder), *zones, *units.doubts(loaded, signature, takes, row), *doubts]
    started = time.monotonic()
    missing = probing.accepted_missing(predict, row)
    huge = probing.accepts_huge(predict, row)
    seconds["probe"] = time.monotonic() - started
    classes = loaded.classes
    known = Prepared(
        source=record.source,
        digest=record.digest,
        signature=signature,
        flavour=loaded.flavour,
        engine=loaded.flavour,
        engine_reason="conversion is switched off"
        if request.conversion == "off"
        else "the converter ended before it had a result",
        takes=takes,
        accepts_missing=missing,
        accepts_huge=huge,
        example=row,
        example_kind=kind,
        answer=answer,
        classes=classes,
        labels=numbered(record.source.labels, classes),
        probabilities=loaded.has_probabilities,
        warnings=tuple(notes),
        settled=request.conversion == "off",
        seconds=seconds,
    )
    return loaded, known


def signature_of(folder: Path, loaded: Loaded) -> Signature:
    """MLflow's signature, else what the estimator says of itself. Raises `StartFailed` (signature)."""
    from mlflow.models import Model  # noqa: PLC0415

    try:
        signature = Model.load(str(folder)).signature
        schema = signature.inputs if signature else None
        if schema is None:
            return from_estimator(loaded.estimator)
        return from_mlflow(schema.to_dict())
    except Unservable as reason:
        raise StartFailed(
            ExitCode.SIGNATURE_MISSING,
            f"{reason}; log the model with signature=mlflow.models.infer_signature(X, predictions)",
        ) from reason


def skew(folder: Path) -> list[str]:
    """Sentences on requirements that are not met as they were when the model was trained."""
    sentences = []
    for line, state in flavours.requirements(folder):
        if state == "missing":
            sentences.append(f"the model's requirement {line} is not installed; it loaded all the same")
        elif state != "met":
            sentences.append(f"training-serving skew: the model asks for {line}, installed is {state}")
    return sentences


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    warnings.simplefilter("default")
    sys.exit(main())
