"""What one component really writes is what another really reads: a check's summary, a retraining's, a judge's
answer. Each goes the whole way, from what was judged to what the operator says of it."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from driftlead_drift.check import command
from driftlead_drift.check.gathered import Gathered
from driftlead_drift.compare import judge_server, published
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.canary import judge_canary
from driftlead_drift.judging.comparison import CanaryPolicy
from driftlead_drift.judging.evidence import Evidence, Minutes, PodMinute, arms
from driftlead_drift.judging.facts import WindowCounts
from driftlead_drift.judging.policy import Policy
from driftlead_drift.report.document import Subject, failure
from driftlead_drift.retraining import Trained
from driftlead_drift.retraining import command as retrain
from driftlead_drift.retraining.gate import Comparison
from driftlead_drift.settings import CheckSettings, CompareSettings, RetrainSettings
from driftlead_formats import termination
from driftlead_formats.baseline import build
from driftlead_formats.histograms import LATENCY_BINS
from driftlead_formats.summaries import CanaryAssessment
from driftlead_formats.traffic import Traffic
from driftlead_operator.decisions.plan import plan
from unit.operator_world import World

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SUBJECT = Subject(
    run_id="20261124T120000-abc",
    created=NOW,
    traffic=Traffic(model_name="Flights", model_version="3", deployment="prod"),
    start=NOW - timedelta(days=7),
    end=NOW,
    rows=5000,
    scanned=5000,
    path="histograms",
    baseline_source="s3://mlflow/baseline.json",
)
URI = "s3://mlflow/driftlead/reports/report.html"


@pytest.fixture
def world() -> World:
    """Version 3 serves as prod, checked every hour, and a drift retrains it."""
    world = World(drift={"schedule": "@hourly"}, retraining={"function": "train:train"})
    world.register("3", stage="Production")
    world.settle()
    world.now += timedelta(minutes=30)
    return world


def left_by_a_check(folder: Path, report: dict[str, Any]) -> str:
    """The termination message of the command, once its report is written."""
    settings = CheckSettings(model="Flights", termination_log=folder / "termination")
    command.result(settings, command.WrittenReport(report, URI, recorded=True))
    return (folder / "termination").read_text()


def judged(*, shift: float, names: int = 8) -> dict[str, Any]:
    """The report of a window whose first feature moved by `shift` standard deviations."""
    random = np.random.default_rng(0)
    columns = {f"feature_{i}": random.normal(size=5000) for i in range(names)}
    baseline = build(columns, time=np.arange(5000) * 600.0)
    moved = {name: random.normal(shift if name == "feature_0" else 0, 1, 5000) for name in columns}
    window = WindowCounts(
        features=baseline.count_columns(moved), rows=5000, version="3", baseline_sha256=baseline.sha256
    )
    gathered = Gathered(subject=SUBJECT, baseline=baseline, window=window)
    settings = CheckSettings(model="Flights")
    return command.judged(settings, Policy(period=None, persistence=1), gathered, {})


def read_by_the_operator(world: World, message: str) -> dict[str, Any]:
    """The operator's status after a check's pod ended with the message."""
    world.drift_run("stable", report="replaced", version="3")
    (pod,) = (pod for name, pod in world.pods.items() if "replaced" in name)
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = message
    world.settle()
    status: dict[str, Any] = world.status["drift"]
    return status


def test_a_drift_that_a_check_finds_is_what_the_operator_says_and_retrains_for(
    world: World, tmp_path: Path
) -> None:
    report = judged(shift=2.0)
    status = read_by_the_operator(world, left_by_a_check(tmp_path, report))
    assert (status["report"], status["version"]) == (SUBJECT.run_id, "3")
    assert (status["verdict"], status["exitCode"], status["consecutive"]) == ("severe", 2, 1)
    assert (status["rows"], status["reportURI"]) == (5000, URI)
    assert status["message"] == report["verdict"]["summary"]
    assert "independenceAssumed" not in status
    first, *others = status["topFeatures"]
    assert first["name"] == "feature_0" and len(others) == 4
    feature = report["features"][0]
    assert float(first["psi"]) == pytest.approx(feature["psi"], rel=1e-3)
    assert [float(first["low"]), float(first["high"])] == pytest.approx(feature["psi_ci90"], rel=1e-3)
    assert world.condition("DriftDetected")["reason"] == "DriftFound"
    assert world.status["retraining"]["lastReport"] == SUBJECT.run_id


def test_a_quiet_window_is_no_drift_and_retrains_nothing(world: World, tmp_path: Path) -> None:
    status = read_by_the_operator(world, left_by_a_check(tmp_path, judged(shift=0.0)))
    assert (status["verdict"], status["exitCode"]) == ("stable", 0)
    assert world.condition("DriftDetected")["reason"] == "NoDrift"
    assert "lastReport" not in world.status["retraining"]


def test_a_check_that_could_not_judge_says_why_in_a_condition(world: World, tmp_path: Path) -> None:
    sentence = "the database at postgres:5432/driftlead cannot be reached"
    status = read_by_the_operator(world, left_by_a_check(tmp_path, failure(SUBJECT, sentence, Policy())))
    assert (status["verdict"], status["exitCode"], status["message"]) == ("error", 1, sentence)
    assert world.condition("DriftCheckFailed")["reason"] == "CheckFailed"


def test_the_longest_summary_that_fits_is_still_read(world: World, tmp_path: Path) -> None:
    report = judged(shift=2.0)
    for feature in report["features"]:
        feature["name"] += "é" * 500
    message = left_by_a_check(tmp_path, report)
    assert termination.LIMIT - 1200 < len(message.encode()) <= termination.LIMIT
    status = read_by_the_operator(world, message)
    assert status["verdict"] == "severe"
    assert 0 < len(status["topFeatures"]) < 5


class WithoutMlflow:
    """What `retrain` needs of MLflow, without one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, low: float) -> None:
        comparison = Comparison(champion=0.7, challenger=0.74, low=low, high=0.06, rows=900)
        trained = Trained(model=None, features=None)
        for name, value in {
            "_check": lambda _: None,
            "_prepare_environment": lambda _: None,
            "load_function": lambda _: lambda _context: trained,
            "against_champion": lambda *_: comparison,
            "_offer": lambda *_: "stage Staging",
        }.items():
            monkeypatch.setattr(retrain, name, value)
        monkeypatch.setattr(retrain.champion, "remember_failure", lambda *_: None)
        monkeypatch.setattr("mlflow.MlflowClient", lambda: None)
        monkeypatch.setattr(
            "driftlead_drift.training.log_model", lambda *_, **__: type("Version", (), {"version": "4"})
        )


