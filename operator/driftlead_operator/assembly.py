"""The operator, put together: which part hands what to which."""

import asyncio
import contextlib
import signal
import uuid
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from driftlead_operator import metrics
from driftlead_operator.carry_out import CarryOut
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.cluster.audit import Audit
from driftlead_operator.cluster.cache import Cache
from driftlead_operator.cluster.leader import LEASE, LeaderElector
from driftlead_operator.cluster.watch import Watch
from driftlead_operator.decisions.facts import Manifest, RegistryFacts, RegistryWrite
from driftlead_operator.errors import RegistryRefusedError
from driftlead_operator.events import Events
from driftlead_operator.fleet import Fleet
from driftlead_operator.health import Scraper
from driftlead_operator.kinds import RESOURCE, Key
from driftlead_operator.observe import Decisions, Observer
from driftlead_operator.probes import Probes, faults, serve
from driftlead_operator.reconciler import Reconciler
from driftlead_operator.registry.hooks import Hooks
from driftlead_operator.registry.mlflow import Registry, read_declarations
from driftlead_operator.registry.poller import Poller
from driftlead_operator.registry.subscriptions import Subscriptions
from driftlead_operator.settings import OperatorSettings
from driftlead_operator.workqueue import WorkQueue

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.2


def utcnow() -> datetime:
    """The time, as facts carry it."""
    return datetime.now(UTC)


class Pollers:
    """The pollers of all declared registries, by name."""

    def __init__(self, pollers: Mapping[str, Poller]) -> None:
        self.all = pollers

    def facts(self, registry: str, model: str, namespace: str) -> RegistryFacts:
        """What a registry says of a model; of an undeclared one, that it is not declared."""
        poller = self.all.get(registry)
        if poller is None:
            return RegistryFacts(name=registry, declared=False, namespace_allowed=False, allow_write=False)
        return poller.facts(model, namespace)

    async def write(self, registry: str, write: RegistryWrite) -> None:
        """Writes to a registry, if the chart lets us."""
        poller = self.all.get(registry)
        if poller is None or not poller.declaration.allow_write:
            raise RegistryRefusedError(f"registry {registry} must not be written to (allowWrite)")
        await poller.write(write)

    def forget(self) -> None:
        """Forgets every answer: a later leadership must not decide on old ones."""
        for poller in self.all.values():
            poller.forget()

    def poll_now(self) -> None:
        """Polls every registry now."""
        for poller in self.all.values():
            poller.poll_now()


