"""What `promote` and `abort` ask of the operator, and how the same is said by hand."""

import json
import re
from dataclasses import dataclass

from driftlead_cli.errors import Refused
from driftlead_cli.facts import Manifest, name_of, status_of

ENDED = {
    "Stale": "it does not exist in the registry, or there is nothing to promote",
    "Forbidden": "the operator may not write to this registry (allowWrite: false)",
    "Superseded": "the registry was moved by somebody else meanwhile and is not overwritten",
    "Aborted": "it was aborted",
}
VERSION = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """One annotation on a ModelDeployment: what the operator acts upon once and echoes in status."""

    annotation: str
    value: str

    def patch(self) -> dict[str, object]:
        """The merge patch."""
        return {"metadata": {"annotations": {self.annotation: self.value}}}

    def removal(self) -> dict[str, object]:
        """The merge patch that takes the annotation away."""
        return {"metadata": {"annotations": {self.annotation: None}}}

    def is_set(self, resource: Manifest) -> bool:
        """Whether it is set already: then it must go first, or the operator would see no change."""
        annotations = resource["metadata"].get("annotations") or {}
        return bool(annotations.get(self.annotation) == self.value)

    def is_forgotten(self, resource: Manifest) -> bool:
        """Whether the operator echoes it no longer, so that the same is a new request."""
        return self.annotation.rpartition("/")[2] not in status_of(resource).get("handled", {})

    def kubectl(self, resource: Manifest) -> str:
        """The same by kubectl alone."""
        namespace = resource["metadata"].get("namespace", "default")
        return (
            f"kubectl annotate modeldeployment {name_of(resource)} -n {namespace} --overwrite"
            f" {self.annotation}={self.value}"
        )


def checked(version: str) -> str:
    """The version, if it is one. Raises Refused when it is not one."""
    if not VERSION.fullmatch(version):
        raise Refused(
            f"{version!r} is not a version: a string of digits is wanted, as the registry numbers them"
        )
    return version


def wanted_version(resource: Manifest, version: str | None) -> str:
    """The version to promote: the given one, else the canary's. Raises Refused when there is none."""
    status = status_of(resource)
    served = status.get("prod", {}).get("version")
    if version is None:
        version = status.get("canary", {}).get("version")
        if not version:
            raise Refused(
                f"{name_of(resource)} has no canary that serves, so nothing can be promoted: name a version"
                f" (kubectl driftlead promote {name_of(resource)} 5), or register one for the canary"
            )
    if checked(version) == served and status["prod"].get("target", {}).get("version") == version:
        raise Refused(f"{name_of(resource)} serves version {version} on prod already; nothing to do")
    return version


def refusal(resource: Manifest, version: str) -> str | None:
    """Why the promotion that was requested will not come, None while it still may.

    What is said of an earlier request for the same version does not count: the operator echoes the annotation
    only once it has acted upon this one.
    """
    status = status_of(resource)
    last = status.get("promotion", {})
    acted_upon = status.get("handled", {}).get("promote") == version
    why = ENDED.get(last.get("outcome", ""))
    if not acted_upon or last.get("version") != version or why is None:
        return None
    name = name_of(resource)
    event = f"kubectl describe modeldeployment {name}"
    return f"version {version} is not promoted: {why}. The event says more: {event}"


def refuse_without_target(resource: Manifest) -> None:
    """Raises Refused where the operator could not tell the registry: prod is a pin alone."""
    prod = resource["spec"]["prod"]
    if "stage" in prod or "alias" in prod:
        return
    raise Refused(
        f"{name_of(resource)} pins prod to version {prod.get('version')} and names no stage or alias, so"
        f" there is nothing in the registry to move; change the pin instead: kubectl patch modeldeployment"
        f""" {name_of(resource)} --type merge -p '{{"spec":{{"prod":{{"version":"..."}}}}}}'"""
    )


def curl(resource: Manifest, version: str) -> str:
    """The registry call that the operator makes for a promotion, as a command for a shell."""
    spec = resource["spec"]
    prod = spec["prod"]
    if "alias" in prod:
        path, body = (
            "registered-models/alias",
            {"name": spec["model"], "alias": prod["alias"], "version": version},
        )
    else:
        path = "model-versions/transition-stage"
        body = {
            "name": spec["model"],
            "version": version,
            "stage": prod["stage"],
            "archive_existing_versions": True,
        }
    quoted = json.dumps(body).replace("'", "'\\''")
    return (
        f'curl -fsS -X POST "$MLFLOW_TRACKING_URI/api/2.0/mlflow/{path}"'
        f" -H 'Content-Type: application/json' -d '{quoted}'"
    )
