"""Polls each declared registry at intervals, for all resources at once, and remembers what it answered.

MLflow offers no watch. Its webhooks can be lost and say little, so they only make the next poll immediate;
what is true comes from polls alone. One poller serves all resources of a registry, and only the leader polls.

A poll must stay cheap for the registry, whatever there is in it. Models are read one by one or page by page,
whichever takes fewer requests, and versions only of models whose fingerprint changed. `resync` distrusts the
fingerprint now and then, within the same number of requests.

Edges:

- Before the first answer for a model nothing is concluded: `answered_at` is None, and an empty answer is not
  "the registry has no such model". A model that a resource newly names is polled at once.
- An answer is stamped with the time before its first request, so what it says is at least as new as its
  stamp. Who wrote to the registry waits for an answer with a later stamp.
- While the registry is unreachable the last answers stand, beside since when and why. All resources that
  follow it are told once when that begins and once when it ends. Polls back off up to two minutes.
- What a poll cannot read (a proxy's page, another program) counts as unreachable, and does not end the
  poller.
- A page may change while pages are read. A model that falls between two pages counts as missing until the
  next poll; the resource then says so, and keeps serving what it serves.
- Losing leadership drops all answers (`routing`), since they grow old unseen.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from driftlead_operator import metrics
from driftlead_operator.decisions.facts import ModelVersion, RegistryFacts, RegistryWrite
from driftlead_operator.errors import OperatorError, RegistryRefusedError, RegistryUnreachableError
from driftlead_operator.registry.mlflow import Declaration, Model, Registry, with_aliases
from driftlead_operator.registry.reader import Reader, for_each
from driftlead_operator.registry.resync import Resync
from driftlead_operator.workqueue import backoff

log = structlog.get_logger(__name__)

LONGEST_BACKOFF = 120.0
MIN_SECONDS = 0.5
"""Seconds between two polls at the least, however many hooks arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a registry said of one model, and when it last did. `refused` is its answer to the last write."""

    answered_at: datetime
    fingerprint: str = ""
    exists: bool = False
    versions: Sequence[ModelVersion] = ()
    refused: str = ""


class Poller:
    """Keeps the answers of one registry fresh for the models that are watched, and tells which changed.

    A poll costs one request per watched model or one per page of the registry's models, whichever is less,
    and one more for each model that changed. A poll of a resync reads as many versions again instead of
    listing: it sees which stages changed of those models; aliases come with the next listing.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        seconds: float,
        watched: Callable[[], Collection[str]],
        changed: Callable[[Collection[str]], None],
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = registry
        self._reader = Reader(registry)
        self.declaration: Declaration = registry.declaration
        self._seconds, self._watched, self._changed, self._now = seconds, watched, changed, now
        self._answers: dict[str, Answer] = {}
        self._poll_now = asyncio.Event()
        self._failures = 0
        self.must_list = True
        """Whether the next poll must list models: nothing was read yet, or somebody waits for a change."""
        self._resync = Resync(clock)
        self.unreachable_since: datetime | None = None
        self.error = ""

    def poll_now(self) -> None:
        """Makes the next poll immediate."""
        self._poll_now.set()

    def forget(self) -> None:
        self._answers.clear()

    def knows(self, model: str) -> bool:
        """Whether the registry has answered for this model."""
        return model in self._answers

    def facts(self, model: str, namespace: str) -> RegistryFacts:
        """What a resource may know: nothing of the models of a registry that its namespace must not use."""
        allowed = self.declaration.allows(namespace)
        known = self._answers.get(model) if allowed else None
        return RegistryFacts(
            name=self.declaration.name,
            namespace_allowed=allowed,
            allow_write=self.declaration.allow_write,
            tracking_uri=self.declaration.uri,
            answered_at=known.answered_at if known else None,
            model_exists=bool(known and known.exists),
            versions=known.versions if known else (),
            unreachable_since=self.unreachable_since,
            error=self.error,
            write_refused=known.refused if known else "",
        )

    async def run(self) -> None:
        while True:
            if self._watched() or self.unreachable_since:
                await self.poll_once()
            await self._wait(self.pause(random.random()))

    def pause(self, jitter: float) -> float:
        """Seconds until the next poll: the interval give or take a tenth, longer while it does not answer."""
        usual = self._seconds * (0.9 + 0.2 * jitter)
        if not self._failures:
            return usual
        return max(
            usual, backoff(self._failures, first=self._seconds, longest=LONGEST_BACKOFF, jitter=jitter)
        )

    async def _wait(self, seconds: float) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                await self._poll_now.wait()
            self.must_list = True
            await asyncio.sleep(max(0.0, MIN_SECONDS - (time.monotonic() - started)))
        except TimeoutError:
            pass
        self._poll_now.clear()

    async def poll_once(self) -> None:
        """One poll; tells which models changed, and counts how it ended."""
        name = self.declaration.name
        started = time.monotonic()
        try:
            changed = await self.poll(frozenset(self._watched()))
            self.must_list = False
        except OperatorError as error:
            self._note_unreachable(error)
            metrics.REGISTRY_POLLS.labels(name, "unreachable").inc()
        except Exception:
            # An answer that cannot be read is the registry's fault; other registries go on.
            log.exception("registry answer not understood", registry=name)
            self._note_unreachable(
                RegistryUnreachableError(f"registry {name} gave an answer that could not be read")
            )
            metrics.REGISTRY_POLLS.labels(name, "unreachable").inc()
        else:
            self._note_answer(changed)
            metrics.REGISTRY_POLLS.labels(name, "ok").inc()
        metrics.REGISTRY_UNREACHABLE.labels(name).set(self.unreachable_since is not None)
        metrics.REGISTRY_POLL_SECONDS.labels(name).observe(time.monotonic() - started)

    def _note_unreachable(self, error: Exception) -> None:
        self._failures += 1
        self.error = str(error)
        if self.unreachable_since is None:
            self.unreachable_since = self._now()
            log.warning("registry unreachable", registry=self.declaration.name, error=self.error)
            self._changed(self._watched())

    def _note_answer(self, changed: Collection[str]) -> None:
        self._failures = 0
        if self.unreachable_since is not None:
            log.info(
                "registry answers again",
                registry=self.declaration.name,
                unreachable_since=self.unreachable_since.isoformat(),
            )
            self.unreachable_since, self.error = None, ""
            changed = self._watched()
        if changed:
            self._changed(changed)

    async def poll(self, watched: Collection[str]) -> set[str]:
        """Asks once; the models of which something is different from before."""
        # Who calls poll_now waits for what changed, and a model that was never read comes first.
        if not self.must_list and all(map(self.knows, watched)):
            known = {name for name in watched if self._answers[name].exists}
            if due := self._resync.due(known):
                return await self._read_again(due, min(len(watched), self._reader.pages))
        at = self._now()
        models = await self._reader.models(watched)
        stale = [name for name, model in models.items() if self._is_stale(name, model)]
        versions = await self._reader.versions(stale)
        changed = set()
        for name in watched:
            before = self._answers.get(name)
            after = answer(at, models.get(name), versions.get(name, before.versions if before else ()))
            if self._keep(name, after):
                changed.add(name)
        for name in set(self._answers) - set(watched):
            del self._answers[name]
        return changed

    def _keep(self, name: str, after: Answer) -> bool:
        """Keeps an answer; whether it is another one than before."""
        before = self._answers.get(name)
        self._answers[name] = replace(after, refused=before.refused if before else "")
        return before is None or (before.exists, before.versions) != (after.exists, after.versions)

    async def _read_again(self, models: Sequence[str], most: int) -> set[str]:
        """Reads the versions of all these models if that takes `most` requests at most, else of the first
        `most`.
        """
        at, found = self._now(), None
        if self._resync.by_pages:
            found = await self._reader.all_versions(most)
            self._resync.by_pages = found is not None
            if found is None:
                return set()  # what was asked was as much as a poll may ask
        read = models if found is not None else models[:most]
        if found is None:
            found = await for_each(self._reader.versions_of, read)
        self._resync.read(read)
        return {name for name in read if self._keep(name, self._again(at, name, found.get(name, ())))}

    def _again(self, at: datetime, name: str, versions: Collection[ModelVersion]) -> Answer:
        """The answer with the versions of now and the aliases of the last listing."""
        before = self._answers[name]
        aliases = {alias: each.version for each in before.versions for alias in each.aliases}
        return replace(before, answered_at=at, versions=with_aliases(versions, aliases))

    def _is_stale(self, name: str, model: Model) -> bool:
        before = self._answers.get(name)
        return before is None or before.fingerprint != model.fingerprint

    async def write(self, write: RegistryWrite) -> None:
        """Writes, keeps what was refused for the next plan, and polls at once.

        Raises RegistryUnreachableError, after which nothing is known of the write.
        """
        refused = ""
        try:
            await self.registry.write(write)
        except RegistryRefusedError as error:
            refused = str(error)
            log.warning("registry refused", registry=self.declaration.name, model=write.model, error=refused)
        if before := self._answers.get(write.model):
            self._answers[write.model] = replace(before, refused=refused)
        self.poll_now()


def answer(at: datetime, model: Model | None, versions: Collection[ModelVersion]) -> Answer:
    """What is known of a model at a time; None says that the registry has none of that name."""
    if model is None:
        return Answer(answered_at=at)
    return Answer(
        answered_at=at,
        fingerprint=model.fingerprint,
        exists=True,
        versions=with_aliases(versions, model.aliases),
    )
