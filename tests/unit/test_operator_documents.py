"""What the drift commands really write is what the operator reads."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from driftlead_drift.judging.judge import WindowCounts, judge
from driftlead_drift.judging.policy import Policy
from driftlead_drift.report import document
from driftlead_formats.baseline import build
from driftlead_formats.summaries import RetrainingSummary
from driftlead_formats.termination import fitted
from driftlead_formats.verdicts import DriftVerdict, RetrainingResult
from driftlead_operator.decisions.memory import Memory, RetrainingState
from unit.operator_world import World

FEATURES = [f"feature_{number}" for number in range(20)]
SUBJECT = document.Subject(
    run_id="20261124T120000-abc",
    created=datetime(2026, 11, 24, 12, tzinfo=UTC),
    model_name="demo",
    model_version="3",
    deployment="prod",
    start=datetime(2026, 11, 17, 12, tzinfo=UTC),
    end=datetime(2026, 11, 24, 12, tzinfo=UTC),
    rows=5000,
    scanned=5000,
    path="json",
    baseline_source="s3://mlflow/baseline.json",
)
POLICY = Policy(period=None, persistence=1)


def columns(seed: int, shift: float = 0.0) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    return {name: random.normal(shift if number == 0 else 0, 1, 5000) for number, name in enumerate(FEATURES)}


def report(shift: float) -> dict[str, Any]:
    """A check's whole report about traffic whose first feature has moved."""
    baseline = build(columns(0), prediction=np.zeros(5000))
    counts = WindowCounts(
        features=baseline.count_columns(columns(1, shift)),
        prediction=baseline.count_prediction(np.zeros(5000)),
        rows=5000,
        version="3",
    )
    judgement = judge(baseline, counts, POLICY)
    return document.report(
        SUBJECT, baseline, judgement, policy=POLICY, history=(), exit_code=judgement.exit_code
    )


@pytest.fixture
def world() -> World:
    """Version 3 serves, and is checked."""
    world = World(drift={"schedule": "@hourly"}, retraining={"function": "train:train", "cooldown": "1h"})
    world.register("3", stage="Production")
    world.settle()
    world.now += timedelta(minutes=30)
    world.drift_run("stable", report="before", version="3")
    world.settle()
    return world


def told(world: World, written: dict[str, Any]) -> Memory:
    """What the operator remembers of a check that left this report's summary."""
    world.now += timedelta(hours=1)
    message = fitted(document.summary(written, "s3://mlflow/r/report.html").dump())
    (job,) = [child for ref, child in world.children.items() if ref.name == "demo-drift-before"]
    world.end_job(job, message, container="drift")
    world.settle()
    return Memory.read(world.status)


def test_a_real_report_of_drift_arrives_with_its_figures_and_starts_a_retraining(world: World) -> None:
    written = report(shift=1.0)
    found = told(world, written).drift
    assert found is not None and found.verdict is DriftVerdict.SEVERE and found.exit_code == 2
    assert (found.report, found.version, found.rows) == ("20261124T120000-abc", "3", 5000)
    assert found.message == written["verdict"]["summary"]
    first = next(each for each in written["features"] if each["name"] == "feature_0")
    assert found.top_features[0].name == "feature_0" and len(found.top_features) == 5
    assert float(found.top_features[0].value) == pytest.approx(first["psi"], rel=1e-3)
    assert world.condition("DriftDetected")["status"] == "True"
    # This report has no times, so that it assumes independence, and says so.
    assert found.independence_assumed
    assert "independence of rows was assumed" in world.status["retraining"]["message"]


def test_a_real_report_without_drift_arrives_as_such(world: World) -> None:
    found = told(world, report(shift=0.0)).drift
    assert found is not None and found.verdict is DriftVerdict.STABLE and found.exit_code == 0
    assert world.condition("DriftDetected")["status"] == "False"


def test_a_real_report_of_a_failure_arrives_as_one(world: World) -> None:
    found = told(world, document.failure(SUBJECT, "the database cannot be reached", POLICY)).drift
    assert found is not None and found.verdict is DriftVerdict.ERROR
    condition = world.condition("DriftCheckFailed")
    assert condition["status"] == "True" and "the database cannot be reached" in condition["message"]


@pytest.mark.parametrize("result", list(RetrainingResult))
def test_each_result_of_a_retraining_arrives(world: World, result: RetrainingResult) -> None:
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    job = next(child for ref, child in world.children.items() if "retrain" in ref.name)
    summary = RetrainingSummary(result=result, message="because", version="4", metrics={"auc": 0.91})
    world.end_job(job, fitted(summary.dump()))
    world.settle()
    found = Memory.read(world.status).retraining
    assert found is not None
    assert (found.state, found.message, found.last_version) == (RetrainingState(result), "because", "4")
