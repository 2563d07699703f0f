"""Jobs and the judge whose pods cannot run: what is said, that it is said once, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest

from driftlead_formats.summaries import RetrainingSummary
from driftlead_formats.termination import fitted
from driftlead_formats.verdicts import RetrainingResult
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Ref
from driftlead_operator.decisions.loop import jobs
from driftlead_operator.decisions.memory.values import time
from unit.operator_world import NOW, World

QUOTA = "exceeded quota: small, requested: cpu=250m, used: cpu=1, limited: cpu=1"
NO_CPU = "0/3 nodes are available: 3 Insufficient cpu."


def pending(**container: Any) -> dict[str, Any]:
    """The status of a pod whose container waits."""
    statuses = [{"name": name, "state": container} for name in ("drift", "retrain", "judge")]
    return {"phase": "Pending", "containerStatuses": statuses}


UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_CPU}],
}
NO_SECRET = pending(waiting={"reason": "CreateContainerConfigError", "message": 'secret "s3" not found'})
NO_IMAGE = pending(waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling image"})
HELD = [
    (UNSCHEDULABLE, "Unschedulable", NO_CPU),
    (NO_SECRET, "ContainerConfigError", 'secret "s3" not found'),
    (NO_IMAGE, "ImageUnavailable", "cannot be pulled"),
]


@pytest.fixture
def world() -> World:
    """Version 3 serves as prod, with a check every hour and retraining on drift."""
    retraining = {"function": "train:train", "cooldown": "1h", "maxAttemptsPerDay": 3}
    world = World(drift={"schedule": "@hourly"}, retraining=retraining)
    world.register("3", stage="Production")
    world.settle()
    world.now += timedelta(minutes=30)
    return world


def said(world: World, type_: str) -> tuple[str, str]:
    found = world.condition(type_)
    return found["status"], found["reason"]


def told(world: World, reason: str) -> int:
    return sum(each.startswith(f"{reason}: ") for each in world.events)


def pass_time(world: World, minutes: int) -> None:
    """Minutes, with what a reconcile that time alone causes sees in them."""
    for _ in range(minutes):
        world.now += timedelta(minutes=1)
        world.settle()


def drift(world: World, report: str) -> None:
    """A check that finds drift, while nothing holds checks up."""
    held, world.held = world.held, None
    refused, world.job_pods_refused = world.job_pods_refused, ""
    world.drift_run("drift", report=report, version="3")
    world.held, world.job_pods_refused = held, refused
    world.settle()


@pytest.mark.parametrize(("status", "reason", "words"), HELD)
def test_a_check_whose_pod_cannot_run_says_so_until_it_runs(
    world: World, status: dict[str, Any], reason: str, words: str
) -> None:
    world.held = status
    world.start_check("a")
    world.settle()
    assert said(world, "DriftCheckFailed") == ("True", reason)
    assert "Job demo-drift-a: " in world.condition("DriftCheckFailed")["message"]
    assert words in world.condition("DriftCheckFailed")["message"]
    pass_time(world, 5)
    assert told(world, reason) == 1
    assert world.ready() == ("True", "Serving")
    world.held = None
    world.settle()
    assert said(world, "DriftCheckFailed") == ("False", "NotCheckedYet")


@pytest.mark.parametrize(("status", "reason", "words"), HELD)
def test_a_retraining_whose_pod_cannot_run_says_so_until_it_runs(
    world: World, status: dict[str, Any], reason: str, words: str
) -> None:
    world.held = status
    drift(world, "r1")
    assert said(world, "RetrainingFailed") == ("True", reason)
    assert words in world.condition("RetrainingFailed")["message"]
    assert world.status["retraining"]["lastResult"] == "Pending"
    pass_time(world, 5)
    assert told(world, reason) == 1
    world.held = None
    world.settle()
    assert said(world, "RetrainingFailed") == ("False", "Retraining")
    assert world.status["retraining"]["lastResult"] == "Running"


@pytest.mark.parametrize(("status", "reason", "words"), HELD)
def test_a_judge_whose_pod_cannot_run_leaves_the_canary_uncompared_and_says_why(
    world: World, status: dict[str, Any], reason: str, words: str
) -> None:
    world.held = status
    world.register("4", stage="Staging")
    world.settle()
    assert world.serving("canary") == ["4"]
    assert said(world, "CanaryHealthy") == ("Unknown", reason)
    assert words in (message := world.condition("CanaryHealthy")["message"]) and message.startswith("judge: ")
    assert "version 4 serves on 1 canary pod and is not compared with prod" in message
    pass_time(world, 5)
    assert told(world, reason) == 1
    world.held = None
    world.settle()
    assert said(world, "CanaryHealthy") == ("True", "CanaryServing")


def test_a_judge_that_a_quota_refuses_says_so(world: World) -> None:
    world.register("4", stage="Staging")
    world.settle()
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
    world.child("Deployment", "demo-judge")["status"]["conditions"] = [failure]
    world.reconcile()
    assert said(world, "CanaryHealthy") == ("Unknown", "PodsRefused")
    assert QUOTA in world.condition("CanaryHealthy")["message"]


def test_a_job_that_a_quota_leaves_without_a_pod_says_so_until_it_has_one(world: World) -> None:
    world.job_pods_refused = QUOTA
    world.start_check("a")
    drift(world, "r1")
    pass_time(world, 1)
    assert said(world, "DriftCheckFailed") == ("True", "PodsRefused")
    assert said(world, "RetrainingFailed") == ("True", "PodsRefused")
    assert QUOTA in world.condition("RetrainingFailed")["message"]
    pass_time(world, 5)
    assert told(world, "PodsRefused") == 2  # the check's and the retraining's
    retry = world.plan().retry_after
    assert retry is not None and retry <= 30  # no watch tells of the refusal
    world.job_pods_refused = ""
    world.settle()
    assert said(world, "RetrainingFailed") == ("False", "Retraining")
    assert said(world, "DriftCheckFailed") == ("False", "Checked")


def test_a_job_that_the_api_server_refuses_says_so_at_once(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    made = world.plan()
    world.resource["status"] = dict(made.status or {})
    (job,) = made.create
    world.refused[objects.ref(job)] = "403 exceeded quota: count/jobs.batch"
    world.resource["status"] = dict(world.plan().status or {})
    assert said(world, "RetrainingFailed") == ("True", "ApplyRefused")
    assert "count/jobs.batch" in world.condition("RetrainingFailed")["message"]


def test_the_cooldown_counts_from_the_moment_the_container_starts(world: World) -> None:
    world.held = UNSCHEDULABLE
    untouched = world.status["retraining"]["notBefore"]
    drift(world, "r1")
    pass_time(world, 180)
    assert world.status["retraining"]["notBefore"] == untouched
    assert "startedAt" not in world.status["retraining"]
    world.held = None
    world.settle()
    retraining = world.status["retraining"]
    started, not_before = time(retraining["startedAt"]), time(retraining["notBefore"])
    assert started and not_before and not_before - started == timedelta(hours=1)
    assert retraining["createdAt"] < retraining["startedAt"]


def test_a_retraining_that_never_started_leaves_the_cooldown_untouched_for_the_next(world: World) -> None:
    world.held = UNSCHEDULABLE
    drift(world, "r1")
    pass_time(world, 10)
    world.give_up_job(world.child("Job", world.status["retraining"]["lastJob"]))
    world.settle()
    assert said(world, "RetrainingFailed") == ("True", "RetrainingFailed")
    world.held = None
    drift(world, "r2")
    assert world.status["retraining"]["lastReport"] == "r2"
    assert world.status["retraining"]["lastResult"] == "Running"


def test_a_job_that_ended_before_it_was_seen_to_run_has_its_start_all_the_same(world: World) -> None:
    world.held = UNSCHEDULABLE
    drift(world, "r1")
    world.now += timedelta(hours=2)
    summary = RetrainingSummary(result=RetrainingResult.NOT_BETTER, message="no")
    world.end_job(world.child("Job", world.status["retraining"]["lastJob"]), fitted(summary.dump()))
    ended = world.now
    world.settle()
    assert said(world, "RetrainingFailed") == ("False", "Retrained")
    assert time(world.status["retraining"]["notBefore"]) == ended + timedelta(hours=1)


def test_a_pending_job_deleted_by_hand_is_lost_and_not_made_again(world: World) -> None:
    world.held = UNSCHEDULABLE
    drift(world, "r1")
    world.delete(Ref("Job", world.status["retraining"]["lastJob"]))
    world.settle()
    assert world.status["retraining"]["lastResult"] == "Lost"
    assert not [ref for ref in world.children if "retrain" in ref.name]


def test_checks_that_are_given_up_one_after_the_other_tell_their_cause_once(world: World) -> None:
    world.held = UNSCHEDULABLE
    for name in ("a", "b", "c"):
        job = world.start_check(name)
        world.settle()
        pass_time(world, 3)
        world.give_up_job(job)
        world.settle()
        assert said(world, "DriftCheckFailed") == ("True", "CheckFailed")
        assert NO_CPU in world.condition("DriftCheckFailed")["message"]
    assert told(world, "Unschedulable") == 1
    assert told(world, "DriftCheckFailed") == 1


def test_a_job_whose_pod_was_cleaned_up_after_it_was_read_says_nothing_new(world: World) -> None:
    world.drift_run("stable", report="a", version="3")
    world.settle()
    world.now += timedelta(minutes=1)
    world.give_up_job(world.child("Job", "demo-drift-a"))
    world.settle()
    assert said(world, "DriftCheckFailed") == ("False", "Checked")


def test_a_job_that_somebody_suspended_waits_without_a_word(world: World) -> None:
    world.job_pods_refused = QUOTA
    world.start_check("a")["spec"]["suspend"] = True
    world.settle()
    assert said(world, "DriftCheckFailed") == ("False", "NotCheckedYet")


def test_a_job_may_be_without_a_pod_for_a_moment() -> None:
    job = {"metadata": {"uid": "j"}, "status": {"startTime": objects.stamp(NOW)}}
    assert jobs.without_pod([job], [], NOW + timedelta(seconds=1)) == []
    assert jobs.without_pod([job], [], NOW + timedelta(seconds=5)) == [job]
    assert jobs.without_pod([{**job, "status": {}}], [], NOW + timedelta(hours=1)) == []


def test_each_attempt_to_make_a_pod_is_the_same_sentence() -> None:
    def event(pod: str, at: str) -> dict[str, Any]:
        return {"message": f'Error creating: pods "{pod}" is forbidden: {QUOTA}', "lastTimestamp": at}

    newest = jobs.refusal(
        [event("demo-x1", "2026-11-24T12:00:01Z"), event("demo-x2", "2026-11-24T12:00:09Z")]
    )
    assert newest == jobs.refusal([event("demo-x3", "2026-11-24T12:00:09Z")]) == QUOTA
    assert jobs.refusal([]) == ""


EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}


def test_jobs_whose_pods_were_evicted_before_they_ran_have_failed(world: World) -> None:
    world.held = UNSCHEDULABLE
    check = world.start_check("a")
    drift(world, "r1")
    retraining = world.child("Job", world.status["retraining"]["lastJob"])
    for job in (check, retraining):
        world.pods[f"{objects.name(job)}-pod"]["status"] = dict(EVICTED)
    world.settle()
    assert world.status["retraining"]["lastResult"] == "Pending"  # its controller has not said so yet
    for job in (check, retraining):
        world.close_job(job, "Failed", "BackoffLimitExceeded")
    world.settle()
    assert said(world, "RetrainingFailed") == ("True", "RetrainingFailed")
    assert said(world, "DriftCheckFailed") == ("True", "CheckFailed")
    for type_ in ("RetrainingFailed", "DriftCheckFailed"):
        assert "Evicted: The node was low on resource: memory." in world.condition(type_)["message"]


def test_a_process_that_could_not_be_started_has_not_started(world: World) -> None:
    untouched = world.status["retraining"]["notBefore"]
    world.held = UNSCHEDULABLE
    drift(world, "r1")
    job = world.child("Job", world.status["retraining"]["lastJob"])
    world.end_job(job, "", exit_code=128)
    status = world.pods[f"{objects.name(job)}-pod"]["status"]["containerStatuses"][0]
    status["state"]["terminated"] |= {"reason": "StartError", "startedAt": "1970-01-01T00:00:00Z"}
    world.settle()
    assert said(world, "RetrainingFailed") == ("True", "RetrainingFailed")
    assert world.status["retraining"]["notBefore"] == untouched
