"""Compares what the watches told with a listing of names and versions.

Three uses: at the start, to know when everything was seen; after a watch began anew, since kopf tells
nothing of objects that went in between; and at intervals, to notice a watch that is deaf although its
connection lives.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

import structlog

from driftlead_operator import metrics
from driftlead_operator.cluster.api_server import Cluster
from driftlead_operator.cluster.cache import Cache, version_of
from driftlead_operator.errors import OperatorError
from driftlead_operator.kinds import RESOURCE, SELECTOR, WATCHED, Key

log = structlog.get_logger(__name__)

START_SECONDS = 0.3
SETTLE_SECONDS = 3.0
"""How long a listing is put off after a watch began anew, so that its own listing is through."""
AGAIN_SECONDS = 15.0
START_PATIENCE = 10.0

Name = tuple[str, str, str]
"""Kind, namespace, name."""


class Missed(NamedTuple):
    """A version that a listing showed and no watch has told, and when it was first missed."""

    version: int
    since: float


class Audit:
    """Keeps the cache honest. `gone` is told to whom something belonged that went without a word."""

    def __init__(
        self,
        *,
        cache: Cache,
        cluster: Cluster,
        namespaces: Collection[str],
        seconds: float,
        gone: Callable[[Key], None],
        synced: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache, self._cluster, self._namespaces = cache, cluster, tuple(namespaces) or (None,)
        self._seconds, self._gone, self._on_synced, self._clock = seconds, gone, synced, clock
        self._missed: dict[Name, Missed] = {}
        self._counted: set[Name] = set()
        self._compared = 0.0
        self._soon = asyncio.Event()
        self.synced = False

    def deaf_for(self) -> float:
        """Seconds in which the watch has not told what a listing showed; 0 if it told all.

        Until the last listing, not until now: while the API server is unreachable no watch is stale.
        """
        if not (self.synced and self._missed):
            return 0.0
        return max(0.0, self._compared - min(each.since for each in self._missed.values()))

    def soon(self) -> None:
        """Has the next comparison made in a moment, because a watch began anew."""
        self._soon.set()

    async def run(self) -> None:
        """Compares until cancelled."""
        await self._start()
        while True:
            await self._wait(AGAIN_SECONDS if self._missed else self._seconds)
            self._forgive()
            self._count()
            await self.compare()

    async def _start(self) -> None:
        """Until the watches have told all that one listing showed."""
        while not self.synced:
            self.synced = await self.compare() and await self._caught_up()
            await self._pause()
        log.info("everything was seen once", objects=len(self._cache))
        self._on_synced()

    async def _caught_up(self) -> bool:
        deadline = self._clock() + START_PATIENCE
        while self._forgive() and self._clock() < deadline:
            await self._pause()
        return not self._missed

    async def _pause(self) -> None:
        await asyncio.sleep(START_SECONDS)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._soon.wait()
        except TimeoutError:
            return
        await asyncio.sleep(SETTLE_SECONDS)
        self._soon.clear()

    def _forgive(self) -> int:
        """Forgets what was told since; how much is missed still."""
        self._missed = {
            name: missed
            for name, missed in self._missed.items()
            if self._cache.version(*name) < missed.version
        }
        return len(self._missed)

    def _count(self) -> None:
        """Counts each missed thing once: by now it had time to be told."""
        for name in self._missed.keys() - self._counted:
            metrics.WATCH_MISSED.labels(name[0]).inc()
            log.warning("not told by the watch", kind=name[0], namespace=name[1], name=name[2])
        self._counted = set(self._missed)

    async def compare(self) -> bool:
        """Lists each kind once; whether all of them could be listed."""
        complete, there = True, set[Name]()
        for kind in WATCHED:
            for namespace in self._namespaces:
                try:
                    there |= await self._compare(kind, namespace)
                except OperatorError as error:
                    complete = False
                    log.warning("cannot compare", kind=kind, namespace=namespace or "all", error=str(error))
        if complete:
            self._compared = self._clock()
            self._missed = {name: missed for name, missed in self._missed.items() if name in there}
        return complete

    async def _compare(self, kind: str, namespace: str | None) -> set[Name]:
        """What there is of one kind; notes what no watch told, drops what is gone."""
        listed = await self._cluster.list_metadata(kind, namespace, "" if kind == RESOURCE else SELECTOR)
        there: set[Name] = set()
        for item in listed.items:
            name = (kind, item["metadata"]["namespace"], item["metadata"]["name"])
            there.add(name)
            if self._cache.version(*name) < (version := version_of(item)) and name not in self._missed:
                self._missed[name] = Missed(version, self._clock())
        for short, version in self._cache.names(kind).items():
            name = (kind, *short)
            if name not in there and version <= listed.version and namespace in (None, name[1]):
                if self.synced:
                    log.info("went without a word", kind=kind, namespace=name[1], name=name[2])
                if key := self._cache.discard(*name).key:
                    self._gone(key)
        return there
