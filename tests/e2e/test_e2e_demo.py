"""The demo is a test: each of its steps checks its own outcome, and each is a test of its own here."""

from collections.abc import Callable

import pytest

from steps import STEPS, Demo

pytestmark = pytest.mark.cluster
FAILED: list[str] = []


@pytest.mark.parametrize("step", STEPS[1:], ids=[step.__name__ for step in STEPS[1:]])
def test_the_demo_keeps_what_it_promises(step: Callable[[Demo], None], demo: Demo) -> None:
    if FAILED:
        pytest.fail(f"the step before failed: {FAILED[0]}")
    FAILED.append(step.__name__)
    step(demo)
    FAILED.clear()


def test_every_pod_that_ran_was_restricted_and_none_restarted(demo: Demo) -> None:
    pods = demo.system.get("pods")["items"]
    restarts = {
        f"{pod['metadata']['name']}/{each['name']}": each["restartCount"]
        for pod in pods
        for each in pod["status"].get("containerStatuses", [])
    }
    assert len(restarts) > 8
    assert {name: count for name, count in restarts.items() if count} == {}
    enforced = demo.system.get("namespace", demo.system.namespace)["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"
