"""The kinds of objects that the operator knows: where the API server keeps them, and which it watches."""

from typing import NamedTuple

from driftlead_operator.decisions import names

RESOURCE = "ModelDeployment"
SELECTOR = f"{names.MANAGED_BY}={names.MANAGER}"


class Kind(NamedTuple):
    """A kind's name, its API group ("" is the core) and version, and its name in paths."""

    name: str
    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The URL's path; without a namespace, of all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, *(("namespaces", namespace) if namespace else ()), self.plural, name, subresource]
        return "/".join(part for part in parts if part)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(RESOURCE, names.GROUP, "v1alpha1", "modeldeployments"),
        Kind("Deployment", "apps", "v1", "deployments"),
        Kind("ReplicaSet", "apps", "v1", "replicasets"),
        Kind("Pod", "", "v1", "pods"),
        Kind("Service", "", "v1", "services"),
        Kind("CronJob", "batch", "v1", "cronjobs"),
        Kind("Job", "batch", "v1", "jobs"),
        Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers"),
        Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
        Kind("Lease", "coordination.k8s.io", "v1", "leases"),
        Kind("Event", "", "v1", "events"),
    )
}
OWNED = (
    "Deployment",
    "ReplicaSet",
    "Pod",
    "Service",
    "CronJob",
    "Job",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
)
WATCHED = (RESOURCE, *OWNED)


class Key(NamedTuple):
    """Names one ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
