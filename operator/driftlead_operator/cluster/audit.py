"""Compares what the watches told with a listing of names and versions.

Three uses:

- At the start, to know when the cache is synced. Kopf has no such moment: its first listing arrives as single
  events. So one listing says what there is, and the cache is synced once the watches have told all of it.
- After a watch was restarted. Kopf tells nothing of objects that were deleted in between. A listing of
  objects that are known already gives the restart away (`Change.relisted`), and the comparison drops what is
  not there any more.
- At intervals, to notice a watch that is stale although its connection lives, and optional kinds that came or
  went.

Races. A listing is a moment ahead of the watch or behind it, so nothing counts as missed at first sight: what
a listing showed and the watch has not told is looked at again after `RECHECK_SECONDS`, and counted only then.
An object that the cache has and the listing lacks is dropped only if its version is not newer than the
listing's: newer ones were created while the listing was under way. Versions can be compared like this because
they only grow (by contract since Kubernetes 1.35, before in fact).

A namespace that refuses to be listed does not keep the others waiting (see `cluster.namespaces`), nor does an
optional kind that does (see `cluster.discovery`). What is waited for is named by `cluster.unsynced`.

A watch that stays stale cannot be mended from inside; `stale_for` lets the liveness probe restart the
process. Until then the operator goes on with what it has: deletions come from listings, changes with the next
event.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from driftlead_operator import metrics
from driftlead_operator.cluster.api_server import Cluster
from driftlead_operator.cluster.cache import Cache, version_of
from driftlead_operator.cluster.discovery import Discovery
from driftlead_operator.cluster.namespaces import Namespaces
from driftlead_operator.cluster.unsynced import Unsynced
from driftlead_operator.errors import OperatorError, RefusedError
from driftlead_operator.kinds import KINDS, Key
from driftlead_operator.logs import OnceAMinute
from driftlead_operator.workqueue import backoff

log = structlog.get_logger(__name__)

CATCH_UP_EVERY = 0.3
SETTLE_SECONDS = 3.0
"""How long a listing is put off after a watch was restarted, so that its own listing is through."""
RECHECK_SECONDS = 15.0
CATCH_UP_SECONDS = 10.0
LONGEST_START_PAUSE = 5.0
UNREADABLE_SECONDS = 60.0
"""How soon a namespace that refuses is tried again."""

Name = tuple[str, str, str]
"""Kind, namespace, name."""


class Missed(NamedTuple):
    """A version that a listing showed and no watch has told, and when it was first missed."""

    version: int
    since: float


@dataclass(slots=True)
class Comparison:
    """What one listing of everything came to.

    `refused` are namespaces (of a required kind), `forbidden` optional kinds, each with the API server's
    words; `failed` what could not be listed for now.
    """

    there: set[Name] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    forbidden: dict[str, str] = field(default_factory=dict)
    failed: dict[tuple[str | None, str], str] = field(default_factory=dict)

    def waits_for(self, name: Name) -> bool:
        """Whether an object is there, and may be told by a watch."""
        return name in self.there and name[1] not in self.refused and name[0] not in self.forbidden


class Audit:
    """Keeps the cache honest. `on_deleted` is told whose object was deleted without a watch telling."""

    def __init__(
        self,
        *,
        cache: Cache,
        cluster: Cluster,
        discovery: Discovery,
        namespaces: Namespaces,
        seconds: float,
        on_deleted: Callable[[Key], None],
        on_synced: Callable[[], None],
        on_released: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache, self._cluster, self._namespaces = cache, cluster, namespaces
        self._discovery, self._seconds, self._clock = discovery, seconds, clock
        self._on_deleted, self._on_synced, self._on_released = on_deleted, on_synced, on_released
        self._say = OnceAMinute(clock)
        self._unsynced = Unsynced()
        self.missed: dict[Name, Missed] = {}
        self._counted: set[Name] = set()
        self._compared = 0.0
        self._soon = asyncio.Event()
        self._synced = asyncio.Event()

    @property
    def synced(self) -> bool:
        """Whether the watches have told all that there was at the start."""
        return self._synced.is_set()

    def waits_for(self) -> list[str]:
        """Why not everything has been seen yet, empty once it has."""
        return [] if self.synced else self._unsynced.words() or ["the watches are being compared"]

    async def wait_synced(self) -> None:
        """Returns once the watches have told all that there was at the start."""
        await self._synced.wait()

    def stale_for(self) -> float:
        """Seconds in which the watch has not told what a listing showed; 0 if it told all.

        Until the last listing, not until now: while the API server is unreachable no watch is stale.
        """
        if not (self.synced and self.missed):
            return 0.0
        return max(0.0, self._compared - min(each.since for each in self.missed.values()))

    def compare_soon(self) -> None:
        """Has the next comparison made in a moment, because a watch was restarted."""
        self._soon.set()

    async def run(self) -> None:
        await self._start()
        while True:
            await self._wait(self._interval())
            self._drop_told()
            self._count_missed()
            if await self.compare() and self._namespaces.recovering:
                await self._caught_up()
            self._release()

    def _interval(self) -> float:
        if self.missed:
            return RECHECK_SECONDS
        unreadable = self._namespaces.refused or self._discovery.forbidden
        return min(self._seconds, UNREADABLE_SECONDS) if unreadable else self._seconds

    async def _start(self) -> None:
        """Until the watches have told all that one listing showed."""
        failures = 0
        while True:
            complete = await self.compare()
            if complete and await self._caught_up():
                break
            failures = 0 if complete else failures + 1
            longer = backoff(failures, first=CATCH_UP_EVERY, longest=LONGEST_START_PAUSE, jitter=1.0)
            await asyncio.sleep(longer if failures else CATCH_UP_EVERY)
        self._synced.set()
        metrics.SYNCED.set(1)
        log.info("cache synced", objects=len(self._cache))
        self._on_synced()

    def _release(self) -> None:
        """Has the namespaces reconciled again that are wholly known again."""
        for namespace in self._namespaces.release({name[1] for name in self.missed}):
            self._on_released(namespace)

    async def _caught_up(self) -> bool:
        deadline = self._clock() + CATCH_UP_SECONDS
        while self._drop_told() and self._clock() < deadline:
            await self._pause()
        self._name_causes({})
        return not self.missed

    def _name_causes(self, failed: Mapping[tuple[str | None, str], str]) -> None:
        """Says what could not be listed, and what no watch has told."""
        self._unsynced.begin()
        for (namespace, kind), why in failed.items():
            self._unsynced.add(namespace, kind, why)
        for kind, namespace, name in self.missed:
            self._unsynced.add(namespace, kind, f"no watch has told of {name} yet")

    async def _pause(self) -> None:
        await asyncio.sleep(CATCH_UP_EVERY)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._soon.wait()
        except TimeoutError:
            return
        await asyncio.sleep(SETTLE_SECONDS)
        self._soon.clear()

    def _drop_told(self) -> int:
        """Drops what the watch has told since; how much is still missed."""
        self.missed = {
            name: missed
            for name, missed in self.missed.items()
            if self._cache.version(*name) < missed.version
        }
        return len(self.missed)

    def _count_missed(self) -> None:
        """Counts each missed thing once: by now it had time to be told."""
        for name in self.missed.keys() - self._counted:
            metrics.WATCH_MISSED.labels(name[0]).inc()
            log.warning("change missed by the watch", kind=name[0], namespace=name[1], name=name[2])
        self._counted = set(self.missed)

    async def compare(self) -> bool:
        """Lists each kind once; whether all could be listed.

        A kind that is absent counts as listed, and so does a namespace that refuses while another does not.
        """
        seen = Comparison()
        await self._discover(seen)
        for namespace in self._namespaces.listed:
            await self._compare_namespace(namespace, seen)
        # Without names there is only "all of them", and when that is refused nothing was read.
        readable = self._namespaces.note(seen.refused) and "" not in seen.refused
        if readable:
            self._leave_out(seen.forbidden)
        complete = readable and not seen.failed
        if complete:
            self._compared = self._clock()
            self.missed = {name: self.missed[name] for name in self.missed if seen.waits_for(name)}
        refusals = {(where or None, ""): why for where, why in seen.refused.items()}
        self._name_causes({**seen.failed, **({} if readable else refusals)})
        return complete

    async def _compare_namespace(self, namespace: str | None, seen: "Comparison") -> None:
        """Adds what there is of each kind, or why that is not known."""
        for kind in self._discovery.listed:
            try:
                seen.there |= await self._compare(kind, namespace)
            except RefusedError as error:
                if not self._discovery.is_optional(kind):
                    seen.refused[namespace or ""] = str(error)
                    return
                seen.forbidden[kind] = str(error)
            except OperatorError as error:
                seen.failed[namespace, kind] = str(error)
                if self._say.may(f"{kind} {namespace}"):
                    log.warning("cannot compare", kind=kind, namespace=namespace or "all", error=str(error))

    async def _discover(self, seen: "Comparison") -> None:
        """Finds out which optional kinds there are, and drops all objects of those that are absent."""
        try:
            await self._discovery.refresh()
        except OperatorError as error:
            seen.failed[None, "optional kinds"] = str(error)
            if self._say.may("optional kinds"):
                log.warning("cannot discover optional kinds", error=str(error))
            return
        self._drop_absent()

    def _leave_out(self, forbidden: Mapping[str, str]) -> None:
        """Has kinds that may not be read neither watched nor waited for."""
        self._discovery.note(forbidden)
        self._drop_absent()

    def _drop_absent(self) -> None:
        for kind in self._discovery.absent:
            for namespace, name in self._cache.names(kind):
                self._drop((kind, namespace, name))

    async def _compare(self, kind: str, namespace: str | None) -> set[Name]:
        """What there is of one kind; notes what no watch told, drops what is gone."""
        listed = await self._cluster.list_metadata(kind, namespace, KINDS[kind].selector)
        there: set[Name] = set()
        for item in listed.items:
            name = (kind, item["metadata"]["namespace"], item["metadata"]["name"])
            there.add(name)
            if self._cache.version(*name) < (version := version_of(item)) and name not in self.missed:
                self.missed[name] = Missed(version, self._clock())
        for short, version in self._cache.names(kind).items():
            name = (kind, *short)
            if name not in there and version <= listed.version and namespace in (None, name[1]):
                self._drop(name)
        return there

    def _drop(self, name: Name) -> None:
        if self.synced:
            log.info("deletion missed by the watch", kind=name[0], namespace=name[1], name=name[2])
        if key := self._cache.discard(*name).key:
            self._on_deleted(key)
