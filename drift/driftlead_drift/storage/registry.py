"""MLflow's registry by REST, without MLflow's client: the image that checks does not carry it."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.storage import s3
from driftlead_formats import model_uri
from driftlead_formats.model_uri import ModelReference
from driftlead_formats.tracking import authorization, trust


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model, and where its files are."""

    name: str
    version: str
    run_id: str
    artifacts: str


def wanted(model: str) -> ModelReference:
    """What a user named: a URI that begins with `models:/`, or a registered model by its plain name.

    Raises CannotJudgeError for another form.
    """
    if not model.startswith("models:"):
        return ModelReference(name=model)
    found = model_uri.parse(model)
    if found is None:
        raise CannotJudgeError(
            f"'{model}' does not name a model; write models:/Name/3, models:/Name@alias or "
            "models:/Name/Production"
        )
    if found.model_id:
        raise CannotJudgeError(
            f"'{model}' is a logged model without a registered version, and its rows stand in the log under "
            "the name that the server was given: write models:/Name/0 with --baseline FILE, or register it"
        )
    return found


class Registry:
    """The few calls of MLflow's REST API that drift needs. Each raises CannotJudgeError with a sentence."""

    def __init__(self, tracking_uri: str | None) -> None:
        if not tracking_uri or not tracking_uri.startswith(("http://", "https://")):
            seen = f"it is {tracking_uri!r}" if tracking_uri else "it is not set"
            raise CannotJudgeError(
                f"a registered model needs MLflow's address in MLFLOW_TRACKING_URI, and {seen}; "
                "set it to http://host:port, or give --baseline FILE"
            )
        self.uri = tracking_uri.rstrip("/")

    def resolve(self, want: ModelReference) -> str:
        """The version that a stage or an alias names. Raises CannotJudgeError when there is none."""
        if want.version:
            return want.version
        if want.alias:
            reply = self._call("registered-models/alias", name=want.name, alias=want.alias)
            return str(reply["model_version"]["version"])
        reply = self._call("model-versions/search", filter=f"name='{want.name}'", max_results="1000")
        versions = [
            each
            for each in reply.get("model_versions", [])
            if not want.stage or each.get("current_stage") == want.stage
        ]
        if not versions:
            where = f"in stage {want.stage}" if want.stage else "in the registry"
            raise CannotJudgeError(
                f"model {want.name} has no version {where} at {self.uri}; register one, or name a version"
            )
        return max((str(each["version"]) for each in versions), key=int)

    def version(self, name: str, version: str) -> ModelVersion:
        """Where a version's files are."""
        found = self._call("model-versions/get", name=name, version=version)["model_version"]
        artifacts = self._call("model-versions/get-download-uri", name=name, version=version)["artifact_uri"]
        return ModelVersion(name, version, found.get("run_id", ""), artifacts.rstrip("/"))

    def file(self, model: ModelVersion, path: str) -> bytes | None:
        """A file of a version's folder, None when it has none."""
        where = f"{model.artifacts}/{path}"
        scheme = urllib.parse.urlsplit(where).scheme
        if scheme == "s3":
            return s3.get(where)
        if scheme in ("", "file"):
            file = Path(urllib.parse.unquote(urllib.parse.urlsplit(where).path))
            return file.read_bytes() if file.is_file() else None
        if scheme == "mlflow-artifacts":
            inside = urllib.parse.urlsplit(where).path.lstrip("/")
            return self._get(f"{self.uri}/api/2.0/mlflow-artifacts/artifacts/{urllib.parse.quote(inside)}")
        raise CannotJudgeError(
            f"the files of model {model.name} version {model.version} are at {model.artifacts}, and of such "
            "places only s3://, file:// and mlflow-artifacts:/ can be read here; give --baseline FILE"
        )

    def _call(self, method: str, **query: str) -> dict[str, Any]:
        body = self._get(f"{self.uri}/api/2.0/mlflow/{method}?{urllib.parse.urlencode(query)}")
        if body is None:
            raise CannotJudgeError(
                f"MLflow at {self.uri} knows no {' '.join(query.values())} ({method} answered 404); "
                "check the model's name and version, or register it"
            )
        try:
            reply: dict[str, Any] = json.loads(body)
        except ValueError:
            raise CannotJudgeError(
                f"MLflow at {self.uri} answered {method} with what is not JSON; is that its address?"
            ) from None
        return reply

    def _get(self, url: str) -> bytes | None:
        request = urllib.request.Request(url, headers=authorization())  # noqa: S310 - http(s) was checked
        try:
            with urllib.request.urlopen(request, timeout=30, context=trust()) as reply:  # noqa: S310
                body: bytes = reply.read()
                return body
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            credentials = "check MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD"
            advice = credentials if error.code in (401, 403) else "check what was asked for"
            raise CannotJudgeError(
                f"MLflow at {self.uri} refused with HTTP {error.code}: {_said(error.read())}; {advice}"
            ) from error
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise CannotJudgeError(
                f"MLflow at {self.uri} does not answer ({reason}); check MLFLOW_TRACKING_URI and that it runs"
            ) from error


def _said(body: bytes) -> str:
    """MLflow's own words in an error's body, which is JSON or a proxy's page."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
