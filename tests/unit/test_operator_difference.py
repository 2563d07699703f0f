"""When an object is as wanted: nothing is written then."""

from decimal import Decimal
from typing import Any

import pytest

from driftlead_operator.decisions.render import apply_diff

WANTED = {
    "kind": "Deployment",
    "metadata": {"name": "demo-prod", "labels": {"a": "b"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "spec": {
                "containers": [{"name": "server", "env": [{"name": "X", "value": "1"}]}],
                "nodeSelector": {"disk": "fast"},
                "tolerations": [{"key": "gpu"}],
            }
        },
    },
}


def live(**spec: Any) -> dict[str, Any]:
    wanted = apply_diff.with_applied_hash(WANTED)
    return {
        **wanted,
        "metadata": {**wanted["metadata"], "uid": "u", "resourceVersion": "7", "generation": 3},
        "spec": {**wanted["spec"], "paused": False, **spec},
        "status": {"replicas": 2},
    }


def test_an_object_with_defaults_and_others_fields_is_as_wanted() -> None:
    assert not apply_diff.needs_apply(apply_diff.with_applied_hash(WANTED), live())


def test_an_object_that_is_not_there_is_applied_without_a_version() -> None:
    wanted = apply_diff.with_applied_hash(WANTED)
    assert apply_diff.needs_apply(wanted, None)
    assert "resourceVersion" not in apply_diff.at_version(wanted, None)["metadata"]
    assert apply_diff.at_version(wanted, live())["metadata"]["resourceVersion"] == "7"


def test_a_field_changed_by_hand_is_a_difference() -> None:
    assert apply_diff.needs_apply(apply_diff.with_applied_hash(WANTED), live(replicas=3))


def test_a_field_that_is_wanted_no_longer_is_a_difference_though_the_rest_is_there() -> None:
    fewer = {**WANTED, "spec": {key: value for key, value in WANTED["spec"].items() if key != "template"}}
    assert apply_diff.needs_apply(apply_diff.with_applied_hash(fewer), live())


def test_replicas_left_to_an_autoscaler_change_no_hash() -> None:
    without = {**WANTED, "spec": {key: value for key, value in WANTED["spec"].items() if key != "replicas"}}
    assert not apply_diff.needs_apply(apply_diff.with_applied_hash(without), live(replicas=9))


def test_a_sidecar_of_somebody_else_is_no_difference_and_a_changed_variable_is() -> None:
    server = {"name": "server", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]}
    wanted = WANTED["spec"]["template"]["spec"]["containers"]
    assert apply_diff.covers([{"name": "sidecar"}, server], wanted)
    assert not apply_diff.covers([{"name": "server", "env": [{"name": "X", "value": "2"}]}], wanted)
    assert not apply_diff.covers([{"name": "sidecar"}], wanted)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({"nodeSelector": {"disk": "fast", "gpu": "yes"}}, {"nodeSelector": {"disk": "fast"}}),
        ({"selector": {"a": "b", "c": "d"}}, {"selector": {"a": "b"}}),
        ({"tolerations": [{"key": "gpu"}, {"key": "x"}]}, {"tolerations": [{"key": "gpu"}]}),
        ({}, {"tolerations": [{"key": "gpu"}]}),
        ({"args": ["serve", "--fast"]}, {"args": ["serve"]}),
    ],
    ids=str,
)
def test_what_is_replaced_as_a_whole_is_compared_as_a_whole(found: Any, wanted: Any) -> None:
    assert not apply_diff.covers(found, wanted)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1000m"}}),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}),
        ({"limits": {"memory": "512Mi"}}, {"limits": {"memory": "0.5Gi"}}),
        ({"limits": {"cpu": "2"}}, {"limits": {"cpu": 2}}),
        ({"sizeLimit": "8448Mi"}, {"sizeLimit": str(8448 * 1024**2)}),
        ({}, {"env": [], "readOnly": False, "value": "", "emptyDir": {}}),
    ],
    ids=str,
)
def test_the_same_said_otherwise_is_no_difference(found: Any, wanted: Any) -> None:
    assert apply_diff.covers(found, wanted)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1k", 1000),
        ("1.5Gi", 1.5 * 1024**3),
        ("250m", 0.25),
        ("1e3", 1000),
        (3, 3),
        ("12E", 12e18),
        ("2Ei", 2**61),
    ],
)
def test_a_quantity_is_a_number(text: Any, amount: float) -> None:
    assert apply_diff.quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "Gi", "much", None, {}])
def test_what_is_no_quantity_is_none(text: Any) -> None:
    assert apply_diff.quantity(text) is None
