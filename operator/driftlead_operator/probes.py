"""/healthz, /readyz and /metrics."""

import asyncio
from collections.abc import Callable, Collection

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from driftlead_operator import metrics
from driftlead_operator.fleet import Fleet

LEASE_SECONDS = 60.0
"""A renewal of the Lease that the watch has not told for this long means that the watches are stale."""
AUDIT_SECONDS = 90.0
"""So does an object that a listing showed and no watch told for this long."""


def faults(*, watching: bool, lease_stale: float, audit_stale: float) -> list[str]:
    """Why this process should be restarted, empty while it is well; an API server that is down is not why."""
    found = []
    if not watching:
        found.append("nothing watches any more")
    if lease_stale > LEASE_SECONDS:
        found.append(f"the Lease was renewed for {lease_stale:.0f} s without the watch telling of it")
    if audit_stale > AUDIT_SECONDS:
        found.append(f"a listing has shown changes for {audit_stale:.0f} s of which no watch told")
    return found


class Probes:
    """The web application for the kubelet and Prometheus."""

    def __init__(
        self,
        *,
        alive: Callable[[], Collection[str]],
        waits_for: Callable[[], Collection[str]],
        queue: Callable[[], tuple[int, float]],
        fleet: Callable[[], Fleet | None],
    ) -> None:
        self._alive, self._waits_for, self._queue, self._fleet = alive, waits_for, queue, fleet

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self.healthz),
                web.get("/readyz", self.readyz),
                web.get("/metrics", self.metrics),
            ]
        )
        return app

    async def healthz(self, _: web.Request) -> web.Response:
        faults = self._alive()
        return web.Response(status=500 if faults else 200, text="\n".join(faults) or "ok")

    async def readyz(self, _: web.Request) -> web.Response:
        """200 once everything was seen once, whether we lead or not; before, what is waited for."""
        causes = self._waits_for()
        if not causes:
            return web.Response(text="ok")
        return web.Response(status=503, text="\n".join(["has not seen everything yet:", *causes]))

    async def metrics(self, _: web.Request) -> web.Response:
        """The process's metrics, and the fleet's when we lead."""
        depth, oldest = self._queue()
        metrics.QUEUE_DEPTH.set(depth)
        metrics.QUEUE_OLDEST.set(oldest)
        text = generate_latest(metrics.REGISTRY)
        if fleet := self._fleet():
            text += await asyncio.to_thread(fleet.render)  # a thousand resources take a while
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def serve(app: web.Application, port: int) -> web.AppRunner:
    """Serves an application on all addresses, of both families; the runner is to be cleaned up."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    await web.TCPSite(runner, None, port).start()
    return runner
