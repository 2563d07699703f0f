"""I/O out: does what a plan asks for; a write is refused by the API server when the world has moved on.

The order is part of the design. Status comes first: it holds what the operator must remember (an intent to
tell the registry, to retrain, to go back), and an intent is saved before it is acted upon, so that a crash in
between leads to the same step once more and never to two. If that write fails, nothing else happens. Then the
registry, then children all at once, since none needs another; deletions after them, so that nothing goes
before what replaces it is there: an error stops before the deletions, while a refusal, which a person must
resolve, does not. Events come last, and even when a step before them failed: what they tell was saved.

Each write is guarded twice. `is_leader` is asked right before it. That cannot be all, since a process may be
stopped between question and request and wake up when another leads; so each write also carries what it was
decided on:

- status and objects that were seen: their resourceVersion;
- objects that were not seen: server-side apply cannot ask for a free name and would take over a stranger's
  object, so the names are looked up first, all of them before anything is applied (no pod is to start behind
  a Service that cannot be had), and the apply does not force; should a stranger come in between, whatever
  differs is a conflict;
- Jobs: names that follow from what they are for, so a second one is a conflict;
- deletions: the uid that was seen;
- the registry has no such guard; that is why the intent in status is needed.

After a conflict the object is read, so that the next plan need not wait for the watch: what is gone leaves
the cache, what is known is replaced, and what the cache did not know is noted as an outsider (see `observe`).
"""

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
    """Carries plans out. `write_registry` takes the name of a registry and what to write there."""

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
        """Does all of a plan; what was refused is in the outcome, other errors are raised."""
        outcome = Outcome()
        if plan.status is not None:
            self._check_leadership()
            self._remember(await self._cluster.write_status(facts.resource, plan.status))
            outcome.done.append("status")
        try:
            for write in plan.registry_writes:
                self._check_leadership()
                await self._write_registry(facts.registry.name, write)
                outcome.done.append(f"registry {write.model}/{write.version} -> {write.stage or write.alias}")
            writes = [(self._apply, each) for each in plan.apply] + [
                (self._create, each) for each in plan.create
            ]
            await all_of(self._check_name_is_free(key, each, notes) for each in plan.apply)
            await all_of(self._try(key, write, manifest, notes, outcome) for write, manifest in writes)
            for deletion in plan.delete:
                self._check_leadership()
                await self._cluster.delete(deletion.ref.kind, key.namespace, deletion.ref.name, deletion.uid)
                outcome.done.append(f"delete {deletion.ref.kind}/{deletion.ref.name}")
        finally:
            for event in plan.events:
                self._events.post(facts.resource, event)
        return outcome

    def _check_leadership(self) -> None:
        if not self._is_leader():
            raise LostLeadershipError("this process is not the leader any more; the next leader goes on")

    def _remember(self, thing: Json) -> None:
        """Puts our own write into the cache, so that its echo on the watch is not news."""
        self._cache.put(thing["kind"], thing)

    async def _try(
        self,
        key: Key,
        write: Callable[[Key, Manifest, Notes], Awaitable[None]],
        manifest: Manifest,
        notes: Notes,
        outcome: Outcome,
    ) -> None:
        """Writes one object; a refusal is noted and leaves the others alone."""
        ref = Ref(manifest["kind"], manifest["metadata"]["name"])
        self._check_leadership()
        try:
            await write(key, manifest, notes)
        except RefusedError as error:
            notes.refused[ref] = str(error)
            outcome.refused.append(f"{ref.kind}/{ref.name}: {error}")
        else:
            notes.refused.pop(ref, None)
            outcome.done.append(f"apply {ref.kind}/{ref.name}")

    async def _apply(self, key: Key, manifest: Manifest, notes: Notes) -> None:
        try:
            self._remember(await self._cluster.apply(manifest, force=was_seen(manifest)))
        except ConflictError:
            await self._read_again(key, manifest, notes)
            raise

    async def _create(self, key: Key, manifest: Manifest, notes: Notes) -> None:
        try:
            self._remember(await self._cluster.create(manifest))
        except ConflictError:
            await self._read_again(key, manifest, notes)
            raise

    async def _check_name_is_free(self, key: Key, manifest: Manifest, notes: Notes) -> None:
        """Raises ConflictError where an object of that name is there and was not seen, and notes it."""
        if was_seen(manifest):
            return
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if await self._cluster.get(kind, key.namespace, name, cached=True):
            notes.outsiders.add(Ref(kind, name))
            raise ConflictError(f"{kind} {name} exists already")

    async def _read_again(self, key: Key, manifest: Manifest, notes: Notes) -> None:
        """Reads the object after a conflict."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        thing = await self._cluster.get(kind, key.namespace, name)
        if thing is None:
            self._cache.discard(kind, key.namespace, name)
        elif self._cache.version(kind, key.namespace, name):
            self._remember({**thing, "kind": kind})
        else:
            notes.outsiders.add(Ref(kind, name))


def was_seen(manifest: Manifest) -> bool:
    """Whether the object to apply was seen, and not only its name found unused."""
    return bool(manifest["metadata"].get("resourceVersion"))


async def all_of(writes: Iterable[Awaitable[None]]) -> None:
    """All at once, since none needs another; the first error, once every one has ended."""
    ended = await asyncio.gather(*writes, return_exceptions=True)
    for error in ended:
        if error is not None:
            raise error
