"""What status says for people and tools: conditions, history, the health of the log."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from driftlead_formats.summaries import ServerFailure
from driftlead_formats.termination import fitted
from driftlead_operator.decisions import containers
from driftlead_operator.decisions.facts import Undelivered
from driftlead_operator.decisions.loop import undelivered
from driftlead_operator.decisions.plan import plan
from unit.operator_world import World, writes


@pytest.fixture
def world() -> World:
    """Version 1 serves as prod."""
    world = World()
    world.register("1", stage="Production")
    world.settle()
    return world


def test_in_steady_state_nothing_is_written_however_long_it_lasts(world: World) -> None:
    for _ in range(5):
        world.now += timedelta(hours=7)
        assert not writes(world.plan())


def test_status_and_each_condition_name_the_generation_that_they_are_about(world: World) -> None:
    world.patch(prod__replicas=3)
    world.reconcile()
    assert world.status["observedGeneration"] == 2
    assert {each["observedGeneration"] for each in world.status["conditions"]} == {2}


def test_the_time_of_a_condition_moves_only_with_its_status(world: World) -> None:
    since = world.condition("Ready")["lastTransitionTime"]
    world.now += timedelta(hours=1)
    world.register("2", stage="Staging")
    world.settle()
    assert world.condition("Ready")["lastTransitionTime"] == since
    world.kill("prod")
    world.reconcile()
    assert world.condition("Ready")["status"] == "False"
    assert world.condition("Ready")["lastTransitionTime"] > since


def test_a_pod_that_is_missing_makes_it_unready_and_not_unavailable(world: World) -> None:
    world.kill("prod")
    world.step()
    world.reconcile()
    assert world.condition("Available")["status"] == "True"
    assert world.status["prod"]["version"] == "1"


def test_the_condition_that_the_api_server_gives_at_first_is_replaced() -> None:
    world = World()
    pending = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "Pending",
        "message": "",
        "lastTransitionTime": "1970",
    }
    world.resource["status"] = {"conditions": [pending]}
    world.settle()
    assert world.ready() == ("False", "WaitingForModel")


def test_pods_that_fell_silent_and_answer_again_are_no_news(world: World) -> None:
    before = world.status["history"]
    for answers in ("False", "True"):
        for pod in world.pods.values():
            pod["status"]["conditions"] = [{"type": "Ready", "status": answers}]
        world.events.clear()
        world.settle()
    assert world.ready()[0] == "True"
    assert world.status["history"] == before
    assert "RolledOut" not in world.events


def test_history_is_newest_first_and_bounded(world: World) -> None:
    for number in range(2, 30):
        world.register(str(number), stage="Production")
        world.settle()
    history = world.status["history"]
    assert len(history) == 20
    assert (history[0]["from"], history[0]["to"], history[0]["by"]) == ("28", "29", "registry")
    assert history[0]["evidence"] == "stage Production; 2 of 2 pods answered a prediction"


def test_what_a_loader_says_is_one_line_without_control_characters() -> None:
    words = "first\r\n\x1b[31msecond\x00 \u202ethird\u2028"
    shown = "first \ufffd[31msecond\ufffd \ufffdthird"
    for message in (words, fitted(ServerFailure(reason="LoadFailed", message=words).dump())):
        ended = containers.read({"state": {"terminated": {"exitCode": 10, "message": message}}}, "state")
        assert ended is not None and ended.message == shown


def test_messages_are_bounded_however_long_the_loader_talks(world: World) -> None:
    world.register("2", stage="Production", exit_code=3)
    for _ in range(3):
        world.reconcile()
        world.step()
        for pod in world.pods.values():
            for each in pod["status"].get("containerStatuses", []):
                each["lastState"]["terminated"]["message"] = json.dumps({"message": "no " * 5000})
    world.settle()
    assert len(json.dumps(world.status)) < 20_000


def test_the_selector_and_replicas_are_there_for_the_scale_subresource(world: World) -> None:
    prod = world.status["prod"]
    assert prod["selector"] == "driftlead.dev/name=demo,driftlead.dev/stage=prod"
    assert (prod["replicas"], prod["readyReplicas"], world.status["url"]) == (2, 2, "http://demo.shop.svc")


def health(world: World, **log: Any) -> dict[str, str]:
    answers = {name: {"log": {"mode": "async", "lag_seconds": 0, "dropped": 0, **log}} for name in world.pods}
    made = plan(replace(world.facts(), health=answers))
    if made.status is not None:
        world.carry_out(made)
    return world.condition("PredictionLogHealthy")


def test_a_log_that_delivers_is_healthy(world: World) -> None:
    assert health(world)["reason"] == "Delivering"


def test_another_leader_that_has_asked_no_pod_yet_writes_nothing(world: World) -> None:
    first = health(world)
    assert not writes(world.plan()) and world.condition("PredictionLogHealthy") == first
    world.patch(prod__replicas=0)
    world.settle()
    assert world.condition("PredictionLogHealthy")["reason"] == "Unknown"


def test_a_log_that_lags_is_not_and_status_stands_still_while_the_lag_grows(world: World) -> None:
    first = health(world, lag_seconds=400)
    assert (first["status"], first["reason"]) == ("False", "Lagging")
    assert health(world, lag_seconds=800) == first


def test_rows_that_were_dropped_are_said_by_their_order_of_magnitude(world: World) -> None:
    first = health(world, dropped=1234)
    assert "dropped 1,000 rows or more" in first["message"]
    assert health(world, dropped=5678) == first
    assert health(world, dropped=12345) != first


def test_a_log_that_is_off_is_said_to_be(world: World) -> None:
    world.patch(inference__predictionLog={"mode": "off"})
    world.settle()
    assert world.condition("PredictionLogHealthy")["reason"] == "LogOff"


def test_answers_of_pods_that_are_no_mappings_fell_nothing(world: World) -> None:
    made = plan(replace(world.facts(), health={name: {"log": None} for name in world.pods}))
    assert made.status is None


def lose(world: World, pod: str, rows: int) -> list[str]:
    """A pod vanishes; the reasons of what is told then."""
    seen = [Undelivered(pod=pod, rows=rows, at=world.now)]
    made = plan(replace(world.facts(), undelivered=seen))
    world.carry_out(made)
    assert not writes(plan(replace(world.facts(), undelivered=seen)))
    return [event.reason for event in made.events]


def test_rows_that_may_have_gone_with_a_pod_are_told_once_and_shown_for_a_day(world: World) -> None:
    assert lose(world, "demo-prod-x", 12) == ["RowsUndelivered"]
    found = world.condition("PredictionLogHealthy")
    assert (found["status"], found["reason"]) == ("False", "RowsUndelivered")
    assert "up to 12 undelivered rows of pod demo-prod-x" in found["message"]
    retry = world.plan().retry_after
    assert retry is not None and retry == pytest.approx(86400)
    world.now += timedelta(days=1, seconds=1)
    world.reconcile()
    assert "undelivered" not in world.status
    assert world.condition("PredictionLogHealthy")["reason"] != "RowsUndelivered"


def test_losses_are_bounded_and_newest_first(world: World) -> None:
    for number in range(15):
        world.now += timedelta(minutes=1)
        lose(world, f"pod-{number}", 1)
    shown = [each["pod"] for each in world.status["undelivered"]]
    assert shown == [f"pod-{number}" for number in range(14, 4, -1)]


def test_what_a_pod_may_have_taken_is_what_it_called_pending_unless_it_drained() -> None:
    at = World().now
    assert undelivered.of_answer("x", {"log": {"pending": 3}}, at) == Undelivered(pod="x", rows=3, at=at)
    assert undelivered.of_answer("x", {"log": {"pending": 0}}, at) is None
    assert undelivered.of_answer("x", {"log": None}, at) is None
    server = {"name": "server", "state": {"terminated": {"exitCode": 0}}}
    assert undelivered.drained({"status": {"containerStatuses": [server]}})
    server["state"] = {"terminated": {"exitCode": 137}}
    assert not undelivered.drained({"status": {"containerStatuses": [server]}})
    assert not undelivered.drained({"status": {}})
