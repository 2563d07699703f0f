"""The metrics of a resource, from its status."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from driftlead_operator.decisions.cron import longest_interval
from driftlead_operator.fleet import FAMILIES, PREFIX, Fleet, Sample, samples

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATUS = {
    "conditions": [
        {"type": "Ready", "status": "True"},
        {"type": "DriftDetected", "status": "True"},
    ],
    "prod": {"version": "3", "target": {"version": "4"}, "replicas": 3, "readyReplicas": 2},
    "drift": {
        "verdict": "drift",
        "lastRunTime": "2026-03-01T11:00:00Z",
        "rows": 41667,
        "consecutive": 2,
        "topFeatures": [{"name": "temp", "psi": "9.8", "low": "9.1"}],
    },
    "retraining": {"day": "2026-03-01", "attemptsToday": 2},
}
SPEC = {
    "model": "Demo",
    "drift": {"schedule": "*/15 * * * *", "tau": "0.2"},
    "retraining": {"maxAttemptsPerDay": 2},
}


def made(**changes: Any) -> dict[str, Any]:
    metadata = {"namespace": "team", "name": "demo"}
    return {"metadata": metadata, "spec": SPEC, "status": STATUS} | changes


def figures(resource: dict[str, Any]) -> dict[tuple[str, ...], float]:
    return {(each.family, *each.labels): each.value for each in samples(resource, NOW)}


def test_a_status_is_told_in_figures() -> None:
    told = figures(made())
    wanted = {
        ("info", "Demo", "default"): 1,
        ("condition", "Ready", "True"): 1,
        ("condition", "Ready", "False"): 0,
        ("stage_info", "prod", "3", "4"): 1,
        ("served_version", "prod"): 3,
        ("wanted_version", "prod"): 4,
        ("ready_replicas", "prod"): 2,
        ("drift_verdict", "drift"): 1,
        ("drift_verdict", "stable"): 0,
        ("drift_last_run_timestamp_seconds",): datetime(2026, 3, 1, 11, tzinfo=UTC).timestamp(),
        ("drift_interval_seconds",): 900,
        ("drift_tau",): 0.2,
        ("drift_psi", "temp"): 9.8,
        ("retraining_exhausted",): 1,
    }
    assert {name: told.get(name) for name in wanted} == wanted
    assert ("drift_psi_high", "temp") not in told


def test_figures_of_drift_are_those_of_the_verdict_that_holds() -> None:
    failed = {"verdict": "error", "lastRunTime": "2026-03-01T11:30:00Z", "lastVerdict": STATUS["drift"]}
    told = figures(made(status={**STATUS, "drift": failed}))
    wanted = {
        ("drift_verdict", "error"): 0,
        ("drift_verdict", "drift"): 1,
        ("drift_rows",): 41667,
        ("drift_last_run_timestamp_seconds",): datetime(2026, 3, 1, 11, 30, tzinfo=UTC).timestamp(),
        ("drift_verdict_timestamp_seconds",): datetime(2026, 3, 1, 11, tzinfo=UTC).timestamp(),
        ("drift_consecutive",): 2,
        ("drift_psi", "temp"): 9.8,
    }
    assert {name: told.get(name) for name in wanted} == wanted


def test_the_first_check_is_awaited_since_checks_were_asked_for_and_a_version_served() -> None:
    conditions = [
        {"type": "Available", "status": "True", "lastTransitionTime": "2026-03-01T10:00:00Z"},
        {"type": "DriftCheckFailed", "status": "False", "lastTransitionTime": "2026-03-01T09:00:00Z"},
    ]
    name = ("drift_awaited_since_timestamp_seconds",)
    new = {"conditions": conditions, "prod": STATUS["prod"]}
    assert figures(made(status=new))[name] == datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()
    assert name not in figures(made(status={**new, "drift": STATUS["drift"]}))
    assert name not in figures(made(status={**new, "prod": {}}))
    assert name not in figures(made(status={**new, "conditions": conditions[:1]}))
    assert name not in figures(made(spec={"model": "Demo"}, status=new))


def test_attempts_of_yesterday_do_not_count_today() -> None:
    status = {**STATUS, "retraining": {"day": "2026-02-28", "attemptsToday": 2}}
    told = figures(made(status=status))
    assert (told[("retraining_attempts_today",)], told[("retraining_exhausted",)]) == (0, 0)


def test_a_new_resource_has_figures_before_it_has_a_status() -> None:
    told = figures({"metadata": {}, "spec": {"model": "Demo"}})
    assert told == {("info", "Demo", "default"): 1, ("suspended",): 0}


def test_each_sample_has_the_labels_of_its_family() -> None:
    for each in samples(made(), NOW):
        assert len(each.labels) == len(FAMILIES[each.family][1]), each


def test_what_is_rendered_can_be_read_and_a_broken_status_spoils_no_other() -> None:
    conditions = [
        {"type": each, "status": "True", "lastTransitionTime": "never"}
        for each in ("Available", "DriftCheckFailed")
    ]
    broken = made(status={"conditions": conditions, "prod": STATUS["prod"]})
    text = Fleet([lambda: broken, made], NOW).render().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    labels = {"namespace": "team", "name": "demo", "model": "Demo", "registry": "default"}
    assert [each.labels for each in families[f"{PREFIX}info"].samples] == [labels]


def test_a_sample_is_a_plain_tuple() -> None:
    assert Sample("info", (), 1) == ("info", (), 1)


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        ("* * * * *", 60),
        ("*/15 * * * *", 900),
        ("17 * * * *", 3600),
        ("5,50 8-18 * * *", 47700),
        ("@daily", 86400),
        ("0 3 * * mon-fri", 3 * 86400),
        ("0 0 1 * *", 31 * 86400),
        ("0 0 1 * sun", 7 * 86400),
        ("nonsense", None),
        ("0 0 * *", None),
        ("0 0 31 2 *", None),
    ],
)
def test_a_schedule_fires_at_least_so_often(schedule: str, seconds: float | None) -> None:
    assert longest_interval(schedule) == seconds
