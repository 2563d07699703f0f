"""Keeps a part of the process running whatever cancels it, until the task around it is cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)

RESTART_SECONDS = 1.0


async def uncancelled(part: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a part that never ends by itself, and starts it again when it is cancelled though nobody asks.

    A timeout that fires in the moment in which its request ends may leave a cancellation behind, which then
    comes up at the next `await`, outside of what it was meant for. It meets the part's own task; whoever ends
    this process cancels the task around it. Errors pass through: what they end is not started again.
    """
    while True:
        task = asyncio.create_task(part())
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()
            return
        log.warning("cancelled by nobody, so it starts again", part=part.__qualname__)
        await asyncio.sleep(RESTART_SECONDS)
