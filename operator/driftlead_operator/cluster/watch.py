"""Runs kopf in a thread and loop of its own, and starts it again when it ends or is to watch something else.

Apart, because kopf takes signals and every task of its loop for its own, and because one unexpected error in
a watch ends the whole of it. Events cross over to the loop of the operator one by one, in their order
(`call_soon_threadsafe`); whatever is lost between two lives of kopf is found by the audit, since a listing of
known objects has it compare soon.

Kopf finds out which kinds exist only when it starts (to watch for CRDs it would need rights to all of them),
so other kinds mean another start. So do other namespaces: one that cannot be read any more is left out, as
kopf would try each of its kinds again every few seconds without end.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import structlog
import uvloop

from driftlead_operator import metrics
from driftlead_operator.cluster.handlers import Sink, watch_registry, watch_settings
from driftlead_operator.cluster.lean import kopf
from driftlead_operator.kinds import watched_kinds

log = structlog.get_logger(__name__)

RESTART_SECONDS = 1.0
STOP_SECONDS = 5.0


class Scope(NamedTuple):
    """What is watched: the kinds, and the namespaces, of which none means all."""

    kinds: tuple[str, ...]
    namespaces: tuple[str, ...]


class Watch:
    """The watches of resources, children and our Lease."""

    def __init__(self, *, namespaces: Collection[str], lease: str, lease_namespace: str) -> None:
        self._lease, self._lease_namespace = lease, lease_namespace
        self._scope = Scope(tuple(watched_kinds(optional=False)), tuple(namespaces))
        self.sink: Sink = lambda *_: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._interrupt: Callable[[], object] = lambda: None

    def start(self, sink: Sink) -> None:
        """Begins to watch. `sink` gets the events, in the loop in which this is called."""
        self.sink = sink
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._thread.start()

    async def stop(self, seconds: float = 5.0) -> None:
        self._stop.set()
        self._interrupt()
        if self._thread:
            await asyncio.to_thread(self._thread.join, seconds)

    def set_kinds(self, kinds: Collection[str]) -> None:
        """Has these kinds watched from now on."""
        self._set(tuple(kinds), self._scope.namespaces)

    def set_namespaces(self, namespaces: Collection[str]) -> None:
        """Has these namespaces watched from now on; none means all."""
        self._set(self._scope.kinds, tuple(namespaces))

    def _set(self, kinds: tuple[str, ...], namespaces: tuple[str, ...]) -> None:
        scope = Scope(kinds, namespaces)
        if self._scope != scope:
            self._scope = scope
            self._interrupt()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return bool(self._thread and self._thread.is_alive())

    def _hand_over(self, kind: str, type_: str | None, thing: dict[str, Any]) -> None:
        if self._loop and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop closed in this very moment
                self._loop.call_soon_threadsafe(self.sink, kind, type_, thing)

    def _run(self) -> None:
        while not self._stop.is_set():
            scope = self._scope
            try:
                uvloop.run(self._watch(scope))
            except Exception:
                log.exception("watching failed")
            if scope == self._scope and not self._stop.wait(RESTART_SECONDS):
                metrics.WATCH_RESTARTS.inc()
                log.warning("watching ended and starts again")

    async def _watch(self, scope: Scope) -> None:
        """Both operators of kopf, until one of them ends or is interrupted."""
        end, loop = asyncio.Event(), asyncio.get_running_loop()

        def interrupt() -> None:
            with contextlib.suppress(
                RuntimeError
            ):  # this loop has ended, and the next one reads what changed
                loop.call_soon_threadsafe(end.set)

        self._interrupt = interrupt
        if self._stop.is_set() or scope != self._scope:  # changed before there was anything to interrupt
            return
        where = {"namespaces": scope.namespaces} if scope.namespaces else {"clusterwide": True}
        tasks = [
            asyncio.create_task(self._kopf(scope.kinds, end, **where)),
            asyncio.create_task(
                self._kopf(("Lease",), end, self._lease, namespaces=(self._lease_namespace,))
            ),
        ]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        end.set()
        _, rest = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in rest:
            task.cancel()
        for task in done:
            task.result()

    def _kopf(self, kinds: Collection[str], end: asyncio.Event, lease: str = "", **where: Any) -> Any:
        return kopf.operator(
            registry=watch_registry(kinds, self._hand_over),
            settings=watch_settings(lease=lease),
            standalone=True,
            stop_flag=end,
            **where,
        )
