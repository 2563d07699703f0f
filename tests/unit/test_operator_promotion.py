"""What the registry is told, at whose request, and above all when it is not."""

from datetime import timedelta

import pytest

from driftlead_operator.decisions.facts import RegistryWrite
from unit.operator_world import World, writes


@pytest.fixture
def world() -> World:
    """Version 1 serves as prod, version 2 as canary."""
    world = World()
    world.register("1", stage="Production")
    world.register("2", stage="Staging")
    world.settle()
    return world


def test_a_pin_that_changes_rolls_prod_and_tells_the_registry_once(world: World) -> None:
    world.patch(prod__version="2")
    world.settle()
    assert world.writes == [RegistryWrite(model="Flights", version="2", stage="Production")]
    assert world.serving("prod") == ["2", "2"]
    assert world.status["prod"]["pin"] == {"version": "2", "generation": 2, "written": True}
    assert world.status["promotion"]["outcome"] == "Written"
    assert world.status["history"][0] | {"at": "", "evidence": ""} == {
        "at": "",
        "stage": "prod",
        "from": "1",
        "to": "2",
        "by": "spec",
        "evidence": "",
    }
    told = [each.partition(":")[0] for each in world.events if each.startswith("Promot")]
    assert told == ["PromotionPending", "Promoted"]


def until_it_tells(world: World) -> None:
    """Turns until the next plan writes the registry."""
    for _ in range(20):
        if world.plan().registry_writes:
            return
        world.reconcile()
        world.step()
    raise AssertionError("the registry is not told")


def test_the_intent_is_saved_at_once_and_the_registry_told_when_the_pin_serves_on_all_pods(
    world: World,
) -> None:
    world.patch(prod__version="2")
    made = world.plan()
    assert made.registry_writes == () and made.status is not None
    intent = {"version": "2", "from": "1", "by": "pin", "outcome": "Pending", "at": "2026-11-24T12:00:04Z"}
    assert made.status["promotion"] == {**intent, "at": made.status["promotion"]["at"]}
    assert made.retry_after is None  # pods decide when, and no clock
    until_it_tells(world)
    assert world.serving("prod") == ["2", "2"] and world.versions["1"].stage == "Production"
    made = world.plan()
    assert made.status is not None and made.status["promotion"]["toldAt"] >= made.status["promotion"]["at"]


def test_a_pin_to_a_version_that_does_not_load_writes_nothing_until_it_does(world: World) -> None:
    world.versions["2"].exit_code = 3
    world.patch(prod__version="2")
    world.settle()
    assert world.ready() == ("False", "VersionRejected") and world.serving("prod") == ["1", "1"]
    assert world.writes == [] and world.versions["1"].stage == "Production"
    assert world.status["promotion"]["outcome"] == "Pending"
    world.versions["2"].exit_code = 0
    world.annotate(requestedAt="again")
    world.settle()
    assert world.writes == [RegistryWrite(model="Flights", version="2", stage="Production")]


def test_a_pin_that_is_taken_away_before_it_served_is_not_told(world: World) -> None:
    world.patch(prod__version="2")
    world.reconcile()
    world.patch(prod__version=None)
    world.settle()
    assert world.writes == [] and world.serving("prod") == ["1", "1"]
    assert world.status["promotion"]["outcome"] == "Superseded"
    assert any("pins prod to version 2 no longer" in each for each in world.events)


def test_rolling_back_by_pin_is_a_promotion_of_the_old_version(world: World) -> None:
    world.patch(prod__version="2")
    world.settle()
    world.patch(prod__version="1")
    world.settle()
    assert world.serving("prod") == ["1", "1"]
    assert world.versions["1"].stage == "Production" and world.versions["2"].stage == "Archived"


def test_an_alias_is_moved_where_prod_follows_an_alias() -> None:
    world = World(prod={"alias": "champion", "replicas": 1})
    world.register("1")
    world.register("2")
    world.alias("1", "champion")
    world.settle()
    world.patch(prod__version="2")
    world.settle()
    assert world.writes == [RegistryWrite(model="Flights", version="2", alias="champion")]


