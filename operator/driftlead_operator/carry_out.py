"""I/O out: does what a plan asks for; a write is refused by the API server when the world has moved on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from driftlead_operator.cluster.api_server import Cluster, Json
from driftlead_operator.cluster.cache import Cache
from driftlead_operator.decisions.facts import Facts, Manifest, Plan, Ref, RegistryWrite
from driftlead_operator.errors import ConflictError, LostLeadershipError, RefusedError
from driftlead_operator.events import Events
from driftlead_operator.kinds import Key
from driftlead_operator.observe import Notes


@dataclass(slots=True)
class Outcome:
    """What was written, in words for the log; and what was refused."""

    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class CarryOut:
    """Carries plans out.

    `is_leader` is asked before each write. It cannot be the guard alone (a process may be stopped between
    question and write), so writes also carry the version or uid of what was seen, Jobs have deterministic
    names, and what is written to a registry was saved as an intent first.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        events: Events,
        write_registry: Callable[[str, RegistryWrite], Awaitable[None]],
        is_leader: Callable[[], bool],
    ) -> None:
        self._cluster, self._cache, self._events = cluster, cache, events
        self._write_registry, self._is_leader = write_registry, is_leader

    async def __call__(self, key: Key, facts: Facts, plan: Plan, notes: Notes) -> Outcome:
        """Status first, then registry, objects, deletions; events last, even when something before failed."""
        outcome = Outcome()
        if plan.status is not None:
            self._check()
            self._keep(await self._cluster.write_status(facts.resource, plan.status))
            outcome.done.append("status")
        try:
            for write in plan.registry_writes:
                self._check()
                await self._write_registry(facts.registry.name, write)
                outcome.done.append(f"registry {write.model}/{write.version} -> {write.stage or write.alias}")
            writes = [(self._apply, each) for each in plan.apply] + [
                (self._create, each) for each in plan.create
            ]
            await all_of(self._taken(key, write, manifest, notes, outcome) for write, manifest in writes)
            for deletion in plan.delete:
                self._check()
                await self._cluster.delete(deletion.ref.kind, key.namespace, deletion.ref.name, deletion.uid)
                outcome.done.append(f"delete {deletion.ref.kind}/{deletion.ref.name}")
        finally:
            for event in plan.events:
                self._events.post(facts.resource, event)
        return outcome

    def _check(self) -> None:
        if not self._is_leader():
            raise LostLeadershipError("this process is not the leader any more; the next leader goes on")

    def _keep(self, thing: Json) -> None:
        """Our own writes are known at once; their echo on the watch is then no news."""
        self._cache.put(thing["kind"], thing)

    async def _taken(
        self,
        key: Key,
        write: Callable[[Key, Manifest, Notes], Awaitable[None]],
        manifest: Manifest,
        notes: Notes,
        outcome: Outcome,
    ) -> None:
        """Writes one object; a refusal is noted and leaves the others alone."""
        ref = Ref(manifest["kind"], manifest["metadata"]["name"])
        self._check()
        try:
            await write(key, manifest, notes)
        except RefusedError as error:
            notes.refused[ref] = str(error)
            outcome.refused.append(f"{ref.kind}/{ref.name}: {error}")
        else:
            notes.refused.pop(ref, None)
            outcome.done.append(f"apply {ref.kind}/{ref.name}")

    async def _apply(self, key: Key, manifest: Manifest, notes: Notes) -> None:
        metadata = manifest["metadata"]
        seen = bool(metadata.get("resourceVersion"))
        if not seen:
            await self._must_be_free(key, manifest, notes)
        try:
            self._keep(await self._cluster.apply(manifest, force=seen))
        except ConflictError:
            await self._look_again(key, manifest, notes)
            raise

    async def _create(self, key: Key, manifest: Manifest, notes: Notes) -> None:
        try:
            self._keep(await self._cluster.create(manifest))
        except ConflictError:
            await self._look_again(key, manifest, notes)
            raise

    async def _must_be_free(self, key: Key, manifest: Manifest, notes: Notes) -> None:
        """Server-side apply cannot ask for a free name, and would take a stranger's object over.

        Should one come between question and apply, that apply fails on what differs, as it does not force.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if await self._cluster.get(kind, key.namespace, name, cached=True):
            notes.outsiders.add(Ref(kind, name))
            raise ConflictError(f"{kind} {name} exists already")

    async def _look_again(self, key: Key, manifest: Manifest, notes: Notes) -> None:
        """After a conflict, reads the object, so that the next plan need not wait for the watch."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        thing = await self._cluster.get(kind, key.namespace, name)
        if thing is None:
            self._cache.discard(kind, key.namespace, name)
        elif self._cache.version(kind, key.namespace, name):
            self._keep({**thing, "kind": kind})
        else:
            notes.outsiders.add(Ref(kind, name))


async def all_of(writes: Iterable[Awaitable[None]]) -> None:
    """All at once, since none needs another; the first error, once every one has ended."""
    ended = await asyncio.gather(*writes, return_exceptions=True)
    for error in ended:
        if error is not None:
            raise error
