"""A real Prometheus scrapes our collectors as the ServiceMonitors say: rules and dashboards find data."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from prometheus_client import generate_latest

from driftlead_drift.compare.judge_server import Metrics as JudgeMetrics
from driftlead_inference.metrics import Metrics
from driftlead_inference.recorder.metrics import RecorderCollector
from driftlead_operator import metrics as operator_metrics
from driftlead_operator.fleet import Fleet
from hack.tools import path_of
from neighbours.prometheus import DASHBOARDS, Prometheus, chosen, prometheus_server, questions
from neighbours.releases import CHART

Render = Callable[[], bytes]
SCRAPES = 4


def condition(kind: str, status: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": "X", "message": "x"}


def resource(now: datetime) -> dict[str, Any]:
    """One on which everything is switched on and everything has been seen."""
    feature = {"name": "temp", "psi": "9.81", "low": "9.55", "high": "10.1"}
    stage = {"replicas": 2, "readyReplicas": 2, "outdated": False}
    return {
        "metadata": {"name": "demo", "namespace": "ml"},
        "spec": {
            "model": "M",
            "prod": {"stage": "Production"},
            "canary": {"stage": "Staging"},
            "drift": {"schedule": "*/15 * * * *"},
            "retraining": {"function": "a:b", "maxAttemptsPerDay": 2},
        },
        "status": {
            "prod": {**stage, "version": "3", "target": {"version": "3"}},
            "canary": {**stage, "version": "4", "target": {"version": "4"}},
            "drift": {
                "verdict": "drift",
                "lastRunTime": (now - timedelta(minutes=3)).isoformat(),
                "rows": 40_000,
                "consecutive": 2,
                "topFeatures": [feature],
            },
            "retraining": {"day": now.date().isoformat(), "attemptsToday": 2},
            "conditions": [
                condition("Ready", "True"),
                condition("Available", "True"),
                condition("DriftDetected", "True"),
                condition("DriftCheckFailed", "False"),
                condition("CanaryHealthy", "True"),
            ],
        },
    }


def operator() -> bytes:
    """The leader's page, once everything that it counts has happened."""
    now = datetime.now(UTC)
    operator_metrics.LEADER.set(1)
    operator_metrics.RECONCILES.labels("unchanged").inc()
    operator_metrics.RECONCILE_SECONDS.observe(0.01)
    operator_metrics.REGISTRY_POLLS.labels("default", "ok").inc()
    operator_metrics.REGISTRY_UNREACHABLE.labels("default").set(0)
    operator_metrics.API_REQUESTS.labels("get", "pods", "200").inc()
    operator_metrics.WATCH_MISSED.labels("pods").inc(0)
    return generate_latest(operator_metrics.REGISTRY) + Fleet([lambda: resource(now)], now).render()


def pod(stage: str, version: str) -> Render:
    """The page of a pod whose figures grow with each scrape, a few errors among them."""
    metrics, progress = Metrics(stage), MagicMock(rows=0, error="")
    for name in ("rejected", "corrupt_rows", "corrupt_bytes", "imported", "transactions", "failures"):
        setattr(progress, name, 0)
    recorder = MagicMock(dropped={}, pending=3, lag_seconds=0.5, spool=MagicMock(size=10, limit=100))
    recorder.writer.progress = progress
    metrics.version, metrics.engine = version, "onnx"
    metrics.load_seconds.labels("download").set(1.5)
    metrics.registry.register(RecorderCollector(recorder))

    def page() -> bytes:
        for _ in range(20):
            metrics.route("/predict", 200).observe(0.002)
            metrics.batches.observe(3)
        metrics.route("/predict", 500).observe(0.1)
        progress.rows += 20
        return metrics.render()

    return page


def judge() -> bytes:
    """The page of the judge beside the canary, after a look."""
    metrics = JudgeMetrics()
    for check in ("errors", "latency"):
        metrics.verdict.labels(check).set(0)
        metrics.evidence.labels(check).set(-0.2)
    for side in ("prod", "canary"):
        metrics.requests.labels(side).set(1000)
    metrics.needed.set(400)
    return generate_latest(metrics.registry)


