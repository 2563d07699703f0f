"""Which version is tried beside prod, and when it goes."""

from dataclasses import replace
from typing import Any

import pytest

from driftlead_formats.summaries import CanaryAssessment
from driftlead_formats.verdicts import CanaryVerdict
from driftlead_operator.decisions.facts import Ref
from driftlead_operator.decisions.plan import plan
from unit.operator_world import World, writes

CANARY = Ref("Deployment", "demo-canary")


@pytest.fixture
def world() -> World:
    """Version 3 serves as prod."""
    world = World()
    world.register("3", stage="Production")
    world.settle()
    return world


def test_a_newer_version_becomes_the_canary_by_itself(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    assert world.serving("canary") == ["4"] and world.serving("prod") == ["3", "3"]
    assert world.condition("CanaryHealthy")["reason"] == "CanaryServing"


def test_a_canary_that_another_version_replaces_before_it_was_decided_is_told_once(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.register("5", stage="Staging")
    world.settle()
    told = [each for each in world.events if each.startswith("CanaryReplaced")]
    assert len(told) == 1 and "version 4 is replaced by version 5" in told[0]
    assert world.serving("canary") == ["5"]


def test_a_canary_that_is_promoted_or_judged_is_not_told_as_replaced(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.transition("4", "Production")
    world.register("5", stage="Staging")
    world.settle()
    assert world.serving("prod") == ["4", "4"] and world.serving("canary") == ["5"]
    assert not [each for each in world.events if each.startswith("CanaryReplaced")]


@pytest.mark.parametrize("number", ["1", "2"])
def test_an_older_version_is_ignored(world: World, number: str) -> None:
    world.register(number, stage="Staging")
    world.settle()
    assert CANARY not in world.children and "canary" not in world.status
    assert world.condition("CanaryHealthy")["reason"] == "NoCanary"


def test_a_pin_makes_even_an_older_version_the_canary(world: World) -> None:
    world.register("2", stage="Archived")
    world.patch(canary__version="2")
    world.settle()
    assert world.serving("canary") == ["2"]


def test_before_anything_serves_as_prod_the_canary_may(world: World) -> None:
    fresh = World()
    fresh.register("1", stage="Staging")
    fresh.settle()
    assert fresh.serving("canary") == ["1"] and fresh.ready() == ("False", "WaitingForModel")


def test_a_promoted_canary_goes_only_after_prod_serves_it_on_all_pods(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.transition("4", "Production")
    for _ in range(20):
        world.reconcile()
        if world.serving("prod") != ["4", "4"]:
            assert world.serving("canary") == ["4"]
        world.step()
    assert CANARY not in world.children
    assert any("CanaryEnded: canary version 4 ended: prod serves version 4" in each for each in world.events)


def test_a_promoted_canary_that_prod_cannot_serve_stays(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.versions["4"].exit_code = 3
    world.transition("4", "Production")
    world.settle()
    assert world.ready() == ("False", "VersionRejected")
    assert world.serving("canary") == ["4"] and world.serving("prod") == ["3", "3"]


def test_a_version_that_goes_to_production_at_once_is_not_tried_first(world: World) -> None:
    world.register("4", stage="Production")
    world.transition("4", "Staging")
    world.versions["3"].stage = "Production"
    world.register("5", stage="Production")
    world.versions["4"].stage = "Staging"
    world.reconcile()
    assert CANARY not in world.children


def test_a_canary_withdrawn_from_staging_ends(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.versions["4"].stage = "Archived"
    world.settle()
    assert CANARY not in world.children and world.serving("canary") == []
    assert any("it is wanted no longer" in each for each in world.events)


def test_a_registry_that_lost_its_models_takes_no_canary_away(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.model_exists = False
    world.settle()
    assert world.serving("canary") == ["4"]


def test_a_canary_that_cannot_be_served_is_given_up_and_prod_is_ready(world: World) -> None:
    world.register("4", stage="Staging", exit_code=3)
    world.settle()
    assert world.ready()[0] == "True"
    assert world.condition("CanaryHealthy")["reason"] == "VersionRejected"
    assert world.status["canary"]["lastFailure"]["message"] == "version 4 fell over"
    assert world.child(*CANARY)["spec"]["replicas"] == 0
    world.register("5", stage="Staging")
    world.settle()
    assert world.serving("canary") == ["5"]


def test_a_canary_without_progress_says_so_and_a_newer_version_still_passes(world: World) -> None:
    world.register("4", stage="Staging")
    world.reconcile()
    world._deployment(world.child(*CANARY))
    assert world.condition("CanaryHealthy")["status"] == "Unknown"
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    world.child(*CANARY)["status"]["conditions"] = [late]
    world.reconcile()
    found = world.condition("CanaryHealthy")
    assert (found["status"], found["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert found["message"] == "0 of 1 canary pods serve version 4, without progress for 10m"
    world.register("5", stage="Staging")
    world.settle()
    assert world.serving("canary") == ["5"]


def test_a_canary_goes_back_to_the_one_that_served_as_long_as_that_is_what_it_has(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.register("5", stage="Staging", exit_code=4)
    world.settle()
    assert world.serving("canary") == ["4"]
    assert world.status["canary"]["display"] == "4, not 5"


def test_without_its_block_the_canary_goes_with_its_service(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.patch(canary=None)
    world.settle()
    assert CANARY not in world.children and Ref("Service", "demo-canary") not in world.children
    assert not world.condition("CanaryHealthy")


def judged(world: World, *, verdict: str, canary: str = "4", **more: Any) -> dict[str, str]:
    said = {"prod": "3", "at": "2026-11-24T12:00:00+00:00", **more}
    answer = CanaryAssessment(verdict=CanaryVerdict(verdict), canary=canary, **said).dump()
    made = plan(replace(world.facts(), canary_verdict=CanaryAssessment.parse(answer)))
    world.carry_out(made)
    return world.condition("CanaryHealthy")


@pytest.fixture
def compared(world: World) -> World:
    """Version 4 serves as canary beside version 3."""
    world.register("4", stage="Staging")
    world.settle()
    return world


@pytest.mark.parametrize(
    ("verdict", "status", "reason"),
    [
        ("worse", "False", "CanaryWorse"),
        ("non-inferior", "True", "CanaryNotWorse"),
        ("undecided", "True", "CanaryServing"),
    ],
)
def test_what_the_judge_says_is_the_canarys_health(
    compared: World, verdict: str, status: str, reason: str
) -> None:
    found = judged(compared, verdict=verdict, message="errors: 3 % against 1 %")
    assert (found["status"], found["reason"]) == (status, reason)
    assert "errors: 3 % against 1 %; prod 0 requests, canary 0" in found["message"]


def test_the_comparison_is_in_status_with_its_requests(compared: World) -> None:
    words = "undecided in errors: about 992 more requests should tell"
    found = judged(
        compared,
        verdict="undecided",
        message=words,
        prod_requests=1100,
        canary_requests=1035,
        requests_needed=992,
        uri="s3://mlflow/compare.html",
    )
    assert compared.status["canary"]["comparison"] == {
        "version": "4",
        "prodVersion": "3",
        "verdict": "undecided",
        "message": words,
        "requests": {"prod": 1100, "canary": 1035, "needed": 992},
        "at": "2026-11-24T12:00:00+00:00",
        "reportURI": "s3://mlflow/compare.html",
    }
    assert found["message"] == (
        f"version 4 serves on 1 canary pod; compared with prod: {words}; prod 1,100 requests, canary 1,035"
    )


def test_status_is_written_for_a_tenth_more_of_requests_and_not_for_each_look(compared: World) -> None:
    judged(compared, verdict="undecided", message="m", prod_requests=1000, canary_requests=100)
    before = compared.status
    judged(compared, verdict="undecided", message="n", prod_requests=1099, canary_requests=109)
    assert compared.status == before
    judged(compared, verdict="undecided", message="n", prod_requests=1099, canary_requests=110)
    assert compared.status["canary"]["comparison"]["requests"] == {"prod": 1099, "canary": 110}


def test_a_verdict_outlives_the_judge_its_restart_and_what_it_cannot_see(compared: World) -> None:
    first = judged(compared, verdict="worse", message="errors: 3 % against 1 %", canary_requests=2000)
    assert not writes(compared.plan())  # another leader that has not asked the judge yet
    assert judged(compared, verdict="undecided", message="", canary_requests=3) == first
    away = judged(compared, verdict="undecided", canary="", at="", error="Postgres does not answer")
    assert (away["status"], away["reason"]) == ("False", "CanaryWorse")
    assert away["message"].endswith(
        "not looked again since 2026-11-24T12:00:00+00:00: Postgres does not answer"
    )
    assert judged(compared, verdict="non-inferior", message="")["reason"] == "CanaryNotWorse"


def test_a_verdict_beside_another_version_of_prod_is_replaced(compared: World) -> None:
    judged(compared, verdict="worse", message="bad")
    assert judged(compared, verdict="undecided", prod="2", message="m")["reason"] == "CanaryServing"


def test_a_judge_without_traffic_says_what_is_missing(compared: World) -> None:
    for minute in range(3):
        words = f"deployment canary logged nothing since 12:0{minute}:00 UTC; send it traffic"
        found = judged(compared, verdict="undecided", canary="", prod="", at="", error=words)
        # The first sentence stays: a time in it would have status written at each look.
        assert found["message"].endswith(
            "not compared yet: deployment canary logged nothing since 12:00:00 UTC; send it traffic"
        )


def test_a_verdict_about_another_canary_is_not_believed_nor_kept_for_the_next(compared: World) -> None:
    assert judged(compared, verdict="worse", canary="5", message="bad")["reason"] == "CanaryServing"
    judged(compared, verdict="worse", message="bad")
    compared.register("5", stage="Staging")
    compared.settle()
    assert compared.condition("CanaryHealthy")["reason"] == "CanaryServing"
    assert "comparison" not in compared.status["canary"]


def test_a_judge_runs_only_while_two_versions_serve_and_are_logged(world: World) -> None:
    judge = Ref("Deployment", "demo-judge")
    assert judge not in world.children
    world.register("4", stage="Staging")
    world.settle()
    template = world.child(*judge)["spec"]["template"]
    assert template["spec"]["containers"][0]["args"] == ["compare", "--follow", "--port", "8000"]
    assert template["metadata"]["labels"]["driftlead.dev/version"] == "4"
    world.patch(canary__judge={"enabled": False})
    world.settle()
    assert judge not in world.children
    world.patch(canary__judge=None)
    world.settle()
    assert judge in world.children
    world.patch(inference__predictionLog={"mode": "off"})
    world.settle()
    assert judge not in world.children


def test_suspended_a_canary_that_is_wanted_no_longer_is_told_of_once_and_no_more(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    world.patch(suspend=True)
    world.versions["4"].stage = "Archived"
    world.reconcile()
    assert not writes(world.plan()) and world.serving("canary") == ["4"]
