"""From what happened to the keys to reconcile, and whether they may be reconciled at all.

Everything that happens becomes a key in one queue: a watch tells of a change, a registry's poll or a pod's
answer differs from the one before, the audit finds a deletion that no watch told. What happened is not handed
on with the key: a reconcile reads what is true by then, so that events may come late, twice or in any order.

The queue is open while this process is the leader and its cache is synced. It opens with all keys in it,
since whatever happened before concerned the leader of that time. Losing leadership drops the registries'
answers: a later leadership must not decide on old ones.

Deployment, ReplicaSet and pod of a rollout change one after the other within milliseconds. Their keys wait
`GATHER_SECONDS`, so that one reconcile sees all of it; a change of the resource itself, for which a person
waits, does not.
"""

from collections.abc import Collection
from typing import Any

import structlog

from driftlead_operator import metrics
from driftlead_operator.cluster.api_server import Cluster
from driftlead_operator.cluster.audit import Audit
from driftlead_operator.cluster.cache import Cache
from driftlead_operator.cluster.leader import LeaderElector
from driftlead_operator.decisions.facts import Manifest
from driftlead_operator.health import Scraper
from driftlead_operator.kinds import RESOURCE, Key
from driftlead_operator.registry.pollers import Pollers
from driftlead_operator.registry.subscriptions import Subscriptions
from driftlead_operator.workqueue import WorkQueue

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.2


class Router:
    """Called by watches, cache, audit and leader election; tells the queue. All in one event loop."""

    def __init__(
        self,
        *,
        queue: WorkQueue[Key],
        cache: Cache,
        cluster: Cluster,
        leader: LeaderElector,
        audit: Audit,
        subscriptions: Subscriptions,
        pollers: Pollers,
        scraper: Scraper,
    ) -> None:
        self._queue, self._cache, self._cluster = queue, cache, cluster
        self._leader, self._audit = leader, audit
        self._subscriptions, self._pollers, self._scraper = subscriptions, pollers, scraper

    def watch_event(self, kind: str, type_: str | None, thing: dict[str, Any]) -> None:
        """Takes one event of a watch: kept, and its resource queued if it is news."""
        metrics.WATCH_EVENTS.labels(kind).inc()
        if kind == "Lease":
            self._leader.observe(thing)
            return
        if type_ == "DELETED":
            change = self._cache.drop(kind, thing)
        else:
            change = self._cache.put(kind, thing, listed=type_ is None)
        if change.relisted:
            self._audit.compare_soon()
        if not (change.news and change.key):
            return
        if kind == RESOURCE:
            self._queue.add(change.key)
        else:
            self._queue.add_after(change.key, GATHER_SECONDS)

    def cache_changed(self, kind: str, namespace: str, name: str, thing: Manifest | None) -> None:
        """Takes one change of the cache, by a watch or by a write of ours; None for a deletion.

        Must not raise: the cache has changed already, and who changed it still has to queue the key.
        """
        try:
            if kind == RESOURCE:
                self._subscribe(Key(namespace, name), thing)
            elif kind == "Pod" and thing is None:
                self._scraper.pod_deleted(namespace, name)
            elif kind == "Pod" and thing is not None:
                self._scraper.pod_changed(thing)
        except Exception:
            log.exception("change not understood", kind=kind, namespace=namespace, name=name)

    def _subscribe(self, key: Key, resource: Manifest | None) -> None:
        """Keeps what the registries are polled for; a model that nobody named before is read at once."""
        if resource is None:
            self._subscriptions.drop(key)
            self._scraper.resource_deleted(key)
            return
        registry, model = self._subscriptions.put(key, resource)
        poller = self._pollers.all.get(registry)
        if poller and model and not poller.knows(model):
            poller.poll_now()

    def models_changed(self, registry: str, models: Collection[str]) -> None:
        """Queues every resource that follows one of these models of a registry."""
        self._enqueue(self._subscriptions.keys(registry, models))

    def update_gate(self) -> None:
        """Opens or closes the queue, after leadership changed or the cache was synced."""
        was_open, is_leader = self._queue.open, self._leader.is_leader
        may_open = is_leader and self._audit.synced
        self._queue.set_open(may_open)
        if not is_leader:
            self._pollers.forget()
        if may_open and not was_open:
            self._enqueue(self._cache.keys())
            self._pollers.poll_now()

    def namespace_released(self, namespace: str) -> None:
        """Queues every resource of a namespace that can be read again."""
        self._enqueue([key for key in self._cache.keys() if key.namespace == namespace])  # noqa: SIM118

    def _enqueue(self, keys: Collection[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    async def refresh(self, key: Key) -> None:
        """Reads the resource after a conflict, so that its next reconcile need not wait for the watch."""
        resource = await self._cluster.get(RESOURCE, key.namespace, key.name)
        if resource:
            self._cache.put(RESOURCE, {**resource, "kind": RESOURCE})
        else:
            self._cache.discard(RESOURCE, key.namespace, key.name)
