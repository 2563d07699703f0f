"""A version that a person gives up while it is on its way, or while it is the canary."""

import pytest

from driftlead_operator.decisions import names
from driftlead_operator.decisions.facts import Ref
from unit.operator_world import World, writes

CANARY = Ref("Deployment", "demo-canary")


@pytest.fixture
def world() -> World:
    """Version 3 serves as prod, version 4 as canary."""
    world = World()
    world.register("3", stage="Production")
    world.register("4", stage="Staging")
    world.settle()
    return world


def half_rolled(world: World) -> None:
    """Version 5 goes to Production, and its first pod answers."""
    world.register("5", stage="Production")
    for _ in range(20):
        if world.serving("prod") == ["3", "3", "5"]:
            return
        world.reconcile()
        world.step()
    raise AssertionError(world.serving("prod"))


def test_a_version_that_is_half_rolled_goes_back_without_a_restart_of_the_last_good_pods(
    world: World,
) -> None:
    good = set(world.pods)
    half_rolled(world)
    world.annotate(abort="5")
    world.settle()
    assert world.serving("prod") == ["3", "3"] and {name for name in good if "prod" in name} <= set(
        world.pods
    )
    assert world.ready() == ("False", "Aborted")
    assert (world.condition("Available")["status"], world.condition("Stalled")["status"]) == ("True", "True")
    assert world.condition("Ready")["message"] == (
        "version 5 was given up: annotation driftlead.dev/abort asks for it; version 3 serves; it is tried "
        "again when the target changes, or at annotation driftlead.dev/requestedAt"
    )
    assert world.status["handled"]["abort"] == "5" and world.status["rollout"]["phase"] == "Aborted"
    assert world.status["prod"]["loadState"] == "Absent"
    entry = world.status["history"][0]
    assert (entry["from"], entry["to"], entry["by"]) == ("3", "3", "operator")
    assert entry["evidence"].startswith("version 5 was given up: ")
    assert world.status["prod"]["display"] == "3, not 5"
    assert sum(each.startswith("Aborted") for each in world.events) == 1
    assert world.writes == []


def test_a_version_that_has_no_pod_yet_gets_none(world: World) -> None:
    world.register("5", stage="Production")
    world.annotate(abort="5")
    made = world.reconcile()
    assert not any(
        each["metadata"]["name"] == "demo-prod" for each in made.apply if each["kind"] == "Deployment"
    )
    world.settle()
    assert world.serving("prod") == ["3", "3"] and world.ready() == ("False", "Aborted")


def test_an_aborted_canary_loses_its_pods_and_its_judge_and_nothing_is_wrong_with_that(world: World) -> None:
    world.annotate(abort="4")
    world.settle()
    assert world.serving("canary") == [] and world.child(*CANARY)["spec"]["replicas"] == 0
    assert Ref("Deployment", "demo-judge") not in world.children
    found = world.condition("CanaryHealthy")
    assert (found["status"], found["reason"]) == ("True", "Aborted")
    assert world.ready()[0] == "True" and world.serving("prod") == ["3", "3"]
    assert world.status["canary"]["lastFailure"]["reason"] == "Aborted"


def test_a_promoted_canary_is_given_up_in_both_stages(world: World) -> None:
    world.transition("4", "Production")
    world.reconcile()
    world.step()
    world.annotate(abort="4")
    world.settle()
    assert (world.serving("prod"), world.serving("canary")) == (["3", "3"], [])
    assert not writes(world.plan())


@pytest.mark.parametrize("change", ["annotation", "newer", "away and back"])
def test_a_newer_version_or_a_person_supersedes_it(world: World, change: str) -> None:
    half_rolled(world)
    world.annotate(abort="5")
    world.settle()
    if change == "annotation":
        world.annotate(requestedAt="again")
    elif change == "newer":
        world.register("6", stage="Production")
    else:
        world.transition("3", "Production")
        world.settle()
        world.transition("5", "Production")
    world.settle()
    assert world.serving("prod") == ["6" if change == "newer" else "5"] * 2
    assert world.ready()[0] == "True" and "rejected" not in world.status["prod"]


