"""Which pods are scraped, where, and which answers are worth a reconcile."""

from typing import Any

import pytest

from driftlead_operator.decisions import names
from driftlead_operator.health import fingerprint, is_ready, scrape_target
from driftlead_operator.kinds import Key


def pod(
    *, component: str = "prod", address: str = "10.0.0.7", phase: str = "Running", **more: Any
) -> dict[str, Any]:
    labels = {names.RESOURCE_NAME: "demo", names.COMPONENT: component}
    ports = [{"name": "metrics", "containerPort": 9000}, {"name": "http", "containerPort": 8001}]
    metadata = {"name": "p", "namespace": "team", "uid": "u", "labels": labels}
    return {
        "metadata": metadata | more.pop("metadata", {}),
        "spec": {"containers": [{"name": "server", "ports": ports}]},
        "status": {"phase": phase, "podIP": address} | more,
    }


@pytest.mark.parametrize(
    ("seen", "url"),
    [
        (pod(), "http://10.0.0.7:8001/health"),
        (pod(component="canary"), "http://10.0.0.7:8001/health"),
        (pod(component="judge"), "http://10.0.0.7:8001/verdict"),
        (pod(address="fd00::7"), "http://[fd00::7]:8001/health"),
    ],
)
def test_a_running_pod_is_scraped_at_its_port_named_http(seen: dict[str, Any], url: str) -> None:
    target = scrape_target(seen)
    assert target
    assert (target.url, target.key) == (url, Key("team", "demo"))


@pytest.mark.parametrize(
    "seen",
    [
        pod(component="drift"),
        pod(phase="Pending"),
        pod(address=""),
        pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        pod(metadata={"labels": {names.COMPONENT: "prod"}}),
    ],
    ids=["a drift check", "one that waits", "one without an address", "one that goes", "a stranger"],
)
def test_other_pods_are_not_scraped(seen: dict[str, Any]) -> None:
    assert scrape_target(seen) is None


def test_a_pod_is_ready_when_the_kubelet_says_so() -> None:
    assert is_ready(pod(conditions=[{"type": "Ready", "status": "True"}]))
    assert not is_ready(pod(conditions=[{"type": "Ready", "status": "False"}]))
    assert not is_ready(pod())


LOG = {"mode": "async", "last_seq": 7, "lag_seconds": 0.2, "dropped": 0}
ANSWER = {"status": "ok", "model_version": "3", "log": LOG}


def logged(**log: Any) -> dict[str, Any]:
    return {**ANSWER, "log": LOG | log}


@pytest.mark.parametrize("log", [{"last_seq": 9000}, {"lag_seconds": 4.9}, {"pending": 3}])
def test_counters_that_move_are_not_worth_a_reconcile(log: dict[str, Any]) -> None:
    assert fingerprint(logged(**log)) == fingerprint(ANSWER)


@pytest.mark.parametrize("log", [{"mode": "off"}, {"lag_seconds": 31}, {"dropped": 1}])
def test_a_log_that_falls_behind_or_drops_is_worth_a_reconcile(log: dict[str, Any]) -> None:
    assert fingerprint(logged(**log)) != fingerprint(ANSWER)


def test_another_version_and_silence_are_worth_a_reconcile() -> None:
    assert fingerprint({**ANSWER, "model_version": "4"}) != fingerprint(ANSWER)
    assert fingerprint(None) != fingerprint(ANSWER)


@pytest.mark.parametrize("log", [None, "none", 5, {"lag_seconds": "long"}])
def test_an_answer_of_another_shape_hurts_nobody(log: object) -> None:
    assert fingerprint({"status": "ok", "log": log}) is not None
