"""What a stage's Deployment and its pods show: which versions serve, which pods fail, and with which words.

Caches of different kinds lag behind one another: a Deployment may be seen with a template whose ReplicaSet is
not there yet, pods after their ReplicaSet is gone, a status that is about the spec before. So nothing is
taken for settled unless the controller's observedGeneration, its counts and the pods agree; in doubt a stage
is on its way, and the next event tells more.

Pods count by the chain of owners' uids and never by labels or names, which anybody may give to a pod of their
own. A pod on its way out counts no longer: its container may be ending in any manner.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from driftlead_formats.exit_codes import ExitCode
from driftlead_operator.decisions import containers, names, objects
from driftlead_operator.decisions.containers import ContainerTermination
from driftlead_operator.decisions.facts import Facts, Manifest, Ref, StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of a stage that is not on its way out."""

    name: str
    version: str
    template: str
    ready: bool
    created: str = ""
    termination: ContainerTermination | None = None
    waiting: tuple[str, str] = ("", "")
    unschedulable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSet:
    """One revision of a stage's Deployment."""

    name: str
    version: str
    template: str
    revision: int
    available: int
    manifest: Manifest


@dataclass(frozen=True, kw_only=True)  # no slots: `settled` is kept
class StageView:
    """What is seen of one stage. `deployment` is ours or None.

    `pods` leaves out those that terminate or ended.
    """

    name: StageName
    deployment: Manifest | None = None
    replica_sets: Sequence[ReplicaSet] = ()
    pods: Sequence[Pod] = ()
    current: ReplicaSet | None = None
    desired_replicas: int = 0

    @property
    def version(self) -> str | None:
        """The version that the Deployment's template names."""
        return template_version(objects.dig(self.deployment, "spec", "template"))

    @property
    def ready(self) -> Sequence[Pod]:
        """Pods that answered a smoke prediction."""
        return [pod for pod in self.pods if pod.ready]

    def of_current(self) -> Sequence[Pod]:
        """Pods of the Deployment's present template."""
        return [pod for pod in self.pods if self.current and pod.template == self.current.template]

    @cached_property
    def settled(self) -> bool:
        """Whether all pods that count are ready and of the present template, as the controller says too."""
        if self.deployment is None or self.current is None or not _seen_by_controller(self.deployment):
            return False
        status = objects.mapping(self.deployment.get("status"))
        counts = [objects.whole(status.get(key)) for key in ("replicas", "updatedReplicas", "readyReplicas")]
        ready = [pod for pod in self.of_current() if pod.ready]
        return counts == [self.desired_replicas] * 3 and len(ready) == len(self.pods) == self.desired_replicas


def _seen_by_controller(deployment: Manifest) -> bool:
    seen = objects.whole(objects.dig(deployment, "status", "observedGeneration"))
    return seen >= objects.generation(deployment) > 0


def template_version(template: Any) -> str | None:
    """The version that a pod template names."""
    version = objects.labels(template).get(names.VERSION)
    return str(version) if version else None


def view(facts: Facts, stage: StageName, deployment: Manifest | None) -> StageView:
    """What is seen of a stage whose Deployment is ours; all by uid, so that strangers never count."""
    if deployment is None:
        return StageView(name=stage)
    sets = {objects.uid(each): each for each in facts.replicasets if objects.owned_by(each, deployment)}
    parsed = sorted((_replica_set(each) for each in sets.values()), key=lambda each: each.revision)
    revision = objects.whole(objects.annotations(deployment).get(names.REVISION), default=-1)
    return StageView(
        name=stage,
        deployment=deployment,
        replica_sets=parsed,
        pods=pods_below(facts, sets.values(), names.SERVER),
        current=next((each for each in parsed if each.revision == revision), None),
        desired_replicas=objects.whole(objects.dig(deployment, "spec", "replicas"), default=1),
    )


def _replica_set(manifest: Manifest) -> ReplicaSet:
    return ReplicaSet(
        name=objects.name(manifest),
        version=template_version(objects.dig(manifest, "spec", "template")) or "",
        template=str(objects.labels(manifest).get(names.POD_TEMPLATE_HASH) or objects.name(manifest)),
        revision=objects.whole(objects.annotations(manifest).get(names.REVISION)),
        available=objects.whole(objects.dig(manifest, "status", "availableReplicas")),
        manifest=manifest,
    )


def pods_below(facts: Facts, owners: Iterable[Manifest], container: str) -> list[Pod]:
    """The pods of ReplicaSets or Jobs that neither terminate nor have ended, with the view of a container."""
    by_uid = {objects.uid(each): each for each in owners if objects.uid(each)}
    return sorted(_pods(facts, by_uid, container), key=lambda pod: pod.name)


def pods_of_deployment(facts: Facts, deployment: Manifest, container: str) -> list[Pod]:
    """The pods of all revisions of a Deployment."""
    sets = (each for each in facts.replicasets if objects.owned_by(each, deployment))
    return pods_below(facts, sets, container)


def _pods(facts: Facts, owners: Mapping[str, Manifest], container: str) -> Iterator[Pod]:
    for manifest in facts.pods:
        owner = owners.get(str(objects.controller(manifest).get("uid")))
        ended = objects.dig(manifest, "status", "phase") in ("Succeeded", "Failed")
        if owner is not None and not ended and not objects.terminating(manifest):
            yield _pod(manifest, owner, container)


def _pod(manifest: Manifest, owner: Manifest, container: str) -> Pod:
    return Pod(
        name=objects.name(manifest),
        version=str(objects.labels(manifest).get(names.VERSION) or ""),
        template=str(objects.labels(owner).get(names.POD_TEMPLATE_HASH) or objects.name(owner)),
        ready=objects.condition(manifest, "Ready").get("status") == "True",
        created=str(objects.metadata(manifest).get("creationTimestamp") or ""),
        termination=_bad_end(manifest, container),
        waiting=containers.waiting(manifest, container),
        unschedulable=_unschedulable(manifest),
    )


def _unschedulable(manifest: Manifest) -> str:
    scheduled = objects.condition(manifest, "PodScheduled")
    if scheduled.get("status") != "False":
        return ""
    return objects.one_line(scheduled.get("message")) or "no node fits"


def _bad_end(manifest: Manifest, container: str) -> ContainerTermination | None:
    """How the container failed last, also before it was started again."""
    found = containers.termination(manifest, container, previous=True)
    return found if found and found.exit_code != ExitCode.DRAINED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """The objects of this resource's names: those that are ours, and the names that strangers hold."""

    ours: Mapping[Ref, Manifest] = field(default_factory=dict)
    taken: Sequence[Ref] = ()


def sort_children(facts: Facts, refs: Sequence[Ref]) -> Children:
    """Whose the objects of these names are.

    Ours are controlled by this resource, or are its orphans by their labels.
    """
    ours, taken = {}, []
    for ref in refs:
        child = facts.children.get(ref)
        if child is None:
            continue
        if is_ours(child, facts.resource):
            ours[ref] = child
        else:
            taken.append(ref)
    return Children(ours=ours, taken=sorted(taken))


def is_ours(child: Manifest, resource: Manifest) -> bool:
    """Whether a child is this resource's: by its controller or, orphaned, by labels that only we write."""
    if objects.controller(child):
        return objects.owned_by(child, resource)
    labels = objects.labels(child)
    return labels.get(names.MANAGED_BY) == names.MANAGER and labels.get(names.RESOURCE_NAME) == objects.name(
        resource
    )
