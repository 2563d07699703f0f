"""The kinds of objects that the operator knows: where the API server keeps them, and which it watches."""

from typing import NamedTuple

from driftlead_operator.decisions import names

RESOURCE = "ModelDeployment"
SELECTOR = f"{names.MANAGED_BY}={names.MANAGER}"


class Kind(NamedTuple):
    """A kind's name, its API group ("" is the core) and version, and its name in paths.

    `optional`: the cluster may lack the API, as one whose CRD somebody must install. It is then as if there
    were no objects of it, and no right to it is needed; `cluster.discovery` notices when it comes and when it
    goes. `watched` kinds are kept in the cache; of all but our own resource, those with our label.
    """

    name: str
    group: str
    version: str
    plural: str
    watched: bool = True
    optional: bool = False

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def selector(self) -> str:
        """The label selector of watches and listings."""
        return "" if self.name == RESOURCE else SELECTOR

    @property
    def discovery(self) -> str:
        """The path at which the API server lists the resources of the kind's group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The URL's path; without a namespace, of all of them."""
        parts = [
            self.discovery,
            *(("namespaces", namespace) if namespace else ()),
            self.plural,
            name,
            subresource,
        ]
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
        Kind("Lease", "coordination.k8s.io", "v1", "leases", watched=False),
        Kind("Event", "", "v1", "events", watched=False),
    )
}
"""Every kind by its name. A kind that is added here is watched, cached and audited."""


def watched_kinds(*, optional: bool) -> list[str]:
    """The kinds that are kept in the cache: those that must be there, or those that the cluster may lack."""
    return [kind.name for kind in KINDS.values() if kind.watched and kind.optional == optional]


class Key(NamedTuple):
    """Names one ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
