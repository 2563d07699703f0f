"""kopf's part: it watches, and each event becomes one call. It decides nothing and writes nothing."""

import itertools
from collections.abc import Callable, Collection, Iterator
from typing import Any

from driftlead_operator.cluster.api_server import login
from driftlead_operator.cluster.lean import kopf
from driftlead_operator.kinds import KINDS

Sink = Callable[[str, str | None, dict[str, Any]], None]
"""Takes a kind, an event's type (None: from a listing), and the object."""


class Backoff:
    """Pauses between tries, without end: an API server that is down for an hour does not end the watch."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.2, 0.5, 1.0, 2.0, 3.0), itertools.repeat(5.0))


class NoBase(kopf.DiffBaseStorage):
    """Keeps no last state: nothing is decided by differences, and annotations stay people's."""

    def build(self, **_: Any) -> Any:
        return {}  # instead of a deep copy of each object of each event

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: ours finish at once or not at all."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


def watch_settings(*, lease: str = "") -> kopf.OperatorSettings:
    """kopf reduced to watching; with `lease`, only the Lease of that name is seen."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # wants to list namespaces and CRDs of the whole cluster
    settings.process.ultimate_exiting_timeout = None  # would kill the thread, and with it the process
    settings.persistence.diffbase_storage = NoBase()
    settings.persistence.progress_storage = NoProgress()
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 5.0
    settings.networking.error_backoffs = Backoff()
    settings.watching.server_timeout = 240
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 0.2  # seconds for which each object that was seen holds a task
    if lease:
        settings.watching.field_selectors["coordination.k8s.io", "v1", "leases"] = f"metadata.name={lease}"
    for kind in KINDS.values():
        if kind.watched and kind.selector:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.selector
    return settings


def watch_registry(kinds: Collection[str], sink: Sink) -> kopf.OperatorRegistry:
    """Handlers that hand each event of these kinds on."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(login)
    for kind in kinds:
        subscribe(registry, kind, sink)
    return registry


def subscribe(registry: kopf.OperatorRegistry, kind: str, sink: Sink) -> None:
    """Hands each event of one kind on."""
    _, group, version, plural, *_ = KINDS[kind]

    # A coroutine, because kopf sends plain functions to a pool of threads, where events overtake one another.
    @kopf.on.event(group, version, plural, registry=registry, id=f"seen-{plural}")
    async def seen(*, event: Any, **_: Any) -> None:
        sink(kind, event["type"], event["object"])