class Operator:
    """One process of the operator: watches always, works while it leads."""

    def __init__(self, settings: OperatorSettings, decisions: Decisions) -> None:
        self.settings, self.decisions = settings, decisions
        self.cache = Cache(self._heard)
        self.queue: WorkQueue[Key] = WorkQueue()
        self.subscriptions = Subscriptions(decisions.registry_name, decisions.model_name)
        self.cluster = ApiServer()
        self.pollers = Pollers(
            {name: self._poller(Registry(each)) for name, each in self._declared().items()}
        )
        self.identity = f"{settings.pod_name}_{uuid.uuid4().hex[:8]}"
        self.leader = LeaderElector(
            cluster=self.cluster,
            namespace=settings.pod_namespace,
            identity=self.identity,
            hooks_at=settings.hooks_at,
            changed=lambda _: self._gate(),
        )
        self.scraper = Scraper(
            cache=self.cache,
            seconds=settings.health_seconds,
            changed=self.queue.add,
            is_leader=self.is_leader,
        )
        self.audit = Audit(
            cache=self.cache,
            cluster=self.cluster,
            namespaces=settings.namespaces,
            seconds=settings.audit_seconds,
            on_deleted=self.queue.add,
            on_synced=self._gate,
        )
        self.watch = Watch(
            namespaces=settings.namespaces,
            lease=LEASE,
            lease_namespace=settings.pod_namespace,
            sink=self.take,
        )
        self.observer = Observer(
            cache=self.cache,
            cluster=self.cluster,
            registries=self.pollers,
            pod_answers=self.scraper,
            decisions=decisions,
            defaults=settings.defaults,
            now=utcnow,
        )
        self.events = Events(
            cluster=self.cluster, is_leader=self.is_leader, now=utcnow, instance=settings.pod_name
        )
        self.reconciler = self._reconciler()
        self._stopping = asyncio.Event()

    def _declared(self) -> Mapping[str, Any]:
        declared = read_declarations(self.settings.registries_dir)
        log.info("registries", declared={name: each.uri for name, each in declared.items()})
        return declared

    def _poller(self, registry: Registry) -> Poller:
        name = registry.declaration.name
        return Poller(
            registry,
            seconds=self.settings.poll_seconds,
            watched=lambda: self.subscriptions.models(name) if self.is_leader() else (),
            changed=lambda models: self._enqueue(self.subscriptions.keys(name, models)),
            now=utcnow,
        )

    def _reconciler(self) -> Reconciler:
        carry_out = CarryOut(
            cluster=self.cluster,
            cache=self.cache,
            events=self.events,
            write_registry=self.pollers.write,
            is_leader=self.is_leader,
        )
        return Reconciler(
            queue=self.queue,
            observer=self.observer,
            plan=self.decisions.plan,
            carry_out=carry_out,
            events=self.events,
            refresh=self._refresh,
            workers=self.settings.workers,
            seconds=self.settings.reconcile_seconds,
        )

    def is_leader(self) -> bool:
        """Whether this process may write."""
        return self.leader.is_leader

    def _gate(self) -> None:
        """Opens the queue while we lead and have seen everything once."""
        was, open_ = self.queue.open, self.leader.is_leader and self.audit.synced
        self.queue.set_open(open_)
        if not self.leader.is_leader:
            self.pollers.forget()
        if open_ and not was:
            self._enqueue(self.cache.keys())
            self.pollers.poll_now()

    def _enqueue(self, keys: Collection[Key]) -> None:
        for key in keys:
            self.queue.add(key)

    def take(self, kind: str, type_: str | None, thing: dict[str, Any]) -> None:
        """One event of a watch: kept, and its resource queued if it is news."""
        metrics.WATCH_EVENTS.labels(kind).inc()
        if kind == "Lease":
            self.leader.observe(thing)
            return
        gone = type_ == "DELETED"
        change = self.cache.drop(kind, thing) if gone else self.cache.put(kind, thing, listed=type_ is None)
        if change.relisted:
            self.audit.compare_soon()
        if not (change.news and change.key):
            return
        if kind == RESOURCE:
            self.queue.add(change.key)
        else:  # Deployment, ReplicaSet and pod change one after the other, and are reconciled together
            self.queue.add_after(change.key, GATHER_SECONDS)

    def _heard(self, kind: str, namespace: str, name: str, thing: Manifest | None) -> None:
        """One change of the cache, by a watch or by a write of ours. Whatever is in it, it must not raise."""
        try:
            if kind == RESOURCE:
                self._follow(Key(namespace, name), thing)
            elif kind == "Pod" and thing is None:
                self.scraper.pod_deleted(namespace, name)
            elif kind == "Pod" and thing is not None:
                self.scraper.pod_changed(thing)
        except Exception:
            log.exception("change not understood", kind=kind, namespace=namespace, name=name)

    def _follow(self, key: Key, resource: Manifest | None) -> None:
        if resource is None:
            self.subscriptions.drop(key)
            self.scraper.resource_deleted(key)
            return
        registry, model = self.subscriptions.put(key, resource)
        poller = self.pollers.all.get(registry)
        if poller and model and not poller.knows(model):
            poller.poll_now()

    async def _refresh(self, key: Key) -> None:
        """Reads the resource after a conflict, so that its next reconcile need not wait for the watch."""
        resource = await self.cluster.get(RESOURCE, key.namespace, key.name)
        if resource:
            self.cache.put(RESOURCE, {**resource, "kind": RESOURCE})
        else:
            self.cache.discard(RESOURCE, key.namespace, key.name)

    def stop(self) -> None:
        """Ends gracefully: reconciles that run may finish, no new ones begin, the Lease is given back."""
        self._stopping.set()

    async def run(self) -> None:
        """Works until told to stop, or until a part of it fails that cannot."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread
                asyncio.get_running_loop().add_signal_handler(sign, self.stop)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.cluster)
            await stack.enter_async_context(self.scraper)
            for poller in self.pollers.all.values():
                await stack.enter_async_context(poller.registry)
            await self._serve(stack)
            self.watch.start()
            stack.push_async_callback(self.watch.stop)
            await self._work()

    async def _serve(self, stack: contextlib.AsyncExitStack) -> None:
        """Answers probes, Prometheus, and the webhook if there is a secret for it."""
        probes = Probes(
            alive=self._faults,
            ready=lambda: self.audit.synced,
            queue=lambda: (len(self.queue), self.queue.oldest),
            fleet=lambda: Fleet(self.cache.unpackers(RESOURCE), utcnow()) if self.is_leader() else None,
        )
        runner = await serve(probes.app(), self.settings.port)
        stack.push_async_callback(runner.cleanup)
        if secret := self.settings.hook_secret_file:
            hooks = Hooks(
                secret=secret,
                is_leader=self.is_leader,
                forward_to=lambda: self.leader.forward_to,
                poll_now=self.pollers.poll_now,
            )
            runner = await serve(hooks.app(), self.settings.hook_port)
            stack.push_async_callback(runner.cleanup)

    def _faults(self) -> Collection[str]:
        return faults(
            watching=self.watch.alive,
            lease_stale=self.leader.stale_for(),
            audit_stale=self.audit.stale_for(),
        )

    async def _work(self) -> None:
        jobs = [self.audit.run(), self.reconciler.run(), self.events.run(), self.scraper.run()]
        jobs += [poller.run() for poller in self.pollers.all.values()]
        tasks = [asyncio.create_task(job) for job in jobs]
        lease = asyncio.create_task(self.leader.run())
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([*tasks, lease, stopping], return_when=asyncio.FIRST_COMPLETED)
        log.info("stops", why="told to" if stopping in done else "a part of it ended")
        self.queue.set_open(False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.grace_seconds):
                await self.queue.idle()
                await self.events.written()
        for task in (*tasks, lease, stopping):
            task.cancel()
        await asyncio.gather(*tasks, lease, stopping, return_exceptions=True)
        for task in done:
            task.result()
