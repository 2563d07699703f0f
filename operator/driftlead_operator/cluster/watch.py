"""Runs kopf in a thread and loop of its own, and starts it again when it ends.

Apart, because kopf takes signals and every task of its loop for its own, and because one unexpected error in
a watch ends the whole of it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Collection
from typing import Any

import structlog
import uvloop

from driftlead_operator import metrics
from driftlead_operator.cluster.handlers import Sink, watch_registry, watch_settings
from driftlead_operator.cluster.lean import kopf
from driftlead_operator.kinds import WATCHED

log = structlog.get_logger(__name__)

RESTART_SECONDS = 1.0
STOP_SECONDS = 5.0


class Watch:
    """The watches of resources, children and our Lease. `sink` is called in the loop that starts them."""

    def __init__(self, *, namespaces: Collection[str], lease: str, lease_namespace: str, sink: Sink) -> None:
        self._namespaces, self._lease, self._lease_namespace = tuple(namespaces), lease, lease_namespace
        self.sink = sink
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Begins to watch; call it inside the loop that shall get the events."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._thread.start()

    async def stop(self, seconds: float = 5.0) -> None:
        """Ends the watches."""
        self._stop.set()
        if self._thread:
            await asyncio.to_thread(self._thread.join, seconds)

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
            try:
                uvloop.run(self._watch())
            except Exception:
                log.exception("watching failed")
            if not self._stop.wait(RESTART_SECONDS):
                metrics.WATCH_RESTARTS.inc()
                log.warning("watching ended and starts again")

    async def _watch(self) -> None:
        """Both operators of kopf, until one of them ends or we are stopped."""
        end = asyncio.Event()
        where = {"namespaces": self._namespaces} if self._namespaces else {"clusterwide": True}
        tasks = [
            asyncio.create_task(self._kopf(WATCHED, end, **where)),
            asyncio.create_task(
                self._kopf(("Lease",), end, self._lease, namespaces=(self._lease_namespace,))
            ),
            asyncio.create_task(asyncio.to_thread(self._stop.wait)),
        ]
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        end.set()
        await asyncio.wait(tasks[:2], timeout=STOP_SECONDS)
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
