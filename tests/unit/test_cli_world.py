"""`tree` and `why` over what the operator really writes, from the first apply to a broken version."""

from datetime import timedelta

import pytest
from rich.console import Console

from driftlead_cli import render
from driftlead_cli.facts import Family
from driftlead_cli.why import why
from unit.operator_world import World


def shown(world: World) -> tuple[str, str]:
    """What tree and why print of a world."""

    def kind(name: str) -> list[dict[str, object]]:
        return [child for ref, child in world.children.items() if ref.kind == name]

    family = Family(
        resource=world.resource,
        now=world.now,
        deployments=kind("Deployment"),
        cronjobs=kind("CronJob"),
        jobs=kind("Job"),
        pods=list(world.pods.values()),
    )
    printed = []
    for part in (render.overview(family), render.findings(why(family))):
        console = Console(width=200, no_color=True, highlight=False)
        with console.capture() as capture:
            console.print(part)
        printed.append("\n".join(line.rstrip() for line in capture.get().splitlines()))
    return printed[0], printed[1]


@pytest.fixture
def world() -> World:
    world = World(drift={"schedule": "@hourly"}, retraining={"function": "t:t", "maxAttemptsPerDay": 2})
    world.register("3", stage="Production")
    world.settle()
    return world


def test_before_the_first_training_it_waits_and_nothing_is_broken() -> None:
    world = World(drift={"schedule": "@hourly"})
    world.reconcile()
    tree, reasons = shown(world)
    assert "Status:  ◌ WaitingForModel" in tree
    assert "Prod:    nothing yet" in tree
    assert "◌ WaitingForModel: Ready is False, Reconciling is True" in reasons
    assert "✖" not in reasons


def test_what_serves_is_one_line(world: World) -> None:
    tree, reasons = shown(world)
    assert "Prod:    version 3 (stage Production)  2/2" in tree
    assert reasons == "✔ demo is Ready: prod serves version 3"


def test_drift_is_said_once_with_its_features_and_its_report(world: World) -> None:
    world.now += timedelta(minutes=30)
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    tree, reasons = shown(world)
    assert "Status:  ✔ Ready" in tree
    assert "Drift:   ⚠ drift, temp PSI 9.81 (true PSI 9.55 to 10.1), 41,667 rows" in tree
    assert reasons.count("rift") <= 4
    assert "do: read the report s3://mlflow/r1/report.html" in reasons
    assert "1 attempt today" in reasons


def test_a_canary_that_does_not_load_leaves_prod_ready(world: World) -> None:
    world.register("4", stage="Staging", exit_code=3)
    world.settle()
    tree, reasons = shown(world)
    assert "Status:  ✔ Ready" in tree
    assert "Canary:  nothing, version 4 was given up (stage Staging)  0/0" in tree
    assert "⚠ VersionRejected: CanaryHealthy is False" in reasons
    assert "version 4 fell over" in reasons


def test_a_rejected_prod_is_said_once_by_all_conditions_with_the_way_out(world: World) -> None:
    world.register("5", stage="Production", exit_code=4)
    world.settle()
    tree, reasons = shown(world)
    assert "Status:  ⚠ stalled: VersionRejected" in tree
    assert "Prod:    version 3, not 5 (stage Production)  2/2" in tree
    assert "⚠ VersionRejected: Ready is False, Stalled is True" in reasons
    assert reasons.count("version 5 fell over") == 1
    assert "do: register a mended version, or try this one again: kubectl annotate" in reasons


def test_what_failed_before_is_remembered_below_what_is(world: World) -> None:
    world.register("5", stage="Production", exit_code=4)
    world.settle()
    world.patch(suspend=True)
    world.settle()
    tree, reasons = shown(world)
    assert "Status:  · suspended" in tree
    assert "· Version 5 failed on prod: SmokeFailed, exit code 4" in reasons


def test_with_no_good_version_at_all_prod_is_down() -> None:
    world = World()
    world.register("1", stage="Production", exit_code=3)
    world.settle()
    tree, reasons = shown(world)
    assert "Status:  ✖ stalled: VersionRejected" in tree
    assert "✖" in reasons


NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
UNSCHEDULABLE = {"phase": "Pending", "conditions": [{**NO_NODE, "message": "1 Insufficient cpu"}]}


def test_a_retraining_whose_pod_no_node_takes_is_said_in_the_tree_and_by_why(world: World) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.held = UNSCHEDULABLE
    world.settle()
    tree, reasons = shown(world)
    assert "✖ Unschedulable" in tree and "Unschedulable: 1 Insufficient cpu" in tree
    assert "⚠ Unschedulable: RetrainingFailed is True" in reasons
    name = world.status["retraining"]["lastJob"]
    assert f"do: kubectl describe pod -n shop {name}-pod" in reasons
    world.held = None
    world.settle()
    tree, reasons = shown(world)
    assert "Unschedulable" not in tree + reasons


def test_a_check_that_a_quota_refuses_is_said_in_the_tree_and_by_why(world: World) -> None:
    world.job_pods_refused = "exceeded quota: small"
    world.start_check("a")
    world.settle()
    world.now += timedelta(minutes=1)
    world.settle()
    tree, reasons = shown(world)
    assert "✖ PodsRefused" in tree and "exceeded quota: small" in tree
    assert "⚠ PodsRefused: DriftCheckFailed is True" in reasons and "exceeded quota: small" in reasons


def test_a_judge_whose_pod_cannot_run_is_said_in_the_tree_and_by_why(world: World) -> None:
    world.held = UNSCHEDULABLE
    world.register("4", stage="Staging")
    world.settle()
    tree, reasons = shown(world)
    assert "Unschedulable" in tree
    assert "⚠ Unschedulable: CanaryHealthy is Unknown" in reasons and "is not compared with prod" in reasons


def test_a_variable_that_others_set_is_said_in_the_tree_and_by_why(world: World) -> None:
    child = world.child("Deployment", "demo-prod")
    child["spec"]["paused"] = True
    owner = {"manager": "kubectl-rollout", "fieldsV1": {"f:spec": {"f:paused": {}}}}
    child["metadata"]["managedFields"] = [owner]
    world.reconcile()
    tree, reasons = shown(world)
    assert "Changed:  ⚠ others set fields" in tree
    assert "⚠ ForeignFields: ChildrenModified is True" in reasons
    assert "Deployment demo-prod: spec.paused by kubectl-rollout" in reasons
