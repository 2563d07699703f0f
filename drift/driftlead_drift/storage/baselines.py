"""Where a baseline comes from: a file, a model's folder, or a version's folder in the registry."""

from pathlib import Path

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.settings import CheckSettings
from driftlead_drift.storage.registry import ModelVersion, Registry, wanted
from driftlead_formats.baseline import ARTIFACT, Baseline, BaselineError

Found = tuple[str, str, Baseline, str]
"""Name and version of the model, its baseline, and where that came from."""


def version_baseline(settings: CheckSettings) -> Found:
    """The baseline that the settings name. Raises CannotJudgeError where there is none."""
    if settings.baseline is not None:
        named = wanted(settings.model) if settings.model else None
        return (
            named.name if named else "",
            named.version if named else "",
            read_baseline(settings.baseline),
            str(settings.baseline),
        )
    folder = Path(settings.model)
    if (folder / "MLmodel").is_file():
        return folder.name, "", read_baseline(folder / ARTIFACT), str(folder / ARTIFACT)
    want = wanted(settings.model)
    registry = Registry(settings.tracking_uri)
    version = registry.resolve(want)
    baseline, source = registered_baseline(registry, want.name, version)
    if baseline is None:
        raise CannotJudgeError(
            f"model {want.name} version {version} has no {ARTIFACT}; log it with driftlead_drift.log_model "
            "or log_baseline, or give --baseline FILE"
        )
    return want.name, version, baseline, source


def registered_baseline(registry: Registry, name: str, version: str) -> tuple[Baseline | None, str]:
    """The baseline in a version's folder and its URI; None where training wrote none."""
    return baseline_of(registry, registry.version(name, version))


def baseline_of(registry: Registry, model: ModelVersion) -> tuple[Baseline | None, str]:
    """The same of a version that was looked up."""
    source = f"{model.artifacts}/{ARTIFACT}"
    body = registry.file(model, ARTIFACT)
    if body is None:
        return None, source
    try:
        return Baseline.from_json(body), source
    except BaselineError as error:
        raise CannotJudgeError(f"{source}: {error}") from error


def read_baseline(path: Path) -> Baseline:
    """A baseline file. Raises CannotJudgeError with what is wrong with it."""
    try:
        return Baseline.from_json(path.read_bytes())
    except OSError as error:
        raise CannotJudgeError(
            f"the baseline {path} cannot be read: {error.strerror or error}; "
            "make one with: driftlead-drift baseline --data reference.csv --out baseline.json"
        ) from error
    except BaselineError as error:
        raise CannotJudgeError(f"{path}: {error}") from error
