"""Reading the custom resource: sentences for what is wrong, and no fall over anything."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftlead_operator.decisions import cron, spec
from driftlead_operator.decisions.facts import Ref
from driftlead_operator.decisions.plan import plan
from driftlead_operator.decisions.render import manifests
from unit.operator_world import World, resource

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["model", "registry", "prod", "canary", "inference", "drift", "retraining", "rollout", "connections"]


def faults(**changes: Any) -> str:
    return "; ".join(spec.parse(resource(**changes))[1])


def test_the_minimal_resource_gets_the_documented_defaults() -> None:
    parsed, wrong = spec.parse({"spec": {"model": "M", "prod": {"stage": "Production"}}})
    assert parsed is not None and not wrong
    assert (parsed.registry, parsed.prod.replicas, parsed.canary, parsed.drift) == ("default", 1, None, None)
    assert parsed.connections.secret_name == parsed.connections.config_map_name == "driftlead-connections"
    assert (parsed.log_as("prod"), parsed.log_as("canary")) == ("prod", "canary")


def test_an_unknown_field_of_a_newer_version_is_left_alone() -> None:
    assert faults(shadow={"weight": 3}) == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": None}, "spec.model: input should be a valid string, seen: 'None'"),
        (
            {"retraining": {"function": "m:f", "cooldown": "999999999w"}},
            "spec.retraining.cooldown: 999999999w is longer than ten years; write for example 12h",
        ),
        ({"prod": {"replicas": "two"}}, "spec.prod.replicas: input should be a valid integer"),
        ({"prod": {"version": "abc"}}, "spec.prod.version: string should match pattern"),
        ({"prod": {"stage": "A", "alias": "b"}}, "spec.prod names both stage A and alias b; leave one out"),
        ({"canary": {}}, "spec.canary says nothing to serve; give it a stage, an alias or a version"),
        (
            {"drift": {"schedule": "61 * * * *"}},
            "'61 * * * *' is not a cron schedule: '61' is not a minute from 0 to 59",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_wrong_is_said_with_what_was_seen(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in faults(**changes)


@pytest.mark.parametrize(
    "schedule", ["*/15 * * * *", "@hourly", "0 3 * * MON-FRI", "0,30 8-18/2 1 jan,JUL ?", "5 4 * * 0"]
)
def test_a_schedule_of_kubernetes_is_one(schedule: str) -> None:
    assert cron.fault(schedule) == ""


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("* * * *", "it has 4 fields"),
        ("@reboot", "it may be one of @annually"),
        ("* 5-3 * * *", "'5-3' is not a hour"),
        ("*/0 * * * *", "the step of '*/0' must not be 0"),
        ("* * * * 7", "'7' is not a weekday from 0 to 6"),
        ("* * * foo *", "'foo' is not a month"),
        ("*-5 * * * *", "'*-5' is not a minute"),
        ("1;2 * * * *", "'1;2' is not a minute"),
    ],
)
def test_a_schedule_that_is_none_is_named_by_its_fault(schedule: str, words: str) -> None:
    assert words in cron.fault(schedule)


@settings(deadline=None, max_examples=50)
@given(content=JSON)
def test_no_resource_whatever_is_in_it_makes_the_names_fall_over(content: Any) -> None:
    for thing in (
        {"spec": content},
        {"metadata": content},
        {"spec": {"model": content, "registry": content}},
    ):
        assert isinstance(spec.registry_name(thing), str)
        assert isinstance(spec.model_name(thing), (str, type(None)))
        assert all(isinstance(each, Ref) for each in manifests.child_refs(thing))


@settings(deadline=None, max_examples=50)
@given(field=st.sampled_from(FIELDS), content=JSON)
def test_no_resource_whatever_is_in_it_makes_a_plan_fall_over(field: str, content: Any) -> None:
    world = World(**{field: content})
    world.register("1", stage="Production")
    made = world.plan()
    assert made.status is not None
    world.carry_out(made)
    assert world.condition("Ready")["status"] in ("True", "False")


@settings(deadline=None, max_examples=50)
@given(content=JSON)
def test_no_status_whatever_is_in_it_makes_a_plan_fall_over(content: Any) -> None:
    world = World(drift={"schedule": "@daily"}, retraining={"function": "a:b"})
    world.register("1", stage="Production")
    for field in ("prod", "canary", "drift", "retraining", "handled", "history", "conditions", "promotion"):
        world.resource["status"] = {field: content}
        assert world.plan().status is not None
    world.resource["status"] = content
    assert world.plan().status is not None


def test_an_unreadable_spec_keeps_what_serves_and_says_so() -> None:
    world = World()
    world.register("1", stage="Production")
    world.settle()
    world.patch(prod__replicas="two")
    made = world.plan()
    assert (made.apply, made.delete) == ((), ())
    world.carry_out(made)
    assert world.ready() == ("False", "InvalidSpec")
    assert world.condition("Stalled")["status"] == "True"
    assert world.condition("Available")["status"] == "True"
    assert world.status["prod"]["version"] == "1"
    assert plan(world.facts()).status is None


def test_a_schedule_that_is_none_leaves_the_check_alone_and_serves_on() -> None:
    world = World(drift={"schedule": "@hourly"})
    world.register("1", stage="Production")
    world.settle()
    world.patch(drift__schedule="0 5-3 * * *")
    world.transition("1", "Production")
    world.register("2", stage="Production")
    world.settle()
    assert world.ready() == ("False", "InvalidSpec")
    assert world.serving("prod") == ["2", "2"]
    assert world.child("CronJob", "demo-drift")["spec"]["schedule"] == "@hourly"
