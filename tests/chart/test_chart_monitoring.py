"""Alerts, runbooks, dashboards, scraping: each alert is tried by promtool, each metric is the code's."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from chart.rendering import CHART, ROOT, Object, Render
from driftlead_drift.compare.judge_server import Metrics as JudgeMetrics
from driftlead_inference.metrics import Metrics as InferenceMetrics
from driftlead_inference.recorder.metrics import RecorderCollector
from driftlead_operator import metrics as operator_metrics
from driftlead_operator.fleet import Fleet

RULES = CHART / "rules/driftlead.yaml"
TRIALS = ROOT / "tests/chart/alerts.yaml"
RUNBOOKS = sorted((CHART / "runbooks").glob("*.md"))
DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))
METRIC = re.compile(r"\bdriftlead_(?:operator|inference|drift|modeldeployment)_[a-z0-9_]+")


def promtool(*words: str | Path) -> str:
    done = subprocess.run(["promtool", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts() -> dict[str, Object]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_promtool_takes_the_rules() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES)


def test_every_alert_fires_and_stays_silent_as_its_trial_says() -> None:
    assert "SUCCESS" in promtool("test", "rules", TRIALS)


def test_every_alert_has_a_trial_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    trials = [
        each for test in yaml.safe_load(TRIALS.read_text())["tests"] for each in test["alert_rule_test"]
    ]
    assert {each["alertname"] for each in trials if each["exp_alerts"]} == set(alerts())
    assert {each["alertname"] for each in trials if not each["exp_alerts"]} == set(alerts())


@pytest.mark.parametrize("name", alerts())
def test_every_alert_says_how_bad_what_it_is_and_what_was_seen(name: str) -> None:
    rule = alerts()[name]
    assert name.startswith("Driftlead")
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"].endswith(".")
    assert len(rule["annotations"]["description"]) > len(rule["annotations"]["summary"])


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS} == set(alerts())


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_says_meaning_impact_diagnosis_and_mitigation(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert len(text.splitlines()) < 60


def rendered_rules(render: Render, **values: Any) -> dict[str, Object]:
    values = {"monitoring": {"prometheusRule": {"enabled": True, **values}}}
    spec = render(values).one("PrometheusRule", "driftlead")["spec"]
    return {rule["alert"]: rule for group in spec["groups"] for rule in group["rules"]}


def test_the_chart_installs_every_alert_unchanged_with_the_address_of_its_runbook(render: Render) -> None:
    rendered = rendered_rules(render)
    assert set(rendered) == set(alerts())
    for name, rule in alerts().items():
        address = rendered[name]["annotations"].pop("runbook_url")
        assert (
            address == f"https://github.com/driftlead/driftlead/blob/main/charts/driftlead/runbooks/{name}.md"
        )
        assert rendered[name] == rule


def test_alerts_are_left_out_and_labelled_by_value(render: Render) -> None:
    rendered = rendered_rules(
        render,
        excludeRules=["DriftleadCanaryStuck"],
        additionalLabels={"team": "ml", "severity": "page"},
        runbookURL="https://runbooks.example.com/",
    )
    assert set(rendered) == set(alerts()) - {"DriftleadCanaryStuck"}
    for name, rule in rendered.items():
        assert rule["labels"] == {"team": "ml", "severity": "page"}
        assert rule["annotations"]["runbook_url"] == f"https://runbooks.example.com/{name}.md"


def test_a_group_without_any_alert_left_is_left_out(render: Render) -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    gone = [rule["alert"] for rule in groups[-1]["rules"]]
    values = {"monitoring": {"prometheusRule": {"enabled": True, "excludeRules": gone}}}
    spec = render(values).one("PrometheusRule", "driftlead")["spec"]
    assert [group["name"] for group in spec["groups"]] == [group["name"] for group in groups[:-1]]


def test_promtool_takes_what_the_chart_renders(render: Render, tmp_path: Path) -> None:
    spec = render({}, "everything").one("PrometheusRule", "everything")["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    assert "SUCCESS" in promtool("check", "rules", tmp_path / "rules.yaml")


def test_nothing_of_monitoring_is_there_unless_asked_for(render: Render) -> None:
    assert render().kind("ServiceMonitor", "PodMonitor", "PrometheusRule") == []
    assert not any(each["metadata"]["name"].endswith("-dashboard") for each in render().kind("ConfigMap"))


@pytest.mark.parametrize("kind", ["serviceMonitor", "podMonitor"])
def test_scraping_names_the_models_resource_and_keeps_the_operators_own_labels(
    kind: str, render: Render
) -> None:
    mine = {"action": "labeldrop", "regex": "endpoint"}
    objects = render({"monitoring": {kind: {"enabled": True, "relabelings": [mine]}}})
    made = objects.kind(kind[0].upper() + kind[1:])
    part = "endpoints" if kind == "serviceMonitor" else "podMetricsEndpoints"
    (operator,), (models,) = (each["spec"][part] for each in made if "judges" not in each["metadata"]["name"])
    name = {"sourceLabels": ["__meta_kubernetes_pod_label_driftlead_dev_name"], "targetLabel": "name"}
    assert models["relabelings"] == [name, mine]
    assert operator["relabelings"] == [mine]
    assert operator["honorLabels"] is True
    assert "honorLabels" not in models
    judges = objects.one("PodMonitor", "driftlead-judges")["spec"]
    assert judges["podMetricsEndpoints"][0]["relabelings"] == [name, mine]
    (only,) = judges["selector"]["matchExpressions"]
    assert only["values"] == ["judge"]


def test_dashboards_are_fresh() -> None:
    check = [sys.executable, "-m", "hack.dashboards", "--check"]
    done = subprocess.run(check, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_dashboards_are_config_maps_that_grafanas_sidecar_finds(render: Render) -> None:
    objects = render(
        {"monitoring": {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "ML"}}}}
    )
    for path in DASHBOARDS:
        name = path.stem.removeprefix("driftlead-")
        made = objects.one("ConfigMap", f"driftlead-{name}-dashboard")
        assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert made["metadata"]["annotations"] == {"grafana_folder": "ML"}
        assert json.loads(made["data"][path.name]) == json.loads(path.read_text())


def expressions(board: Object) -> Iterator[tuple[str, str]]:
    """Each panel's title and query, with Grafana's variables put in."""
    for panel in board["panels"]:
        for each in panel.get("targets", []):
            expr = each["expr"].replace("$__rate_interval", "5m")
            yield panel["title"], re.sub(r"\$(namespace|name)\b", r"\1", expr)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_is_promql(path: Path, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{place}", "expr": expr}
        for place, (_, expr) in enumerate(expressions(json.loads(path.read_text())))
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", tmp_path / "rules.yaml")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_ids_of_their_own_and_do_not_overlap(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


RESOURCE = {
    "metadata": {"name": "demo", "namespace": "ml"},
    "spec": {"model": "M", "drift": {"schedule": "@hourly"}, "retraining": {}},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "prod": {"version": "3", "target": {"version": "3"}},
        "drift": {
            "verdict": "drift",
            "lastRunTime": "2026-11-24T11:55:00Z",
            "topFeatures": [{"name": "temp", "psi": "9.8", "low": "9.5", "high": "10.1"}],
        },
    },
}


def collectors() -> list[Any]:
    """What the components register for Prometheus."""
    progress = MagicMock(
        rows=1, rejected=0, corrupt_rows=0, corrupt_bytes=0, imported=0, transactions=1, failures=0
    )
    recorder = MagicMock(dropped={}, pending=0, lag_seconds=0.0, spool=MagicMock(size=0, limit=1))
    recorder.writer.progress = progress
    inference = InferenceMetrics("prod")
    inference.route("/predict", 200).observe(0.001)
    fleet = Fleet([lambda: RESOURCE], datetime(2026, 11, 24, tzinfo=UTC))
    judge = JudgeMetrics().registry
    return [operator_metrics.REGISTRY, fleet, inference.registry, RecorderCollector(recorder), judge]


def exposed() -> set[str]:
    """The name of every series that they expose."""
    names: set[str] = set()
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    for family in (each for collector in collectors() for each in collector.collect()):
        names |= {family.name + suffix for suffix in suffixes.get(family.type, ("",))}
    return names


def test_promtool_finds_no_fault_with_names_and_helps_of_our_metrics() -> None:
    for collector in collectors():
        # Each by itself: components stand on ports of their own, and each has its process_* metrics.
        registry = CollectorRegistry()
        registry.register(collector)
        done = subprocess.run(
            ["promtool", "check", "metrics"],
            check=False,
            input=generate_latest(registry),
            capture_output=True,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def asked() -> Iterator[tuple[str, str]]:
    """Each metric's name that a rule, a dashboard or a runbook asks for, and where."""
    for page in [*RUNBOOKS, RULES, TRIALS]:
        yield from ((page.name, name) for name in METRIC.findall(page.read_text()))
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        for title, expr in expressions(board):
            yield from ((f"{path.name}: {title}", name) for name in METRIC.findall(expr))
        for variable in board["templating"]["list"]:
            for name in METRIC.findall(str(variable["query"])):
                yield f"{path.name}: {variable['name']}", name


def test_every_metric_that_is_asked_for_is_one_that_the_code_exposes() -> None:
    known = exposed()
    invented = {f"{name} ({where})" for where, name in asked() if name not in known}
    assert invented == set()
