"""Where a model is: `models:/`, `runs:/` and folders become a source, asked of the registry once.

Two ways to ask: MLflow's own client (in the preparing process, which has MLflow loaded anyway), and one GET
for the serving process, which must start fast and small and only wants to know whether its cached version is
still the registry's.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from driftlead_formats import model_uri
from driftlead_formats.exit_codes import ExitCode
from driftlead_formats.tracking import authorization, trust
from driftlead_inference.failures import StartFailed
from driftlead_inference.model.prepared import Source

UNREGISTERED = "0"  # the version in log and replies of a model that no registry counts


@dataclass(frozen=True)
class ModelUri:
    """A model URI, taken apart: exactly one of version, alias, artifact and folder is set.

    `artifact` is a URI itself, `runs:/<run>/<path>` or `models:/m-<id>`: exact, without a registered version.
    """

    name: str = ""
    version: str = ""
    alias: str = ""
    artifact: str = ""
    folder: Path | None = None


def parse(uri: str) -> ModelUri:
    """What a URI asks for. Raises `StartFailed` (usage) with the forms there are."""
    registered = model_uri.parse(uri)
    if uri.startswith("runs:/") or (registered and registered.model_id):
        return ModelUri(artifact=uri)
    if registered and (registered.alias or registered.version not in ("", UNREGISTERED)):
        return ModelUri(name=registered.name, version=registered.version, alias=registered.alias)
    folder = Path(uri.removeprefix("file://"))
    if ":" not in uri.split("/", 1)[0] or uri.startswith("file://"):
        return ModelUri(folder=folder.absolute())
    raise StartFailed(
        ExitCode.USAGE,
        f"{uri!r} is not the URI of a model; use models:/Name/3, models:/Name@alias, models:/m-<id>, "
        "runs:/<run>/<path> or a folder. A registry stage or `latest` is not served: a restarted process "
        "would come back with another model",
    )


def local(uri: ModelUri, name: str) -> Source:
    """The source of a folder. Raises `StartFailed` when it holds no MLflow model."""
    folder = uri.folder or Path()
    if not (folder / "MLmodel").is_file():
        raise StartFailed(
            ExitCode.VERSION_NOT_FOUND, f"{folder} holds no file MLmodel; save with mlflow.sklearn.save_model"
        )
    return Source(registry="", name=name or folder.name, version=UNREGISTERED, source=str(folder))


def current_source(registry: str, name: str, version: str, seconds: float = 3) -> str | None:
    """Where an HTTP registry says that a version lies; None when it cannot be asked.

    Raises `StartFailed` (version not found) when it answers that there is no such version.
    """
    if not registry.startswith(("http://", "https://")):
        return None
    query = urllib.parse.urlencode({"name": name, "version": version})
    url = f"{registry.rstrip('/')}/api/2.0/mlflow/model-versions/get?{query}"
    request = urllib.request.Request(url, headers=authorization())  # noqa: S310 - http or https, see above
    try:
        with urllib.request.urlopen(request, timeout=seconds, context=trust()) as reply:  # noqa: S310
            return str(json.load(reply)["model_version"]["source"])
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise StartFailed(
                ExitCode.VERSION_NOT_FOUND, f"{registry} has no version {version} of {name}"
            ) from error
        return None
    except (OSError, ValueError, KeyError):
        return None
