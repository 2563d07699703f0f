"""Every label, annotation, object name and container name that the operator gives or reads, with its meaning.

Constants and functions serve the code, `DOCUMENTED` the reference. Only the chart, which selects by labels,
spells them a second time. This module imports nothing of ours, so that the command line may use it too.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GROUP: Final = "driftlead.dev"
"""The API group, and the prefix of our labels and annotations."""
MANAGER: Final = "driftlead-operator"
"""The operator as a field manager, as the source of events, and in the label managed-by."""


class NameKind(StrEnum):
    """What a name is given to."""

    LABEL = "label"
    REQUEST = "annotation of a ModelDeployment, set by people"
    ANNOTATION = "annotation set by the operator"
    CHILD = "object"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Name:
    """One name as the reference shows it; `{name}` stands for the name of the ModelDeployment."""

    key: str
    kind: NameKind
    meaning: str


_documented: list[Name] = []


def _add(kind: NameKind, key: str, meaning: str) -> str:
    """Puts a name into the reference and gives it back, so that a name and its meaning stand together."""
    _documented.append(Name(key, kind, meaning))
    return key


# Labels

APP_NAME: Final = _add(
    NameKind.LABEL,
    "app.kubernetes.io/name",
    "`driftlead-model` on every child; Kubernetes recommends the label",
)
APP_INSTANCE: Final = _add(
    NameKind.LABEL,
    "app.kubernetes.io/instance",
    "the ModelDeployment, for tools that group by it",
)
APP_PART_OF: Final = _add(NameKind.LABEL, "app.kubernetes.io/part-of", "`driftlead` on every child")
COMPONENT: Final = _add(
    NameKind.LABEL,
    "app.kubernetes.io/component",
    "which part a child is: `stable`, `prod`, `canary`, `judge`, `drift` or `retrain`",
)
MANAGED_BY: Final = _add(
    NameKind.LABEL,
    "app.kubernetes.io/managed-by",
    f"`{MANAGER}` on every child; the operator watches only objects that carry it",
)
RESOURCE_NAME: Final = _add(
    NameKind.LABEL,
    f"{GROUP}/name",
    "the ModelDeployment that the child belongs to; with managed-by it identifies orphaned children",
)
STAGE: Final = _add(
    NameKind.LABEL,
    f"{GROUP}/stage",
    "`prod` or `canary`, on the pods that serve; Services and Deployments select by it",
)
VERSION: Final = _add(
    NameKind.LABEL,
    f"{GROUP}/version",
    "the version that a pod serves, or that a judge compares with prod's",
)
POD_TEMPLATE_HASH: Final = "pod-template-hash"
"""Kubernetes' own label: tells the pods of one revision of a Deployment from those of another."""

# Annotations

PROMOTE: Final = _add(
    NameKind.REQUEST,
    f"{GROUP}/promote",
    "the version to move in the registry to the stage or alias that prod follows; carried out once",
)
ABORT: Final = _add(
    NameKind.REQUEST,
    f"{GROUP}/abort",
    "the version to abort, while it is being rolled out to prod or is the canary; carried out once",
)
REQUESTED_AT: Final = _add(
    NameKind.REQUEST, f"{GROUP}/requestedAt", "any new value: a rejected or aborted version is tried again"
)
INPUTS: Final = _add(
    NameKind.ANNOTATION,
    f"{GROUP}/inputs",
    "on Deployments, copied to their ReplicaSets: the hash of the user's settings for the pods, and of the"
    " template that was rendered from them",
)
TEMPLATE: Final = _add(
    NameKind.ANNOTATION,
    f"{GROUP}/template",
    "on Deployments, copied to their ReplicaSets: the pod template as the operator applied it, so that after"
    " an upgrade of the operator, or in a rollback, the same template can be applied again",
)
APPLIED: Final = _add(
    NameKind.ANNOTATION,
    f"{GROUP}/applied",
    "on every child except Jobs: the hash of the object as last applied; if it differs, the operator applies"
    " the object again",
)
HOOKS_AT: Final = _add(
    NameKind.ANNOTATION,
    f"{GROUP}/hooks-at",
    "on the Lease: the address at which the leader accepts webhooks of registries",
)
REVISION: Final = "deployment.kubernetes.io/revision"
"""Kubernetes' own annotation: the number of a Deployment's revision, on it and on its ReplicaSets."""

# Objects

_add(NameKind.CHILD, "{name}", "Service for callers; it selects the pods of prod")


def stable(resource: str) -> str:
    """The Service for callers."""
    return resource


_add(
    NameKind.CHILD,
    "{name}-prod",
    "Deployment and Service of prod; PodDisruptionBudget and HorizontalPodAutoscaler if needed",
)
_add(NameKind.CHILD, "{name}-canary", "Deployment, Service and PodDisruptionBudget of the canary")


def of_stage(resource: str, stage: str) -> str:
    """Whatever belongs to one stage."""
    return f"{resource}-{stage}"


_add(NameKind.CHILD, "{name}-judge", "Deployment that compares the canary with prod")


def judge(resource: str) -> str:
    """The Deployment that compares the canary with prod."""
    return f"{resource}-judge"


_add(NameKind.CHILD, "{name}-drift", "CronJob that checks for drift; its Jobs are named by Kubernetes")


def drift_check(resource: str) -> str:
    """The CronJob that checks for drift."""
    return f"{resource}-drift"


_add(
    NameKind.CHILD,
    "{name}-retrain-{version}-{hash}",
    "Job that trains a challenger of a version; the hash is of the report that caused it and of the attempt,"
    " so that one report and attempt create only one Job",
)


def retraining(resource: str, champion: str, cause: str) -> str:
    """The Job that trains a challenger of a version, because of something that `cause` is the hash of."""
    return f"{resource}-retrain-{champion}-{cause}"


def champion_of(resource: str, job: str) -> str:
    """The version in the name of a retraining Job."""
    return job.removeprefix(f"{resource}-retrain-").rpartition("-")[0]


# Containers

SERVER: Final = _add(NameKind.CONTAINER, "server", "serves predictions, in the pods of prod and canary")
JUDGE: Final = _add(NameKind.CONTAINER, "judge", "compares the canary with prod; also the component's name")
DRIFT: Final = _add(NameKind.CONTAINER, "drift", "checks for drift; also the component's name")
RETRAIN: Final = _add(NameKind.CONTAINER, "retrain", "trains a challenger; also the component's name")

DOCUMENTED: Final = tuple(_documented)
"""What the reference shows, in its order."""
