"""The end of the process: what runs may finish, then everything is cancelled."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Lifecycle:
    """Runs jobs that never end by themselves, until told to stop or until one of them ends all the same.

    `drain` is then given `grace_seconds`. The jobs are cancelled only afterwards: while reconciles finish,
    the Lease must still be renewed, or their writes would be refused. An error that ended a job is raised at
    the end, so that the process exits with it and the kubelet starts another: no part is restarted alone.
    """

    def __init__(self, *, drain: Callable[[], Awaitable[None]], grace_seconds: float) -> None:
        self._drain, self._grace_seconds = drain, grace_seconds
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    def stop_on_signals(self) -> None:
        """Stops on SIGTERM and SIGINT; without effect outside the main thread."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(sign, self.stop)

    async def run(self, jobs: Collection[Coroutine[Any, Any, None]]) -> None:
        """Runs the jobs to the end of all of them."""
        tasks = [asyncio.create_task(job) for job in jobs]
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        log.info("stops", why="told to" if stopping in done else "a part of it ended")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_seconds):
                await self._drain()
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
        for task in done:
            task.result()
