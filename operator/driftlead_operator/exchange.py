"""One request and its whole answer, in a task of its own."""

import asyncio
from typing import Any

import aiohttp


async def exchange(
    session: aiohttp.ClientSession, method: str, url: str, **options: Any
) -> tuple[int, bytes]:
    """Status and body; raises what aiohttp raises. Cancelling the caller cancels the request.

    aiohttp's own timeout cancels the task that asks. Where the request fails by another error at that moment,
    the cancellation stays counted on the task, and in Python 3.11.2 every later `asyncio.timeout` of that
    task then ends it, instead of raising TimeoutError. So nothing that lives long asks by itself.
    """
    return await asyncio.create_task(_exchange(session, method, url, **options))


async def _exchange(
    session: aiohttp.ClientSession, method: str, url: str, **options: Any
) -> tuple[int, bytes]:
    async with session.request(method, url, **options) as reply:
        return reply.status, await reply.read()
