"""What is asked of the API server while observing: nothing at rest, and why a Job has no pod."""

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from driftlead_operator.cluster.cache import Cache
from driftlead_operator.decisions import names
from driftlead_operator.decisions.facts import Facts, Ref
from driftlead_operator.errors import RefusedError, UnreachableError
from driftlead_operator.kinds import RESOURCE, Key
from driftlead_operator.observe import Observer
from unit.operator_world import DEFAULTS, NOW

KEY = Key("shop", "demo")
STARTED = "2026-11-24T11:00:00Z"


def thing(kind: str, name: str, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"}
    return {"kind": kind, "metadata": {**metadata, "labels": {names.RESOURCE_NAME: "demo"}}, **more}


async def observe(cluster: Any, *things: dict[str, Any]) -> Facts:
    """The facts of a resource and these objects."""
    cache = Cache()
    for each in (thing(RESOURCE, "demo", spec={}), *things):
        cache.put(each["kind"], each)
    observer = Observer(
        cache=cache,
        cluster=cluster,
        registries=Mock(),
        pod_answers=Mock(health=Mock(return_value=None), verdict=Mock(return_value=None)),
        decisions=Mock(child_refs=Mock(return_value=())),
        defaults=DEFAULTS,
        now=lambda: NOW,
    )
    facts = await observer.observe(KEY)
    assert facts is not None
    return facts


async def test_a_job_with_a_pod_and_one_that_has_ended_ask_for_nothing() -> None:
    pod = thing("Pod", "a-1")
    pod["metadata"]["ownerReferences"] = [{"controller": True, "uid": "a"}]
    ended = {"startTime": STARTED, "conditions": [{"type": "Complete", "status": "True"}]}
    cluster = Mock(events=AsyncMock())
    jobs = (thing("Job", "a", status={"startTime": STARTED}), thing("Job", "b", status=ended))
    assert (await observe(cluster, pod, *jobs)).refused_pods == {}
    assert cluster.mock_calls == []


async def test_a_job_without_a_pod_has_the_words_of_its_controller() -> None:
    told = {"message": 'Error creating: pods "a-x" is forbidden: exceeded quota', "lastTimestamp": STARTED}
    cluster = Mock(events=AsyncMock(return_value=[told]))
    facts = await observe(cluster, thing("Job", "a", status={"startTime": STARTED}))
    assert facts.refused_pods == {Ref("Job", "a"): "exceeded quota"}
    cluster.events.assert_awaited_once_with("shop", "a", "FailedCreate")


@pytest.mark.parametrize("error", [RefusedError("list Event: 403"), UnreachableError("nobody there")])
async def test_events_that_may_not_be_read_hold_nothing_up(error: Exception) -> None:
    cluster = Mock(events=AsyncMock(side_effect=error))
    facts = await observe(cluster, thing("Job", "a", status={"startTime": STARTED}))
    assert facts.refused_pods == {}
