"""What people read on a resource: written in order, beside the workers, and never in their way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import structlog

from driftlead_operator import events
from driftlead_operator.decisions.facts import Event
from driftlead_operator.errors import ConflictError, UnreachableError
from driftlead_operator.events import Events

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
RESOURCE = {
    "apiVersion": "driftlead.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "demo", "namespace": "shop", "uid": "cr-1", "resourceVersion": "7"},
}


class Written:
    """An API server that takes events, one at a time or not."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.created: list[str] = []
        self.moved: list[str] = []
        self.under_way = self.most = 0

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.errors and (error := self.errors.pop(0)):
            raise error
        self.created.append(manifest["message"])
        return manifest

    async def merge(self, kind: str, namespace: str, name: str, change: dict[str, Any]) -> dict[str, Any]:
        self.moved.append(f"{kind} {namespace}/{name.partition('.')[0]} {change['lastTimestamp']}")
        return change


@asynccontextmanager
async def writing(server: Written, is_leader: Callable[[], bool] = lambda: True) -> AsyncIterator[Events]:
    """Events that are all written, or lost, when the block ends."""
    cluster = Mock(create=server.create, merge=server.merge)
    written = Events(cluster=cluster, is_leader=is_leader, now=lambda: NOW, instance="pod-1")
    task = asyncio.create_task(written.run())
    yield written
    await asyncio.wait_for(written.written(), 1)
    task.cancel()


def said(message: str) -> Event:
    return Event(reason="Promoted", message=message)


async def test_events_are_written_in_their_order_one_at_a_time() -> None:
    server = Written()
    async with writing(server) as written:
        for number in range(5):
            written.post(RESOURCE, said(f"version {number}"))
        assert server.created == []  # nobody waited
    assert server.created == [f"version {number}" for number in range(5)]
    assert server.most == 1


async def test_an_event_that_cannot_be_written_is_logged_and_the_next_one_is_written() -> None:
    server = Written(UnreachableError("nobody there"), ValueError("odd"))
    with structlog.testing.capture_logs() as lines:
        async with writing(server) as written:
            for message in ("first", "second", "third"):
                written.post(RESOURCE, said(message))
    assert server.created == ["third"]
    lost = {"event": "event lost", "resource": "shop/demo", "message": "first", "error": "nobody there"}
    assert lost.items() <= lines[0].items()
    assert lines[1]["event"] == "event not written"


async def test_the_same_words_again_move_the_time_of_the_event_that_is_there() -> None:
    server = Written(None, ConflictError("exists"))
    async with writing(server) as written:
        written.post(RESOURCE, said("once"))
        written.post(RESOURCE, said("once"))
    assert server.created == ["once"]
    assert server.moved == ["Event shop/demo 2026-11-28T12:00:00Z"]


async def test_a_process_that_lost_leadership_writes_no_event() -> None:
    server = Written()
    with structlog.testing.capture_logs() as lines:
        async with writing(server, is_leader=lambda: False) as written:
            written.post(RESOURCE, said("late"))
    assert server.created == []
    assert lines[0]["error"] == "this process is not the leader any more"


async def test_more_events_than_may_wait_are_lost_and_said_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "MAX_WAITING", 2)
    server = Written()
    with structlog.testing.capture_logs() as lines:
        async with writing(server) as written:
            for number in range(3):
                written.post(RESOURCE, said(f"version {number}"))
    assert server.created == ["version 0", "version 1"]
    assert [line["message"] for line in lines] == ["version 2"]