@contextmanager
def served(page: Render) -> Iterator[int]:
    """The port at which a page answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def monitors() -> dict[str, dict[str, Any]]:
    """The endpoint of each monitor that the chart renders, by what it scrapes."""
    values = ["--set", "monitoring.serviceMonitor.enabled=true"]
    command = [path_of("helm"), "template", "driftlead", str(CHART), "-n", "driftlead", *values]
    rendered = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = [
        each
        for each in yaml.safe_load_all(rendered)
        if each and each["kind"] in ("ServiceMonitor", "PodMonitor")
    ]
    return {
        each["metadata"]["name"].removeprefix("driftlead-"): (
            each["spec"].get("endpoints") or each["spec"]["podMetricsEndpoints"]
        )[0]
        for each in found
    }


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)


def job(name: str, endpoint: Mapping[str, Any], targets: list[dict[str, Any]]) -> dict[str, Any]:
    """A scrape configuration as Prometheus operator makes it of an endpoint; only the interval is our own."""
    usual = [
        {"source_labels": [f"__meta_kubernetes_{each}"], "target_label": label}
        for each, label in (("namespace", "namespace"), ("pod_name", "pod"), ("service_name", "service"))
    ]
    own = [{snake(key): value for key, value in each.items()} for each in endpoint.get("relabelings", [])]
    return {
        "job_name": name,
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint.get("honorLabels", False),
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "relabel_configs": [*usual, *own],
        "static_configs": targets,
    }


def target(port: int, namespace: str, name: str, **labels: str) -> dict[str, Any]:
    """A pod as Prometheus' discovery describes it."""
    discovered = {
        "__meta_kubernetes_namespace": namespace,
        "__meta_kubernetes_pod_name": name,
        **{f"__meta_kubernetes_pod_label_{key}": value for key, value in labels.items()},
    }
    return {"targets": [f"127.0.0.1:{port}"], "labels": discovered}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    endpoints = monitors()
    with ExitStack() as stack:
        leader = stack.enter_context(served(operator))
        stages = {
            stage: stack.enter_context(served(pod(stage, version)))
            for stage, version in (("prod", "3"), ("canary", "4"))
        }
        models = [
            target(each, "ml", f"demo-{stage}-x", driftlead_dev_name="demo") for stage, each in stages.items()
        ]
        seat = stack.enter_context(served(judge))
        referee = target(seat, "ml", "demo-judge-x", driftlead_dev_name="demo")
        configuration = {
            "global": {"evaluation_interval": "1s"},
            "rule_files": [str(CHART / "rules/*.yaml")],
            "scrape_configs": [
                job("operator", endpoints["operator"], [target(leader, "driftlead", "operator-x")]),
                job("models", endpoints["models"], models),
                job("judges", endpoints["judges"], [referee]),
            ],
        }
        server = stack.enter_context(prometheus_server(configuration, folder))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            counted = server.query("count_over_time(driftlead_inference_requests_total[1m])")
            if counted and all(float(each["value"][1]) >= SCRAPES for each in counted):
                break
            time.sleep(0.2)
        yield server


def test_a_models_series_carry_its_resource_and_the_operators_keep_their_own(prometheus: Prometheus) -> None:
    labels = prometheus.query('driftlead_inference_requests_total{stage="canary", status="200"}')[0]["metric"]
    assert (labels["namespace"], labels["name"], labels["pod"]) == ("ml", "demo", "demo-canary-x")
    labels = prometheus.query("driftlead_modeldeployment_info")[0]["metric"]
    assert (labels["namespace"], labels["name"], labels["pod"]) == ("ml", "demo", "operator-x")


QUESTIONS = dict(questions())


@pytest.mark.parametrize("panel", QUESTIONS)
def test_every_query_of_the_dashboards_has_data(panel: str, prometheus: Prometheus) -> None:
    expr = chosen(QUESTIONS[panel], namespace="ml", name="demo")
    found = prometheus.query(expr)
    assert found, expr
    assert all(each["value"][1] != "NaN" for each in found), found


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_label_that_a_legend_names_is_on_the_series(path: Path, prometheus: Prometheus) -> None:
    for panel in json.loads(path.read_text())["panels"]:
        for each in panel.get("targets", []):
            expr = chosen(each["expr"], namespace="ml", name="demo")
            wanted = set(re.findall(r"\{\{(\w+)\}\}", each["legendFormat"]))
            for series in prometheus.query(expr):
                assert wanted <= series["metric"].keys(), (panel["title"], series["metric"])


def test_every_choice_above_a_dashboard_has_something_to_choose(prometheus: Prometheus) -> None:
    board = json.loads((CHART / "dashboards/driftlead-model.json").read_text())
    for variable in board["templating"]["list"][1:]:
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert match
        series = prometheus.query(match[1].replace("$namespace", "ml"))
        assert {each["metric"][match[2]] for each in series} <= {"ml", "demo"}
        assert series


def test_prometheus_evaluates_every_alert_and_those_that_should_fire_do(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + 20
    while True:
        rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] == "ok" for rule in rules) or time.monotonic() > deadline:
            break
        time.sleep(0.3)
    assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]
    firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
    assert firing == {"DriftleadDriftFound", "DriftleadRetrainingExhausted"}
