"""When a key gets its turn, and what a turn that may not write leaves behind."""

from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.assembly import Operator
from driftlead_operator.errors import AwayError, DeposedError
from driftlead_operator.facts import Plan
from driftlead_operator.kinds import LABEL_NAME, Key
from driftlead_operator.reconciler import Reconciler
from driftlead_operator.settings import OperatorSettings
from driftlead_operator.workqueue import WorkQueue

KEY = Key("shop", "demo")


def thing(kind: str, name: str, version: int) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": str(version)}
    return {"kind": kind, "metadata": {**metadata, "labels": {LABEL_NAME: "demo"}}, "spec": {}}


async def test_children_that_change_together_get_one_turn_and_the_resource_gets_its_own_at_once(
    tmp_path: Path,
) -> None:
    operator = Operator(OperatorSettings(registries_dir=tmp_path), DECISIONS)
    for number, kind in enumerate(("Deployment", "ReplicaSet", "Pod"), start=1):
        operator.take(kind, "ADDED", thing(kind, "demo-prod", number))
    assert len(operator.queue) == 0
    wait = operator.queue.ripen()
    assert wait is not None and 0 < wait <= 0.2
    operator.take("ModelDeployment", "MODIFIED", thing("ModelDeployment", "demo", 9))
    operator.queue.set_open(True)
    assert operator.queue.take() is not None
    assert operator.queue.take() is None and operator.queue.ripen() is None


async def turn(error: Exception) -> tuple[str, WorkQueue[Key]]:
    """How a turn ends whose write fails so, and the queue afterwards."""
    queue: WorkQueue[Key] = WorkQueue()
    reconciler = Reconciler(
        queue=queue,
        observer=Mock(observe=AsyncMock(), notes=Mock(return_value=Mock(refused={}))),
        plan=lambda _: Plan(),
        carry_out=AsyncMock(side_effect=error),
        refresh=AsyncMock(),
        workers=1,
        seconds=5.0,
    )
    return await reconciler._turn(KEY), queue


async def test_a_turn_of_a_process_that_leads_no_longer_is_no_failure_of_its_key() -> None:
    result, queue = await turn(DeposedError("another leads"))
    assert (result, queue.failures(KEY)) == ("deposed", 0)
    wait = queue.ripen()
    assert wait is not None and 0.5 < wait <= 1.0
    result, queue = await turn(AwayError("nobody there"))
    assert (result, queue.failures(KEY)) == ("away", 1)
