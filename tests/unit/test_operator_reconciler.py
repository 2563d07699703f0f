"""When a key is reconciled, and what a reconcile that may not write leaves behind."""

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from driftlead_operator import uncancelled
from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.assembly import Operator
from driftlead_operator.carry_out import CarryOut
from driftlead_operator.cluster.api_server import SERVICES_AT_ONCE, ApiServer
from driftlead_operator.cluster.cache import Cache
from driftlead_operator.decisions import names
from driftlead_operator.decisions.facts import Deletion, Plan, Ref
from driftlead_operator.errors import ConflictError, LostLeadershipError, UnreachableError
from driftlead_operator.kinds import Key
from driftlead_operator.observe import Notes
from driftlead_operator.reconciler import Reconciler
from driftlead_operator.settings import OperatorSettings
from driftlead_operator.workqueue import WorkQueue

KEY = Key("shop", "demo")


def thing(kind: str, name: str, version: int) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": str(version)}
    return {"kind": kind, "metadata": {**metadata, "labels": {names.RESOURCE_NAME: "demo"}}, "spec": {}}


async def test_children_that_change_together_are_reconciled_once_and_the_resource_at_once(
    tmp_path: Path,
) -> None:
    operator = Operator(OperatorSettings(registries_dir=tmp_path), DECISIONS)
    for number, kind in enumerate(("Deployment", "ReplicaSet", "Pod"), start=1):
        operator.router.watch_event(kind, "ADDED", thing(kind, "demo-prod", number))
    assert len(operator.queue) == 0
    wait = operator.queue.add_due()
    assert wait is not None and 0 < wait <= 0.2
    operator.router.watch_event("ModelDeployment", "MODIFIED", thing("ModelDeployment", "demo", 9))
    operator.queue.set_open(True)
    assert operator.queue.pop() is not None
    assert operator.queue.pop() is None and operator.queue.add_due() is None


async def reconcile(error: Exception, key: Key = KEY) -> tuple[str, WorkQueue[Key]]:
    """How a reconcile ends whose write fails so, and the queue afterwards."""
    queue: WorkQueue[Key] = WorkQueue()
    reconciler = Reconciler(
        queue=queue,
        observer=Mock(observe=AsyncMock(), notes=Mock(return_value=Mock(refused={}))),
        plan=lambda _: Plan(),
        carry_out=AsyncMock(side_effect=error),
        events=Mock(),
        refresh=AsyncMock(),
        is_held=lambda namespace: namespace == "deleted",
        workers=1,
        seconds=5.0,
    )
    return await reconciler.reconcile_once(key), queue


async def test_a_reconcile_after_leadership_was_lost_is_no_failure_of_its_key() -> None:
    result, queue = await reconcile(LostLeadershipError("another leads"))
    assert (result, queue.failures(KEY)) == ("lost_leadership", 0)
    wait = queue.add_due()
    assert wait is not None and 0.5 < wait <= 1.0
    result, queue = await reconcile(UnreachableError("nobody there"))
    assert (result, queue.failures(KEY)) == ("unreachable", 1)


async def test_what_is_in_a_namespace_that_cannot_be_read_is_not_reconciled_and_does_not_fail() -> None:
    key = Key("deleted", "demo")
    result, queue = await reconcile(UnreachableError("nobody there"), key)
    assert (result, queue.failures(key), queue.add_due()) == ("held", 0, None)


async def test_a_part_that_is_cancelled_by_nobody_starts_again_and_one_that_fails_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uncancelled, "RESTART_SECONDS", 0.0)
    starts = 0

    async def part() -> None:
        nonlocal starts
        starts += 1
        if starts == 3:
            raise ValueError("a fault of ours")
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.sleep(10)

    with pytest.raises(ValueError, match="a fault of ours"):
        await uncancelled.uncancelled(part)
    assert starts == 3


async def test_a_part_ends_when_the_task_around_it_is_cancelled() -> None:
    ended = asyncio.Event()

    async def part() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.set()

    task = asyncio.create_task(uncancelled.uncancelled(part))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_children_are_written_at_once_and_one_that_fails_leaves_the_others_alone() -> None:
    started, written = [], []
    together = asyncio.Event()

    async def apply(manifest: dict[str, Any], *, force: bool) -> dict[str, Any]:
        started.append(manifest["metadata"]["name"])
        if len(started) == 3:
            together.set()
        await asyncio.wait_for(together.wait(), 1)
        if manifest["kind"] == "Deployment":
            raise ConflictError("somebody wrote first")
        written.append(manifest["metadata"]["name"])
        return thing(manifest["kind"], manifest["metadata"]["name"], 9)

    cluster = Mock(apply=apply, get=AsyncMock(return_value=None), delete=AsyncMock())
    carry_out = CarryOut(
        cluster=cluster,
        cache=Cache(),
        events=Mock(),
        write_registry=AsyncMock(),
        is_leader=lambda: True,
    )
    wanted = [
        thing("Deployment", "demo-prod", 1),
        thing("Service", "demo", 1),
        thing("Service", "demo-prod", 1),
    ]
    plan = Plan(apply=wanted, delete=[Deletion(ref=Ref("Service", "demo-canary"), uid="x")])
    with pytest.raises(ConflictError, match="somebody wrote first"):
        await carry_out(KEY, Mock(), plan, Notes())
    assert sorted(written) == ["demo", "demo-prod"]
    cluster.delete.assert_not_awaited()  # nothing goes before what replaces it is there


async def test_few_services_at_once_wait_for_an_address_and_nothing_else_waits_for_them() -> None:
    api, under_way, most = ApiServer(), [0], [0]
    go_on = asyncio.Event()

    async def request(_verb: str, kind: str, *_: Any, **__: Any) -> dict[str, Any]:
        if kind == "Service":
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            await go_on.wait()
            under_way[0] -= 1
        return {}

    api.request = request  # type: ignore[method-assign]
    new = {"kind": "Service", "metadata": {"name": "demo", "namespace": "shop"}}
    services = [asyncio.create_task(api.apply(new, force=False)) for _ in range(20)]
    await asyncio.sleep(0)
    await api.apply({**new, "kind": "Deployment"}, force=False)
    assert most[0] == SERVICES_AT_ONCE
    go_on.set()
    await asyncio.gather(*services)
    assert most[0] == SERVICES_AT_ONCE