def retrained(folder: Path) -> str:
    """The termination message of a retraining."""
    settings = RetrainSettings(
        function="jobs:train", registered_model="Flights", termination_log=folder / "termination"
    )
    retrain.retrain(settings, NOW)
    return (folder / "termination").read_text()


@pytest.fixture
def retraining(world: World) -> World:
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    return world


def end(world: World, message: str) -> dict[str, Any]:
    """The operator's status after the retraining's pod ended with the message."""
    world.now += timedelta(minutes=1)
    world.end_job(world.child("Job", world.status["retraining"]["lastJob"]), message)
    world.settle()
    status: dict[str, Any] = world.status["retraining"]
    return status


def test_a_challenger_that_a_retraining_registers_is_what_the_operator_tells_of(
    retraining: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WithoutMlflow(monkeypatch, low=0.01)
    status = end(retraining, retrained(tmp_path))
    assert (status["lastResult"], status["lastVersion"]) == ("Registered", "4")
    assert "0.74 against the champion's 0.7" in status["message"]
    assert any(each.startswith("RetrainingFinished") for each in retraining.events)


def test_a_challenger_that_is_not_better_leaves_no_version(
    retraining: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WithoutMlflow(monkeypatch, low=-0.01)
    status = end(retraining, retrained(tmp_path))
    assert status["lastResult"] == "NotBetter" and "lastVersion" not in status


def test_a_retraining_that_fails_says_why(retraining: World, tmp_path: Path) -> None:
    with pytest.raises(CannotJudgeError):
        retrained(tmp_path)
    status = end(retraining, (tmp_path / "termination").read_text())
    assert status["lastResult"] == "Failed" and "module jobs cannot be imported" in status["message"]


def looked(*, failed: int) -> Evidence:
    """An hour of prod and canary, of whose requests a minute `failed` failed."""
    minutes = [NOW + timedelta(minutes=n) for n in range(60)]
    sides = []
    for version, errors in (("3", 1), ("4", failed)):
        traffic = Traffic(model_name="Flights", model_version=version, deployment="prod")
        seen = {"pod": PodMinute(200, errors, np.zeros(LATENCY_BINS, dtype=np.int64))}
        sides.append(Minutes(traffic, pods=dict.fromkeys(minutes, seen)))
    prod, canary = sides
    return Evidence(
        prod=prod.traffic,
        canary=canary.traffic,
        start=NOW,
        end=minutes[-1],
        judgement=judge_canary(*arms(prod, canary, minutes), CanaryPolicy()),
        bins=None,
        sides=(prod, canary),
        notes=(),
    )


def answered(judge: judge_server.Judge) -> tuple[int, Any]:
    """Status and document of GET /verdict."""
    response: web.Response = asyncio.run(judge.verdict(None))  # type: ignore[arg-type]
    return response.status, json.loads(response.text or "")


def canary_healthy(document: Any) -> dict[str, str]:
    """The operator's condition after the judge answered."""
    world = World()
    world.register("3", stage="Production")
    world.settle()
    world.register("4", stage="Staging")
    world.settle()
    assessment = CanaryAssessment.parse(document)
    assert assessment is not None
    world.carry_out(plan(replace(world.facts(), canary_verdict=assessment)))
    return world.condition("CanaryHealthy")


@pytest.mark.parametrize(
    ("failed", "verdict", "reason"), [(30, "worse", "CanaryWorse"), (0, "non-inferior", "CanaryNotWorse")]
)
def test_what_a_judge_finds_is_the_canarys_health(
    monkeypatch: pytest.MonkeyPatch, failed: int, verdict: str, reason: str
) -> None:
    judge = judge_server.Judge(CompareSettings())

    async def look() -> Evidence:
        return looked(failed=failed)

    monkeypatch.setattr(judge.reader, "look", look)
    asyncio.run(judge.look(NOW))
    status, document = answered(judge)
    assessment = CanaryAssessment.parse(document)
    assert status == 200 and assessment is not None
    assert (assessment.verdict, assessment.prod, assessment.canary) == (verdict, "3", "4")
    assert (assessment.prod_requests, assessment.canary_requests, assessment.minutes) == (12000, 12000, 60)
    assert assessment.checks["errors"] == verdict
    condition = canary_healthy(document)
    assert condition["reason"] == reason
    counts = "prod 12,000 requests, canary 12,000"
    assert condition["message"] == f"version 4: {assessment.message}; {counts}"


def test_the_judges_page_is_kept_in_one_place_and_an_unreachable_store_costs_no_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []

    def record(_: CompareSettings, document: dict[str, Any]) -> str:
        written.append(document["run_id"])
        if len(written) == 2:
            raise CannotJudgeError("S3 does not answer")
        return f"s3://mlflow/{document['run_id']}/compare.html"

    async def look() -> Evidence:
        return looked(failed=0)

    monkeypatch.setattr(published, "record", record)
    judge = judge_server.Judge(CompareSettings(report_bucket="mlflow"))
    monkeypatch.setattr(judge.reader, "look", look)
    uris = []
    for minutes in (0, 1, 9, 11, 22):
        asyncio.run(judge.look(NOW + timedelta(minutes=minutes)))
        uris.append(answered(judge)[1]["uri"])
    assert (
        len(written) == 3 and len(set(written)) == 1
    )  # at first, after ten minutes (in vain), after ten more
    assert set(uris) == {f"s3://mlflow/{written[0]}/compare.html"}


def test_a_judge_that_has_not_looked_says_so_and_the_canary_just_serves() -> None:
    status, document = answered(judge_server.Judge(CompareSettings()))
    assessment = CanaryAssessment.parse(document)
    assert status == 503 and assessment is not None
    assert (assessment.verdict, assessment.error) == ("undecided", "the judge has not looked yet")
    found = canary_healthy(document)
    assert found["reason"] == "CanaryServing"
    assert found["message"].endswith("; compared with prod: not compared yet: the judge has not looked yet")
