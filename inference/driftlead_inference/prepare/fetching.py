"""Asks the registry what a URI means, and brings the artifact into the cache. By MLflow's client: in the
preparing process alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from driftlead_formats import classes
from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.failures import StartFailed
from driftlead_inference.model import cache, locate
from driftlead_inference.model.cache import ARTIFACT, Record
from driftlead_inference.model.prepared import Source
from driftlead_inference.model.preparing import PrepareRequest

log = structlog.get_logger()


def resolve(request: PrepareRequest) -> Source:
    """Asks the registry which artifact a URI means."""
    uri = locate.parse(request.uri)
    if uri.folder is not None:
        return locate.local(uri, request.name)
    import mlflow  # noqa: PLC0415 - a folder needs no registry

    if request.registry:
        mlflow.set_tracking_uri(request.registry)
    registry = request.registry or mlflow.get_tracking_uri()
    client = mlflow.MlflowClient()
    if uri.artifact:  # nothing is asked here: what is cached serves while the registry is unreachable
        maker = uri.artifact.split("/")[1]
        run = maker if uri.artifact.startswith("runs:/") else ""
        return Source(registry, request.name or maker, locate.UNREGISTERED, uri.artifact, run_id=run)
    with registry_errors(registry, request.uri):
        version = (
            client.get_model_version_by_alias(uri.name, uri.alias)
            if uri.alias
            else client.get_model_version(uri.name, uri.version)
        )
        labels = client.get_registered_model(uri.name).tags.get(classes.TAG)
    return Source(
        registry=registry,
        name=uri.name,
        version=str(version.version),
        source=str(version.source),
        run_id=str(version.run_id or ""),
        labels=classes.from_tag(labels),
    )


@contextmanager
def registry_errors(registry: str, uri: str) -> Iterator[None]:
    """Turns what MLflow's client raises into `StartFailed`: there is no such thing, or nobody answers."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - imports MLflow

    try:
        yield
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
            sentence = f"{registry} has no {uri}: {error.message}"
            raise StartFailed(ExitCode.VERSION_NOT_FOUND, sentence) from error
        raise StartFailed(
            ExitCode.POD_CANNOT_REACH_REGISTRY, f"{registry} does not answer: {error.message}"
        ) from error


def fetch(request: PrepareRequest, source: Source) -> tuple[Path, Path, Record]:
    """The entry, the artifact's folder and its record: from the cache where it is whole, else downloaded."""
    root = Path(request.cache_dir)
    entry = root / source.key
    if not source.registry:
        folder = Path(source.source)
        record = Record(source, cache.digests(folder))
        entry.mkdir(parents=True, exist_ok=True)
        cache.write_whole(entry / cache.RECORD, msgspec.json.encode(record))
        return entry, folder, record
    record_there = cache.read(entry)
    if record_there is not None:
        try:
            cache.check(entry / ARTIFACT, record_there.files)
        except cache.Damaged as damage:
            log.warning("the cached model is damaged and downloaded again", damage=str(damage))
        else:
            return entry, entry / ARTIFACT, record_there
    place = ""
    if source.version == locate.UNREGISTERED:
        source, place = unregistered(source)
    entry = cache.remember(root, source, lambda folder: download(source, place, folder))
    written = cache.read(entry)
    if written is None:
        raise StartFailed(ExitCode.UNEXPECTED, f"{entry} was written and cannot be read; is the disk full?")
    return entry, entry / ARTIFACT, written


def unregistered(source: Source) -> tuple[Source, str]:
    """A run's artifact or a logged model with the run that made it, and where it lies. Raises
    `StartFailed`."""
    import mlflow  # noqa: PLC0415

    client = mlflow.MlflowClient()
    with registry_errors(source.registry, source.source):
        if source.run_id:
            return source, str(client.get_run(source.run_id).info.artifact_uri)
        logged = client.get_logged_model(source.source.removeprefix("models:/"))
    return msgspec.structs.replace(source, run_id=logged.source_run_id or ""), str(logged.artifact_location)


def download(source: Source, place: str, folder: Path) -> None:
    """MLflow's download of the exact version's artifact, or of one at `place`. Raises `StartFailed`."""
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415

    exact, hint = f"models:/{source.name}/{source.version}", ""
    if place:  # of such an artifact MLflow does not say why it cannot be had
        exact, hint = source.source, f"; is the path right, and does {place} answer?"
    try:
        there = Path(download_artifacts(artifact_uri=exact, dst_path=str(folder)))
    except Exception as error:
        sentence = f"{source.source} cannot be downloaded: {type(error).__name__}: {error}{hint}"
        raise StartFailed(ExitCode.POD_CANNOT_REACH_ARTIFACTS, sentence) from error
    if there.resolve() != folder.resolve():  # a run's artifact lies below, in its own path
        aside = there.rename(folder.with_name("of-run"))
        shutil.rmtree(folder)
        aside.rename(folder)
    if not any(each.is_file() for each in folder.rglob("*")):
        # An empty listing is a store that lost its objects, or another store: no fault of the version.
        raise StartFailed(
            ExitCode.POD_CANNOT_REACH_ARTIFACTS,
            f"the store has nothing at {source.source}; is it the right endpoint, is the bucket restored?",
        )
    if not (folder / "MLmodel").is_file():
        raise StartFailed(
            ExitCode.LOAD_FAILED, f"{source.source} holds no file MLmodel: it is not an MLflow model"
        )