def test_a_manifest_with_a_pin_applied_to_a_second_cluster_writes_nothing() -> None:
    world = World(prod={"stage": "Production", "version": "1", "replicas": 1})
    world.register("1", stage="Archived")
    world.register("2", stage="Production")
    world.settle()
    assert world.serving("prod") == ["1"] and world.writes == []
    assert world.status["prod"]["pin"]["written"] is False
    assert "spec pins it while stage Production is 2" in world.condition("Ready")["message"]


def test_a_later_move_by_a_person_is_never_overruled_and_status_says_that_they_differ(world: World) -> None:
    world.patch(prod__version="2")
    world.settle()
    world.register("3", stage="Production")
    world.settle()
    assert len(world.writes) == 1 and world.versions["3"].stage == "Production"
    assert world.serving("prod") == ["2", "2"]
    assert "spec pins it while stage Production is 3" in world.condition("Ready")["message"]


def test_status_wiped_writes_nothing(world: World) -> None:
    world.patch(prod__version="2")
    world.settle()
    world.transition("1", "Production")
    world.resource.pop("status")
    world.settle()
    assert len(world.writes) == 1
    assert world.serving("prod") == ["2", "2"]


def test_a_version_alone_writes_nothing() -> None:
    world = World(prod={"version": "1", "replicas": 1})
    world.register("1")
    world.register("2")
    world.settle()
    world.patch(prod__version="2")
    world.settle()
    assert world.writes == [] and world.serving("prod") == ["2"]


def test_a_pin_to_what_the_registry_says_already_writes_nothing(world: World) -> None:
    world.patch(prod__version="1")
    world.settle()
    assert world.writes == [] and world.status["prod"]["pin"]["written"] is True


def test_a_registry_that_must_not_be_written_is_not_and_the_pin_holds_all_the_same(world: World) -> None:
    world.allow_write = False
    world.patch(prod__version="2")
    world.settle()
    assert world.writes == [] and world.serving("prod") == ["2", "2"]
    assert world.status["promotion"]["outcome"] == "Forbidden"
    assert any(each.startswith("PromotionForbidden") for each in world.events)
    assert "PromotionForbidden" in world.condition("Ready")["message"]


def test_what_the_registry_refuses_is_said_in_its_words_and_does_not_forbid_the_next_try(
    world: World,
) -> None:
    world.lost_writes = True
    world.patch(prod__version="2")
    until_it_tells(world)
    world.reconcile()
    world.write_refused = "403 PERMISSION_DENIED"
    world.settle()
    assert world.status["promotion"]["outcome"] == "Forbidden" and world.serving("prod") == ["2", "2"]
    assert any("refused the promotion of version 2: 403 PERMISSION_DENIED" in each for each in world.events)
    world.lost_writes = False
    world.register("3")
    world.patch(prod__version="3")
    until_it_tells(world)
    world.reconcile()
    world.write_refused = ""
    world.settle()
    assert [each.version for each in world.writes] == ["2", "3"]
    assert world.status["promotion"]["outcome"] == "Written"


def test_an_annotation_that_is_taken_away_and_set_again_is_another_wish(world: World) -> None:
    world.annotate(promote="2")
    world.settle()
    world.transition("1", "Production")
    world.settle()
    world.annotate(promote="2")
    world.settle()
    assert len(world.writes) == 1
    del world.resource["metadata"]["annotations"]["driftlead.dev/promote"]
    world.settle()
    assert "promote" not in world.status.get("handled", {})
    world.annotate(promote="2")
    world.settle()
    assert len(world.writes) == 2 and world.serving("prod") == ["2", "2"]


def test_a_write_that_got_lost_is_repeated_once_the_registry_was_asked_again(world: World) -> None:
    world.lost_writes = True
    world.patch(prod__version="2")
    until_it_tells(world)
    world.reconcile()
    assert len(world.writes) == 1
    assert not world.plan().registry_writes  # the registry has not been asked since
    assert world.plan().retry_after == 10.0
    world.now += timedelta(seconds=15)
    world.lost_writes = False
    world.settle()
    assert len(world.writes) == 2 and world.status["promotion"]["outcome"] == "Written"


