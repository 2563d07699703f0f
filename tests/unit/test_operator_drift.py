"""What a check's message does to status, when it retrains, and what it never does."""

from datetime import timedelta
from typing import Any

import pytest

from driftlead_formats.summaries import RetrainingSummary
from driftlead_formats.termination import fitted
from driftlead_formats.verdicts import RetrainingResult
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Ref
from unit.operator_world import World

RETRAINING: dict[str, Any] = {"function": "train:train", "cooldown": "1h", "maxAttemptsPerDay": 2}


@pytest.fixture
def world() -> World:
    """Version 3 serves as prod, with a check every hour and retraining on drift."""
    world = World(drift={"schedule": "@hourly"}, retraining=RETRAINING)
    world.register("3", stage="Production")
    world.settle()
    world.now += timedelta(minutes=30)
    return world


def jobs(world: World) -> list[str]:
    return [ref.name for ref in world.children if ref.kind == "Job" and "retrain" in ref.name]


def finish(world: World, result: str, **more: Any) -> None:
    job = world.child("Job", world.status["retraining"]["lastJob"])
    world.now += timedelta(minutes=1)
    summary = RetrainingSummary(result=RetrainingResult(result), **more)
    world.end_job(job, fitted(summary.dump()))
    world.settle()


def test_a_verdict_of_drift_is_in_status_with_its_numbers_and_leaves_ready_alone(world: World) -> None:
    ended = objects.stamp(world.now)
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    assert world.status["drift"] == {
        "lastRunTime": ended,
        "report": "r1",
        "version": "3",
        "verdict": "drift",
        "display": "drift",
        "lastVerdictTime": ended,
        "exitCode": 2,
        "consecutive": 2,
        "rows": 41667,
        "message": "temp is far off (drift)",
        "reportURI": "s3://mlflow/r1/report.html",
        "topFeatures": [{"name": "temp", "psi": "9.81", "low": "9.55", "high": "10.1"}],
    }
    assert world.condition("DriftDetected")["status"] == "True"
    assert world.ready() == ("True", "Serving")


@pytest.mark.parametrize(
    ("verdict", "detected", "failed"),
    [
        ("severe", ("True", "DriftFound"), ("False", "Checked")),
        ("changed", ("False", "NoDrift"), ("False", "Checked")),
        ("stable", ("False", "NoDrift"), ("False", "Checked")),
        ("insufficient", ("Unknown", "NotEnoughData"), ("False", "Checked")),
        ("error", ("Unknown", "NotCheckedYet"), ("True", "CheckFailed")),
    ],
)
def test_each_verdict_has_its_conditions(
    world: World, verdict: str, detected: tuple[str, str], failed: tuple[str, str]
) -> None:
    world.drift_run(verdict, report="r1", version="3")
    world.settle()
    found = [
        (each["status"], each["reason"])
        for each in map(world.condition, ("DriftDetected", "DriftCheckFailed"))
    ]
    assert found == [detected, failed]


def test_a_check_that_ends_without_a_summary_says_its_last_words(world: World) -> None:
    world.drift_run("stable", report="r1", version="3")
    pod = world.pods["demo-drift-r1-pod"]
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    terminated.update(exitCode=1, message="no baseline, and no rows to make one of")
    world.settle()
    assert world.condition("DriftCheckFailed")["status"] == "True"
    assert "no baseline, and no rows" in world.condition("DriftCheckFailed")["message"]
    assert any(each.startswith("DriftCheckFailed") for each in world.events)


