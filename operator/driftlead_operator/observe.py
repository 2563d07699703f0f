"""I/O in: gathers all that a decision about a resource may look at. In steady state it reads memory only.

What stands in memory is the cache of the watches, the registries' last answers and the pods' last answers.
They are as new as their last event or poll, each on its own; a plan may so decide on a Deployment that is
older than its pods. That is harmless, as every write carries the version of what was seen, and is refused if
it was old.

Two things no watch tells. The first is an object that has a name which we would give, but not our label. The
watches select by label, so a stranger's Service named like ours, or our own with its label removed, is
invisible to them. `carry_out` meets it when it applies, notes its name (`Notes.outsiders`), and from then on
each observation reads it from the API server, until it is gone or has the label. The second is why a Job has
no pod: its controller says so in an event alone, which is read while the Job is without one
(`decisions.loop.jobs`). Only in these two cases is there a request here.

A resource that is being deleted is not observed: its children go by their owner references, and a plan would
make them again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog

from driftlead_formats.summaries import CanaryAssessment
from driftlead_operator.cluster.api_server import Cluster
from driftlead_operator.cluster.cache import Cache
from driftlead_operator.decisions.facts import (
    Defaults,
    Facts,
    Manifest,
    Plan,
    Ref,
    RegistryFacts,
    Undelivered,
)
from driftlead_operator.decisions.loop import jobs
from driftlead_operator.errors import OperatorError
from driftlead_operator.kinds import RESOURCE, Key

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The pure half: what to do, and what there is to look at before deciding."""

    plan: Callable[[Facts], Plan]
    registry_name: Callable[[Manifest], str]
    model_name: Callable[[Manifest], str | None]
    child_refs: Callable[[Manifest], Any]


class Registries(Protocol):
    """Where the registries' answers are."""

    def facts(self, registry: str, model: str, namespace: str) -> RegistryFacts:
        """What a registry says of a model to a resource of this namespace."""


class PodAnswers(Protocol):
    """Where the pods' answers are."""

    def health(self, namespace: str, pod: str) -> Mapping[str, Any] | None:
        """What a pod answered at /health."""

    def verdict(self, namespace: str, pod: str) -> Mapping[str, Any] | None:
        """What a judge answered at /verdict."""

    def undelivered(self, key: Key) -> Sequence[Undelivered]:
        """The pods of a resource that vanished with rows in their spools."""


@dataclass(slots=True)
class Notes:
    """What carrying out has found about one resource that no watch tells.

    `outsiders` are objects of our names that our label selector does not see: strangers, or ours that lost
    their label.
    """

    outsiders: set[Ref] = field(default_factory=set)
    refused: dict[Ref, str] = field(default_factory=dict)


class Observer:
    """Makes the facts of one resource."""

    def __init__(
        self,
        *,
        cache: Cache,
        cluster: Cluster,
        registries: Registries,
        pod_answers: PodAnswers,
        decisions: Decisions,
        defaults: Defaults,
        now: Callable[[], datetime],
    ) -> None:
        self._cache, self._cluster = cache, cluster
        self._registries, self._pod_answers = registries, pod_answers
        self._decisions, self._defaults, self._now = decisions, defaults, now
        self._notes: dict[Key, Notes] = {}

    def notes(self, key: Key) -> Notes:
        """What is noted of a resource, to be changed in place."""
        return self._notes.setdefault(key, Notes())

    def forget(self, key: Key) -> None:
        """Drops the notes of a resource that was deleted."""
        self._notes.pop(key, None)

    async def observe(self, key: Key) -> Facts | None:
        """The facts, None when the resource was deleted or is being deleted."""
        resource = self._cache.get(RESOURCE, key.namespace, key.name)
        if resource is None or "deletionTimestamp" in resource["metadata"]:
            return None
        replicasets: list[Manifest] = []
        pods: list[Manifest] = []
        children: dict[Ref, Manifest] = {}
        for kind, thing in self._cache.owned(key):
            if kind == "ReplicaSet":
                replicasets.append(thing)
            elif kind == "Pod":
                pods.append(thing)
            else:
                children[Ref(kind, thing["metadata"]["name"])] = thing
        children |= await self._under_our_names(key, resource, children)
        now = self._now()
        return Facts(
            resource=resource,
            registry=self._registry(key, resource),
            defaults=self._defaults,
            now=now,
            children=children,
            replicasets=replicasets,
            pods=pods,
            health={
                name: answer
                for name in (pod["metadata"]["name"] for pod in pods)
                if (answer := self._pod_answers.health(key.namespace, name)) is not None
            },
            canary_verdict=self._canary_verdict(key, pods),
            undelivered=self._pod_answers.undelivered(key),
            refused=dict(self.notes(key).refused),
            refused_pods=await self._refused_pods(key, children, pods, now),
        )

    async def _refused_pods(
        self, key: Key, children: Mapping[Ref, Manifest], pods: Sequence[Manifest], now: datetime
    ) -> dict[Ref, str]:
        """Why Jobs have no pod. That it could not be asked must not hold up anything else."""
        found = {}
        candidates = [child for ref, child in children.items() if ref.kind == "Job"]
        for job in jobs.without_pod(candidates, pods, now):
            metadata = job["metadata"]
            try:
                told = await self._cluster.events(key.namespace, metadata["uid"], jobs.FAILED_CREATE)
            except OperatorError as error:
                log.warning("cannot ask why a Job has no pod", job=metadata["name"], error=str(error))
                continue
            if words := jobs.refusal(told):
                found[Ref("Job", metadata["name"])] = words
        return found

    def _registry(self, key: Key, resource: Manifest) -> RegistryFacts:
        name, model = self._decisions.registry_name(resource), self._decisions.model_name(resource)
        return self._registries.facts(name, model or "", key.namespace)

    def _canary_verdict(self, key: Key, pods: list[Manifest]) -> CanaryAssessment | None:
        answers = (self._pod_answers.verdict(key.namespace, pod["metadata"]["name"]) for pod in pods)
        return next((found for each in answers if (found := CanaryAssessment.parse(each))), None)

    async def _under_our_names(
        self, key: Key, resource: Manifest, known: Mapping[Ref, Manifest]
    ) -> dict[Ref, Manifest]:
        """What carries a name that we would give, though its label names another resource or none."""
        found: dict[Ref, Manifest] = {}
        notes = self.notes(key)
        for ref in (Ref(*ref) for ref in self._decisions.child_refs(resource)):
            if ref in known:
                notes.outsiders.discard(ref)
            elif thing := self._cache.get(ref.kind, key.namespace, ref.name):
                found[ref] = thing
            elif ref in notes.outsiders:
                if thing := await self._cluster.get(ref.kind, key.namespace, ref.name):
                    found[ref] = thing
                else:
                    notes.outsiders.discard(ref)
        return found
