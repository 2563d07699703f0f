"""A body beyond the limit is refused in a way that its sender can read."""

from typing import Any

import pytest

from driftlead_inference.fronts.exchange import DISCARDED, Receive, read
from driftlead_inference.problems import Refused

LIMIT = 1000


def sender(total: int) -> tuple[Receive, list[int]]:
    """A client's body in pieces of 100 bytes, and how many of them were taken."""
    taken: list[int] = []

    async def receive() -> dict[str, Any]:
        taken.append(100)
        return {"type": "http.request", "body": b"x" * 100, "more_body": sum(taken) < total}

    return receive, taken


async def test_a_body_within_the_limit_is_read_whole() -> None:
    receive, _ = sender(LIMIT)
    assert await read({}, receive, LIMIT) == b"x" * LIMIT


@pytest.mark.parametrize("headers", [{b"content-length": b"3000"}, {}], ids=["declared", "chunked"])
async def test_what_is_too_much_is_taken_to_its_end_before_it_is_refused(headers: dict[bytes, bytes]) -> None:
    receive, taken = sender(3000)
    with pytest.raises(Refused) as refused:
        await read(headers, receive, LIMIT)
    assert refused.value.problem.status == 413
    assert sum(taken) == 3000


async def test_far_too_much_is_refused_before_any_of_it_is_read() -> None:
    receive, taken = sender(DISCARDED * LIMIT + 1)
    with pytest.raises(Refused):
        await read({b"content-length": b"%d" % (DISCARDED * LIMIT + 1)}, receive, LIMIT)
    assert taken == []


async def test_a_body_without_end_is_refused_after_so_much_of_it() -> None:
    receive, taken = sender(10**9)
    with pytest.raises(Refused):
        await read({}, receive, LIMIT)
    assert sum(taken) == DISCARDED * LIMIT + 100


async def test_a_client_that_asks_first_is_told_at_once() -> None:
    receive, taken = sender(3000)
    with pytest.raises(Refused):
        await read({b"content-length": b"3000", b"expect": b"100-continue"}, receive, LIMIT)
    assert taken == []