def test_a_move_between_intent_and_write_wins(world: World) -> None:
    world.lost_writes = True
    world.patch(prod__version="2")
    until_it_tells(world)
    world.reconcile()
    world.register("3", stage="Production")
    world.lost_writes = False
    world.now += timedelta(seconds=15)
    world.settle()
    assert len(world.writes) == 1 and world.versions["3"].stage == "Production"
    assert world.status["promotion"]["outcome"] == "Superseded"


def test_while_the_registry_is_unreachable_nothing_is_told_and_afterwards_it_is(world: World) -> None:
    world.unreachable_since = world.now
    world.patch(prod__version="2")
    world.settle()
    assert world.writes == [] and world.serving("prod") == ["2", "2"]
    world.unreachable_since = None
    world.now += timedelta(seconds=15)
    world.settle()
    assert len(world.writes) == 1


def test_a_pin_taken_away_before_it_was_told_is_not_told(world: World) -> None:
    world.unreachable_since = world.now
    world.patch(prod__version="2")
    world.reconcile()
    world.patch(prod__version=None)
    world.unreachable_since = None
    world.now += timedelta(seconds=15)
    world.settle()
    assert world.writes == [] and world.serving("prod") == ["1", "1"]


def test_suspended_a_pin_waits_until_it_is_resumed(world: World) -> None:
    world.patch(suspend=True)
    world.patch(prod__version="2")
    world.settle()
    assert world.writes == []
    world.patch(suspend=None)
    world.settle()
    assert len(world.writes) == 1 and world.serving("prod") == ["2", "2"]


def test_an_annotation_promotes_once_and_is_echoed(world: World) -> None:
    world.annotate(promote="2")
    world.settle()
    assert world.writes == [RegistryWrite(model="Flights", version="2", stage="Production")]
    assert world.serving("prod") == ["2", "2"] and world.status["handled"]["promote"] == "2"
    assert world.status["history"][0]["by"] == "operator"
    world.transition("1", "Production")
    world.settle()
    assert len(world.writes) == 1 and world.serving("prod") == ["1", "1"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("9", "asks for version '9', which Flights does not have"),
        ("latest", "asks for version 'latest', which Flights does not have"),
        ("1", "asks for version 1, which is stage Production already"),
    ],
)
def test_a_stale_annotation_does_nothing_and_says_why(world: World, asked: str, words: str) -> None:
    world.annotate(promote=asked)
    world.settle()
    assert world.writes == [] and world.status["handled"]["promote"] == asked
    assert sum("PromotionStale" in each and words in each for each in world.events) == 1
    assert not writes(world.plan())


def test_an_annotation_without_anything_to_move_in_the_registry_says_so() -> None:
    world = World(prod={"version": "1", "replicas": 1})
    world.register("1")
    world.register("2")
    world.settle()
    world.annotate(promote="2")
    world.settle()
    assert world.writes == []
    assert any("change spec.prod.version instead" in each for each in world.events)


def test_an_annotation_that_came_with_the_manifest_promotes_nothing() -> None:
    world = World()
    world.register("1", stage="Production")
    world.register("2", stage="Staging")
    world.annotate(promote="2")
    world.settle()
    assert world.writes == [] and world.serving("prod") == ["1", "1"]
    assert world.status["handled"]["promote"] == "2"
    assert world.status["promotion"]["outcome"] == "Stale"
    assert [each for each in world.events if "before the operator saw this resource" in each]
    world.annotate(promote="")
    world.settle()
    world.annotate(promote="2")
    world.settle()
    assert world.serving("prod") == ["2", "2"]


def test_an_annotation_that_came_with_the_manifest_and_is_so_already_is_not_told() -> None:
    world = World()
    world.register("1", stage="Production")
    world.annotate(promote="1")
    world.settle()
    assert "promotion" not in world.status
    assert not [each for each in world.events if each.startswith("Promotion")]


def test_several_versions_in_one_stage_are_said_with_the_cure(world: World) -> None:
    world.transition("2", "Production", archive=False)
    world.settle()
    assert world.serving("prod") == ["2", "2"]
    assert world.status["prod"]["ambiguous"] == ["1", "2"]
    assert "archive_existing_versions: true" in world.condition("Ready")["message"]
    assert sum(each.startswith("AmbiguousStage") for each in world.events) == 1
