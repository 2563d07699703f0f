"""What the command line has seen of one ModelDeployment: plain mappings, as the API server gives them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from driftlead_operator.decisions import names

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A ModelDeployment and the children that carry its label, at one time.

    `unseen` names what this user may not list, in the plural that RBAC uses.
    """

    resource: Manifest
    now: datetime
    deployments: Sequence[Manifest] = ()
    cronjobs: Sequence[Manifest] = ()
    jobs: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()
    events: Sequence[Manifest] = ()
    unseen: Sequence[str] = ()


def name_of(manifest: Manifest) -> str:
    """The object's name."""
    return str(manifest["metadata"]["name"])


def component(manifest: Manifest) -> str:
    """Which part of a ModelDeployment an object is: prod, canary, drift, retrain or judge."""
    return str(manifest["metadata"].get("labels", {}).get(names.COMPONENT, ""))


def version_label(manifest: Manifest) -> str:
    """The model version that a pod serves, empty where there is none."""
    return str(manifest["metadata"].get("labels", {}).get(names.VERSION, ""))


def status_of(manifest: Manifest) -> Manifest:
    """The object's status, empty before anybody has written one."""
    status: Manifest = manifest.get("status") or {}
    return status


def condition(manifest: Manifest, kind: str) -> Manifest | None:
    """The condition of that type."""
    return next((each for each in status_of(manifest).get("conditions", []) if each["type"] == kind), None)


def is_true(manifest: Manifest, kind: str) -> bool:
    """Whether the condition of that type is there and true."""
    found = condition(manifest, kind)
    return found is not None and found["status"] == "True"


def owned_by(children: Sequence[Manifest], owner: Manifest) -> Iterator[Manifest]:
    """Those of the children whose controller is this owner."""
    uid = owner["metadata"].get("uid")
    for child in children:
        if any(each.get("uid") == uid for each in child["metadata"].get("ownerReferences", [])):
            yield child


def moment(text: str | None) -> datetime | None:
    """A time as Kubernetes writes it; None for one that is missing or no time."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def age(since: str | datetime | None, now: datetime) -> str:
    """How long ago, as kubectl writes it: `12s`, `5m`, `3h`, `9d`; `-` for an unknown time."""
    began = since if isinstance(since, datetime) else moment(since)
    if began is None:
        return "-"
    seconds = max(0, int((now - began).total_seconds()))
    for limit, unit, size in ((120, "s", 1), (7200, "m", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"