# Each row: the verdicts of checks twenty minutes apart (with a version after a colon, 3 if not said), and
# what stands after the last of them: status and reason of DriftDetected, the column DRIFT.
STANDS = [
    ("severe error", "True", "DriftFound", "severe, then error"),
    ("severe severe error error", "True", "DriftFound", "severe, then error"),
    ("severe insufficient", "True", "DriftFound", "severe, then insufficient"),
    ("severe insufficient error", "True", "DriftFound", "severe, then error"),
    ("severe error insufficient", "True", "DriftFound", "severe, then insufficient"),
    ("drift error stable", "False", "NoDrift", "stable"),
    ("drift insufficient changed", "False", "NoDrift", "changed"),
    ("stable error", "False", "NoDrift", "stable, then error"),
    ("stable insufficient", "Unknown", "NotEnoughData", "insufficient"),
    ("stable insufficient error", "Unknown", "NotEnoughData", "insufficient, then error"),
    ("stable insufficient error insufficient", "Unknown", "NotEnoughData", "insufficient"),
    ("error severe", "True", "DriftFound", "severe"),
    ("error error", "Unknown", "NotCheckedYet", "error"),
    ("insufficient error", "Unknown", "NotEnoughData", "insufficient, then error"),
    ("severe:2 error:3", "Unknown", "NotCheckedYet", "error"),
    ("severe:2 error:", "Unknown", "NotCheckedYet", "unchecked"),
    ("severe:2 insufficient:3", "Unknown", "NotEnoughData", "insufficient"),
    ("severe:2 stable:3 error:3", "False", "NoDrift", "stable, then error"),
    ("severe:3 error:", "True", "DriftFound", "severe, then error"),
]


def checks(world: World, verdicts: str, *, looking: bool) -> None:
    """Checks that end with these verdicts, one after the other; the operator looks at each, or at the end."""
    for number, each in enumerate(verdicts.split()):
        verdict, _, version = (each if ":" in each else f"{each}:3").partition(":")
        world.now += timedelta(minutes=20)
        words = "MLflow does not answer" if verdict == "error" else f"temp is far off ({verdict})."
        world.drift_run(verdict, report=f"r{number}", version=version, message=words)
        if looking:
            world.settle()
    world.settle()


@pytest.mark.parametrize("looking", [True, False], ids=["each-seen", "seen-at-the-end"])
@pytest.mark.parametrize("stands", STANDS, ids=[each[0] for each in STANDS])
def test_a_check_that_gives_no_verdict_leaves_the_last_one(
    world: World, stands: tuple[str, str, str, str], looking: bool
) -> None:
    verdicts, *wanted = stands
    checks(world, verdicts, looking=looking)
    found = world.condition("DriftDetected")
    assert [found["status"], found["reason"], world.status["drift"]["display"]] == wanted
    last_failed = verdicts.rpartition(" ")[2].startswith("error")
    assert world.condition("DriftCheckFailed")["status"] == str(last_failed)


def test_an_alarm_that_an_outage_left_says_of_when_it_is_and_keeps_its_evidence(world: World) -> None:
    checks(world, "severe error", looking=True)
    words = world.condition("DriftDetected")["message"]
    assert words == (
        "as of 2026-11-24 12:50 UTC: temp is far off (severe). "
        "The last check, 20 minutes later, failed: MLflow does not answer"
    )
    assert world.condition("DriftCheckFailed")["message"] == "MLflow does not answer"
    drift = world.status["drift"]
    assert (drift["verdict"], drift["lastVerdictTime"]) == ("error", drift["lastVerdict"]["lastRunTime"])
    kept = drift["lastVerdict"]
    assert (kept["verdict"], kept["reportURI"]) == ("severe", "s3://mlflow/r0/report.html")
    assert kept["topFeatures"][0]["name"] == "temp"
    checks(world, "stable", looking=True)
    assert "lastVerdict" not in world.status["drift"]


def test_a_check_that_could_not_tell_names_the_verdict_before_it(world: World) -> None:
    checks(world, "stable insufficient", looking=True)
    words = world.condition("DriftDetected")["message"]
    assert words.endswith("; the last verdict was stable, at 2026-11-24 12:50 UTC")


def test_another_operator_and_a_wiped_status_know_the_alarm_that_an_outage_left(world: World) -> None:
    checks(world, "severe error error", looking=True)
    before = world.status["drift"]
    world.resource.pop("status")
    world.settle()
    assert world.status["drift"] == before
    assert world.condition("DriftDetected")["status"] == "True"


def test_a_verdict_that_stands_is_not_written_again_as_it_ages(world: World) -> None:
    checks(world, "severe error", looking=True)
    world.now += timedelta(hours=9)
    assert world.plan().status is None


def test_an_alarm_is_told_though_the_next_check_failed_before_anybody_looked(world: World) -> None:
    checks(world, "severe error", looking=False)
    assert [each.partition(" ")[0].rstrip(":") for each in world.events if "Drift" in each] == [
        "DriftDetected",
        "DriftCheckFailed",
    ]


