"""What a request's timer leaves behind stays with the request."""

import asyncio
from typing import Any

import aiohttp
import pytest

from driftlead_operator.exchange import exchange


class Late:
    """A session whose timer cancels the asking task while the request ends by another error."""

    def request(self, *_: Any, **__: Any) -> "Late":
        return self

    async def __aenter__(self) -> "Late":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise aiohttp.ServerDisconnectedError from None
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


async def test_a_cancellation_that_a_timer_left_is_not_counted_on_the_caller() -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await exchange(Late(), "GET", "http://registry")  # type: ignore[arg-type]
    caller = asyncio.current_task()
    assert caller is not None
    assert caller.cancelling() == 0


async def test_who_cancels_the_caller_cancels_the_request() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    class Slow(Late):
        async def __aenter__(self) -> "Slow":
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()
            return self

    asking = asyncio.create_task(exchange(Slow(), "GET", "http://registry"))  # type: ignore[arg-type]
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended.is_set()
