"""The operator, put together: which part hands what to which. How parts work stands in their own modules."""

import contextlib
import uuid
from collections.abc import Collection
from datetime import UTC, datetime

import structlog

from driftlead_operator.carry_out import CarryOut
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.cluster.audit import Audit
from driftlead_operator.cluster.cache import Cache
from driftlead_operator.cluster.discovery import Discovery
from driftlead_operator.cluster.leader import LEASE, LeaderElector
from driftlead_operator.cluster.namespaces import Namespaces
from driftlead_operator.cluster.watch import Watch
from driftlead_operator.events import Events
from driftlead_operator.fleet import Fleet
from driftlead_operator.health import Scraper
from driftlead_operator.kinds import RESOURCE, Key
from driftlead_operator.lifecycle import Lifecycle
from driftlead_operator.observe import Decisions, Observer
from driftlead_operator.probes import Probes, faults, serve
from driftlead_operator.reconciler import Reconciler
from driftlead_operator.registry.hooks import Hooks
from driftlead_operator.registry.mlflow import Registry, read_declarations
from driftlead_operator.registry.poller import Poller
from driftlead_operator.registry.pollers import Pollers
from driftlead_operator.registry.subscriptions import Subscriptions
from driftlead_operator.routing import Router
from driftlead_operator.settings import OperatorSettings
from driftlead_operator.uncancelled import uncancelled
from driftlead_operator.workqueue import WorkQueue

log = structlog.get_logger(__name__)


def utcnow() -> datetime:
    """The time, as facts carry it."""
    return datetime.now(UTC)


class Operator:
    """One process of the operator: watches always, works while it is the leader.

    The router is made after all parts that it knows; they reach it by name, once something happens.
    """

    def __init__(self, settings: OperatorSettings, decisions: Decisions) -> None:
        self.settings, self.decisions = settings, decisions
        self.cluster = ApiServer()
        self.cache = Cache(lambda *change: self.router.cache_changed(*change))  # noqa: PLW0108 - made below
        self.queue: WorkQueue[Key] = WorkQueue()
        self.subscriptions = Subscriptions(decisions.registry_name, decisions.model_name)
        self.pollers = self._pollers()
        self.leader = LeaderElector(
            cluster=self.cluster,
            namespace=settings.pod_namespace,
            identity=f"{settings.pod_name}_{uuid.uuid4().hex[:8]}",
            hooks_at=settings.hooks_at,
            changed=lambda _: self.router.update_gate(),
        )
        self.scraper = Scraper(
            cache=self.cache,
            seconds=settings.health_seconds,
            changed=self.queue.add,
            is_leader=self.is_leader,
        )
        self.watch = Watch(
            namespaces=settings.namespaces, lease=LEASE, lease_namespace=settings.pod_namespace
        )
        self.discovery = Discovery(cluster=self.cluster, changed=self.watch.set_kinds)
        self.namespaces = Namespaces(settings.namespaces, readable_changed=self.watch.set_namespaces)
        self.audit = Audit(
            cache=self.cache,
            cluster=self.cluster,
            discovery=self.discovery,
            namespaces=self.namespaces,
            seconds=settings.audit_seconds,
            on_deleted=self.queue.add,
            on_synced=lambda: self.router.update_gate(),  # noqa: PLW0108 - made below
            on_released=lambda each: self.router.namespace_released(each),  # noqa: PLW0108 - made below
        )
        self.router = Router(
            queue=self.queue,
            cache=self.cache,
            cluster=self.cluster,
            leader=self.leader,
            audit=self.audit,
            subscriptions=self.subscriptions,
            pollers=self.pollers,
            scraper=self.scraper,
        )
        self.events = Events(
            cluster=self.cluster, is_leader=self.is_leader, now=utcnow, instance=settings.pod_name
        )
        self.reconciler = self._reconciler()
        self.lifecycle = Lifecycle(drain=self._drain, grace_seconds=settings.grace_seconds)

    def _pollers(self) -> Pollers:
        declared = read_declarations(self.settings.registries_dir)
        log.info("registries", declared={name: each.uri for name, each in declared.items()})
        return Pollers({name: self._poller(Registry(each)) for name, each in declared.items()})

    def _poller(self, registry: Registry) -> Poller:
        name = registry.declaration.name
        return Poller(
            registry,
            seconds=self.settings.poll_seconds,
            watched=lambda: self.subscriptions.models(name) if self.is_leader() else (),
            changed=lambda models: self.router.models_changed(name, models),
            now=utcnow,
        )

    def _reconciler(self) -> Reconciler:
        observer = Observer(
            cache=self.cache,
            cluster=self.cluster,
            registries=self.pollers,
            pod_answers=self.scraper,
            decisions=self.decisions,
            defaults=self.settings.defaults,
            now=utcnow,
        )
        carry_out = CarryOut(
            cluster=self.cluster,
            cache=self.cache,
            events=self.events,
            write_registry=self.pollers.write,
            is_leader=self.is_leader,
        )
        return Reconciler(
            queue=self.queue,
            observer=observer,
            plan=self.decisions.plan,
            carry_out=carry_out,
            events=self.events,
            refresh=self.router.refresh,
            is_held=self.namespaces.is_held,
            workers=self.settings.workers,
            seconds=self.settings.reconcile_seconds,
        )

    def is_leader(self) -> bool:
        """Whether this process may write."""
        return self.leader.is_leader

    def faults(self) -> Collection[str]:
        """Why this process should be restarted; empty while it is well."""
        return faults(
            watching=self.watch.alive,
            lease_stale=self.leader.stale_for(),
            audit_stale=self.audit.stale_for(),
        )

    def stop(self) -> None:
        """Ends gracefully: reconciles that run may finish, no new ones begin, the Lease is released."""
        self.lifecycle.stop()

    async def run(self) -> None:
        """Works until told to stop, or until a part of it fails."""
        self.lifecycle.stop_on_signals()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.cluster)
            await stack.enter_async_context(self.scraper)
            for poller in self.pollers.all.values():
                await stack.enter_async_context(poller.registry)
            await self._serve(stack)
            self.watch.start(self.router.watch_event)
            stack.push_async_callback(self.watch.stop)
            parts = [self._lead, self.audit.run, self.reconciler.run, self.events.run, self.scraper.run]
            parts += [poller.run for poller in self.pollers.all.values()]
            await self.lifecycle.run([uncancelled(part) for part in parts])

    async def _lead(self) -> None:
        """Seeks the Lease only once it could work: before, another replica may be the one that can."""
        await self.audit.wait_synced()
        await self.leader.run()

    async def _drain(self) -> None:
        self.queue.set_open(False)
        await self.queue.idle()
        await self.events.written()

    def _fleet(self) -> Fleet:
        return Fleet(self.cache.unpackers(RESOURCE, without=self.namespaces.is_held), utcnow())

    async def _serve(self, stack: contextlib.AsyncExitStack) -> None:
        """Answers probes, Prometheus, and the webhook if there is a secret for it."""
        probes = Probes(
            alive=self.faults,
            waits_for=self.audit.waits_for,
            queue=lambda: (len(self.queue), self.queue.oldest),
            fleet=lambda: self._fleet() if self.is_leader() else None,
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
