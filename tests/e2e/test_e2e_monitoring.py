"""The chart's monitors, rules and dashboards by Prometheus operator and a real Prometheus, in the demo.

Prometheus operator makes the server's configuration of what it finds on the cluster; the server, Debian's,
runs on this machine with just that configuration, since no image of it is on the node.
"""

import base64
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

import cluster as machine
from e2e.serving import upgrade
from neighbours.processes import ROOT, free_port, listens, running
from neighbours.prometheus import Prometheus, asked, prometheus_server, questions
from neighbours.releases import CHART
from shell import ENVIRONMENT, eventually, run
from steps import STEPS, Demo
from system import System

pytestmark = [pytest.mark.cluster, pytest.mark.platform]
INTERVAL = "5s"
VALUES = {
    "monitoring": {
        "serviceMonitor": {"enabled": True, "interval": INTERVAL, "scrapeTimeout": "4s"},
        "prometheusRule": {"enabled": True},
        "dashboards": {"enabled": True},
    }
}
NAME = "watch"
RULES = "/etc/prometheus/rules/"


def prometheus(proxy: int) -> str:
    """The server that Prometheus operator is to configure: of this version, with the cluster at this port."""
    everything: dict[str, Any] = {}
    spec = {
        "version": "v2.42.0",
        "replicas": 0,
        "apiserverConfig": {"host": f"http://127.0.0.1:{proxy}"},
        "scrapeInterval": INTERVAL,
        "evaluationInterval": INTERVAL,
        "serviceMonitorSelector": everything,
        "podMonitorSelector": everything,
        "ruleSelector": everything,
    }
    meta = {"name": NAME}
    return json.dumps(
        {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": meta, "spec": spec}
    )


def configuration(system: System, folder: Path) -> dict[str, Any]:
    """What Prometheus operator wrote for its server, the rules' files put into a folder of this machine."""
    jobs = ("serviceMonitor", "podMonitor")

    def written() -> str:
        named = f"metadata.name=prometheus-{NAME}"
        data = next((each["data"] for each in system.get("secret", "--field-selector", named)["items"]), {})
        text = gzip.decompress(base64.b64decode(data.get("prometheus.yaml.gz", ""))).decode() if data else ""
        return text if all(f"job_name: {each}" in text for each in jobs) and RULES in text else ""

    text = eventually(written, "Prometheus operator has written a configuration", 60)
    for each in system.get("configmap", "-l", f"prometheus-name={NAME}")["items"]:
        target = folder / "rules" / each["metadata"]["name"]
        target.mkdir(parents=True)
        for name, content in each["data"].items():
            (target / name).write_text(content)
    made: dict[str, Any] = yaml.safe_load(text.replace(RULES, f"{folder}/rules/"))
    return made


@pytest.fixture(scope="module")
def watched(
    cluster: machine.Cluster, system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """The first release with its monitors, and a server that scrapes as they say."""
    if isinstance(cluster, machine.Kind):
        pytest.skip("does not apply: pods of a node in Docker are not reached from this machine")
    tool = [sys.executable, str(ROOT / "hack/tools.py"), "prometheus-crds", "prometheus-operator"]
    crds, operator = subprocess.run(tool, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-2:]
    folder = tmp_path_factory.mktemp("prometheus")
    kubeconfig = ENVIRONMENT["KUBECONFIG"]
    files = ["-f", crds]
    run("kubectl", "apply", "--server-side", *files)
    run("kubectl", "wait", "--for=condition=Established", *files, "--timeout=60s")
    with ExitStack() as stack:
        stack.callback(run, "kubectl", "delete", *files)
        upgrade(system, values=VALUES)
        off = {each: {"enabled": False} for each in VALUES["monitoring"]}
        stack.callback(upgrade, system, values={"monitoring": off})
        proxy, port = free_port(), free_port()
        command = [machine.BUILD / "bin/kubectl", "proxy", f"--port={proxy}", f"--kubeconfig={kubeconfig}"]
        stack.enter_context(running(command, log=folder / "proxy.log", answers=lambda: listens(proxy)))
        words = [f"--apiserver=http://127.0.0.1:{proxy}", f"--namespaces={system.namespace}"]
        words += [f"--web.listen-address=127.0.0.1:{port}"]
        log = folder / "operator.log"
        stack.enter_context(running([operator, *words], log=log, answers=lambda: listens(port)))
        run(*system.kubectl("apply", "-f", "-"), given=prometheus(proxy))
        yield stack.enter_context(prometheus_server(configuration(system, folder), folder))


@pytest.fixture(scope="module")
def played(watched: Prometheus, demo: Demo) -> tuple[float, float]:
    """The demo, watched from its first model to its last promotion: when it began and ended."""
    began = time.time()
    for step in STEPS[1:]:
        step(demo)
    return began, time.time()


@pytest.mark.usefixtures("played")
def test_every_target_that_the_monitors_name_is_scraped(watched: Prometheus, system: System) -> None:
    targets = watched.get("targets")["activeTargets"]
    assert {each["health"] for each in targets} == {"up"}, [each["lastError"] for each in targets]
    pods = {each["labels"]["pod"] for each in targets}
    labels = "app.kubernetes.io/component in (prod,canary,judge,operator)"
    there = {each["metadata"]["name"] for each in system.get("pods", "-l", labels)["items"]}
    assert there <= pods
    scraped = [each["labels"]["pod"] for each in targets]
    assert len(scraped) == len(set(scraped)), "a pod is scraped twice"


@pytest.mark.parametrize("panel", QUESTIONS := dict(questions()))
def test_every_query_of_the_dashboards_has_data_in_a_run_of_the_demo(
    panel: str, watched: Prometheus, played: tuple[float, float], system: System
) -> None:
    began, ended = played
    expr = asked(QUESTIONS[panel], namespace=system.namespace, name="demo", interval="20s")
    span = {"start": f"{began:.0f}", "end": f"{ended:.0f}", "step": "5"}
    series = watched.get("query_range", query=expr, **span)["result"]
    numbers = [number for each in series for _, number in each["values"] if number != "NaN"]
    assert numbers, expr


@pytest.mark.usefixtures("played")
def test_prometheus_evaluates_every_rule_of_the_chart_and_only_drift_fires(watched: Prometheus) -> None:
    rules = [rule for group in watched.get("rules")["groups"] for rule in group["rules"]]
    written = yaml.safe_load((CHART / "rules/driftlead.yaml").read_text())["groups"]
    assert {rule["name"] for rule in rules} == {rule["alert"] for group in written for rule in group["rules"]}
    assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]
    assert {rule["name"] for rule in rules if rule["state"] == "firing"} <= {"DriftleadDriftFound"}