def test_whoever_scales_prod_does_not_ask_for_the_version_again(world: World) -> None:
    half_rolled(world)
    world.annotate(abort="5")
    world.settle()
    world.patch(prod__replicas=3)
    world.settle()
    assert world.serving("prod") == ["3", "3", "3"] and world.ready() == ("False", "Aborted")


def test_the_same_version_can_be_given_up_twice(world: World) -> None:
    half_rolled(world)
    world.annotate(abort="5")
    world.settle()
    del world.resource["metadata"]["annotations"][names.ABORT]
    world.annotate(requestedAt="again")
    world.reconcile()
    world.step()
    assert "abort" not in world.status["handled"]
    world.annotate(abort="5")
    world.settle()
    assert world.serving("prod") == ["3", "3"] and world.ready() == ("False", "Aborted")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("3", "asks to give up version '3', which prod serves"),
        ("2", "asks to give up version '2', which is not on its way to prod and is not the canary"),
        ("latest", "asks to give up version 'latest', which is not on its way"),
    ],
)
def test_a_stale_version_does_nothing_and_the_event_says_why(world: World, asked: str, words: str) -> None:
    world.annotate(abort=asked)
    world.settle()
    assert world.serving("prod") == ["3", "3"] and world.serving("canary") == ["4"]
    assert world.status["handled"]["abort"] == asked and world.ready()[0] == "True"
    assert sum("AbortStale" in each and words in each for each in world.events) == 1


def test_the_last_pods_of_prod_are_never_given_up() -> None:
    world = World()
    world.register("1", stage="Production")
    world.reconcile()
    world._deployment(world.child("Deployment", "demo-prod"))
    slow, _ = world.pods.values()
    slow["status"] = {"phase": "Pending", "containerStatuses": [{"name": "server"}]}
    world.step()
    world.annotate(abort="1")
    world.settle()
    assert world.serving("prod") == ["1"] and world.child("Deployment", "demo-prod")["spec"]["replicas"] == 2
    assert any("has nothing else to serve" in each for each in world.events)


def test_a_first_version_that_answers_nowhere_can_be_given_up() -> None:
    world = World()
    world.register("1", stage="Production")
    world.reconcile()
    world.annotate(abort="1")
    world.settle()
    assert world.serving("prod") == [] and world.ready() == ("False", "Aborted")
    world.register("2", stage="Production")
    world.settle()
    assert world.serving("prod") == ["2", "2"]


def test_a_pin_that_is_given_up_writes_nothing_to_the_registry(world: World) -> None:
    world.patch(prod__version="4")
    world.reconcile()
    world.step()
    world.annotate(abort="4")
    world.settle()
    assert world.serving("prod") == ["3", "3"] and world.writes == []


def test_a_promotion_that_the_registry_was_not_told_of_yet_is_given_up_with_its_version(world: World) -> None:
    world.unreachable_since = world.now
    world.annotate(promote="4")
    world.settle()
    assert world.status["promotion"]["outcome"] == "Pending"
    world.annotate(abort="4")
    world.settle()
    assert world.status["promotion"]["outcome"] == "Aborted"
    world.unreachable_since = None
    world.settle()
    assert world.writes == [] and world.serving("prod") == ["3", "3"]


def test_suspended_nothing_is_given_up_and_afterwards_it_is(world: World) -> None:
    half_rolled(world)
    world.patch(suspend=True)
    world.annotate(abort="5")
    world.reconcile()
    assert "abort" not in world.status.get("handled", {})
    world.patch(suspend=None)
    world.settle()
    assert world.serving("prod") == ["3", "3"]


def test_with_status_wiped_a_version_that_was_given_up_does_not_come_back(world: World) -> None:
    half_rolled(world)
    world.annotate(abort="5")
    world.settle()
    world.resource.pop("status")
    world.settle()
    assert world.serving("prod") == ["3", "3"] and world.ready() == ("False", "Aborted")