def test_drift_that_stands_retrains_once_what_held_it_is_gone_though_a_check_failed(world: World) -> None:
    world.allow_write = False
    checks(world, "severe error", looking=True)
    assert jobs(world) == []
    world.allow_write = True
    world.settle()
    assert len(jobs(world)) == 1


def test_a_pod_that_no_job_of_our_cronjob_owns_is_not_believed(world: World) -> None:
    world.drift_run("drift", report="forged", version="3", owner="somebody-else")
    world.settle()
    assert "drift" not in world.status and jobs(world) == []


def test_a_verdict_about_the_version_before_says_nothing_of_this_one(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.register("4", stage="Production")
    world.settle()
    assert world.condition("DriftDetected")["status"] == "Unknown"
    assert "the last verdict is of version 3; 4 serves now" in world.condition("DriftDetected")["message"]
    assert (world.status["drift"]["verdict"], world.status["drift"]["display"]) == ("drift", "unchecked")


def test_the_check_follows_the_version_that_serves(world: World) -> None:
    world.register("4", stage="Production")
    world.settle()
    spec = world.child("CronJob", "demo-drift")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert "models:/Flights/4" in spec["containers"][0]["args"]


def test_the_check_stays_as_it_is_while_prod_s_pods_are_silent(world: World) -> None:
    before = world.child("CronJob", "demo-drift")["spec"]
    for pod in world.pods.values():
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    world.reconcile()
    after = world.child("CronJob", "demo-drift")["spec"]
    assert (after["suspend"], after["jobTemplate"]) == (False, before["jobTemplate"])
    assert world.ready()[0] == "False"


def test_prod_that_comes_back_from_no_pods_has_its_check_in_the_same_turn(world: World) -> None:
    world.patch(prod__replicas=0)
    world.settle()
    assert world.child("CronJob", "demo-drift")["spec"]["suspend"] is True
    world.patch(prod__replicas=1)
    world.reconcile()
    assert world.child("CronJob", "demo-drift")["spec"]["suspend"] is False
    assert not world.plan().apply


def test_drift_starts_one_job_whose_intent_was_saved_first(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    made = world.plan()
    (job,) = made.create
    assert made.status is not None and made.status["retraining"]["lastJob"] == job["metadata"]["name"]
    assert made.status["retraining"]["lastResult"] == "Starting"
    variables = {
        each["name"]: each.get("value") for each in job["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert variables["DRIFTLEAD_CHAMPION"] == "models:/Flights/3"
    assert (variables["DRIFTLEAD_TO_STAGE"], variables["DRIFTLEAD_REPORT_ID"]) == ("Staging", "r1")
    world.settle()
    assert len(jobs(world)) == 1 and world.status["retraining"]["lastResult"] == "Running"


def test_a_job_that_was_not_made_after_its_intent_was_saved_is_made_under_the_same_name(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    made = world.plan()
    world.resource["status"] = dict(made.status or {})  # and here the operator was killed
    again = world.plan()
    assert [objects.name(each) for each in again.create] == [objects.name(each) for each in made.create]
    assert again.create[0] == made.create[0]


def test_what_the_job_did_is_told_and_its_version_becomes_the_canary(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    world.register("4", stage="Staging")
    finish(world, "Registered", version="4", message="AUC 0.74 against 0.70")
    retraining = world.status["retraining"]
    assert (retraining["lastResult"], retraining["lastVersion"]) == ("Registered", "4")
    assert world.serving("canary") == ["4"]
    assert any("RetrainingFinished" in each and "version 4. AUC 0.74" in each for each in world.events)


def test_the_cooldown_holds_and_after_it_the_next_report_may(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    finish(world, "NotBetter", message="no")
    world.drift_run("drift", report="r2", version="3")
    world.settle()
    assert len(jobs(world)) == 1
    world.now += timedelta(hours=2)
    world.settle()
    assert len(jobs(world)) == 1  # r2 came within the cooldown
    world.drift_run("drift", report="r3", version="3")
    world.settle()
    assert len(jobs(world)) == 2


def test_attempts_of_a_day_end_and_the_next_day_begins_anew(world: World) -> None:
    for number in range(3):
        world.drift_run("drift", report=f"r{number}", version="3")
        world.settle()
        if number < 2:
            finish(world, "NotBetter", message="no")
        world.now += timedelta(hours=1, minutes=30)
    assert len(jobs(world)) == 2
    assert "2 of 2 attempts of this day are used" in world.status["retraining"]["message"]
    assert sum("RetrainingHeld" in each for each in world.events) == 1
    retry = world.plan().retry_after
    assert retry is not None and 0 < retry <= 24 * 3600
    world.now += timedelta(days=1)
    world.settle()
    assert len(jobs(world)) == 3 and world.status["retraining"]["attemptsToday"] == 1


@pytest.mark.parametrize("verdict", ["stable", "changed", "insufficient", "error"])
def test_only_drift_retrains(world: World, verdict: str) -> None:
    world.drift_run(verdict, report="r1", version="3")
    world.settle()
    assert jobs(world) == []


def test_a_report_that_assumed_independence_retrains_only_by_a_persons_word(world: World) -> None:
    world.drift_run("drift", report="r1", version="3", independence_assumed=True)
    world.settle()
    assert jobs(world) == [] and "independence of rows was assumed" in world.status["retraining"]["message"]
    world.patch(drift__assumeIndependent=True)
    world.settle()
    assert len(jobs(world)) == 1


def test_with_trigger_never_and_while_suspended_nothing_is_retrained(world: World) -> None:
    world.patch(retraining__trigger="Never")
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    world.patch(retraining__trigger="OnDrift", suspend=True)
    world.settle()
    assert jobs(world) == []


def test_a_registry_that_must_not_be_written_is_not_retrained_into(world: World) -> None:
    world.allow_write = False
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    assert jobs(world) == [] and "allowWrite: false" in world.status["retraining"]["message"]


def test_status_wiped_retrains_nothing_that_was_reported_before(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    finish(world, "NotBetter", message="no")
    world.delete(Ref("Job", jobs(world)[0]))
    world.now += timedelta(hours=3)
    world.resource.pop("status")
    world.settle()
    assert jobs(world) == [] and world.status["drift"]["verdict"] == "drift"


def test_a_report_of_another_version_retrains_nothing(world: World) -> None:
    world.drift_run("drift", report="r1", version="2")
    world.settle()
    assert jobs(world) == []


def test_a_job_deleted_by_hand_is_not_made_again(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    world.delete(Ref("Job", jobs(world)[0]))
    world.settle()
    assert jobs(world) == [] and world.status["retraining"]["lastResult"] == "Lost"


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("Failed", "DeadlineExceeded: the Job ended: DeadlineExceeded"),
        ("Complete", "its pod was gone before it could be read"),
    ],
)
def test_a_job_that_ends_without_a_pod_to_read_is_failed(world: World, type_: str, words: str) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    job = world.child("Job", jobs(world)[0])
    world.give_up_job(job)
    world.close_job(job, type_, "DeadlineExceeded" if type_ == "Failed" else "")
    world.settle()
    assert world.status["retraining"]["lastResult"] == "Failed"
    assert words in world.status["retraining"]["message"]


def test_a_trainer_that_falls_leaves_its_last_words(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    world.end_job(world.child("Job", jobs(world)[0]), "no labels for June", exit_code=1)
    world.settle()
    assert world.status["retraining"]["message"] == "exit code 1, and no summary: no labels for June"


def test_a_job_that_is_never_taken_is_given_up_with_the_servers_words(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.resource["status"] = dict(world.plan().status or {})
    world.now += timedelta(minutes=11)
    made = world.plan()
    assert made.create == () and made.status is not None
    assert made.status["retraining"]["lastResult"] == "Failed"


def test_without_its_block_the_check_and_its_conditions_go(world: World) -> None:
    world.drift_run("stable", report="r1", version="3")
    world.settle()
    world.patch(drift=None, retraining=None)
    world.settle()
    assert Ref("CronJob", "demo-drift") not in world.children
    assert not world.condition("DriftDetected") and "drift" not in world.status


def test_a_check_that_was_killed_for_its_memory_says_what_to_change(world: World) -> None:
    job = world.start_check("r1")
    world.end_job(job, "", container="drift", exit_code=137)
    status = world.pods["demo-drift-r1-pod"]["status"]["containerStatuses"][0]
    status["state"]["terminated"]["reason"] = "OOMKilled"
    world.settle()
    assert (
        "more memory than its limit; see spec.drift.resources"
        in world.condition("DriftCheckFailed")["message"]
    )
