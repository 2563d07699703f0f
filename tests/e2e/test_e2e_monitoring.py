"""The chart's monitors, rules and dashboards by Prometheus operator and a real Prometheus, in the demo.

Prometheus operator makes the server's configuration of what it finds on the cluster; the server, Debian's,
runs on this machine with just that configuration, since no image of it is on the node. Debian builds it
without discovery in Kubernetes, so the pods and Services that it would find are written to files for it.
"""

import base64
import gzip
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.serving import upgrade
from hack import local_cluster
from hack.demo.shell import ENVIRONMENT, eventually, run
from hack.demo.steps import STEPS, Demo
from hack.demo.system import System
from hack.ports import free_port, listens
from hack.tools import path_of
from neighbours.processes import running
from neighbours.prometheus import Prometheus, chosen, prometheus_server, questions
from neighbours.releases import CHART

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
    # The pod's own reloader would put these in: which share of the targets is this server's, and who it is.
    for name, value in ((RULES, f"{folder}/rules/"), ("$(SHARD)", "0"), ("$(POD_NAME)", NAME)):
        text = text.replace(name, value)
    made: dict[str, Any] = yaml.safe_load(text)
    return made


def labelled(kind: str, labels: Mapping[str, str]) -> dict[str, str]:
    """An object's labels as discovery names them."""
    found = {}
    for key, value in labels.items():
        name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
        found[f"__meta_kubernetes_{kind}_label_{name}"] = value
        found[f"__meta_kubernetes_{kind}_labelpresent_{name}"] = "true"
    return found


def discovered(system: System) -> dict[str, list[dict[str, Any]]]:
    """Targets with their labels by role, for what runs in this namespace."""
    found: dict[str, list[dict[str, Any]]] = {"pod": [], "endpoints": []}
    services = system.get("services")["items"]
    for pod in system.get("pods")["items"]:
        meta, address = pod["metadata"], pod["status"].get("podIP")
        if not address or pod["status"]["phase"] != "Running":
            continue
        own = meta.get("labels", {})
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", []):
                labels = {
                    "__meta_kubernetes_namespace": meta["namespace"],
                    "__meta_kubernetes_pod_name": meta["name"],
                    "__meta_kubernetes_pod_phase": "Running",
                    "__meta_kubernetes_pod_ready": "true",
                    "__meta_kubernetes_pod_container_name": container["name"],
                    "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
                    "__meta_kubernetes_pod_container_port_number": str(port["containerPort"]),
                    **labelled("pod", own),
                }
                target = {"targets": [f"{address}:{port['containerPort']}"], "labels": labels}
                found["pod"].append(target)
                for service in services:
                    selector = service["spec"].get("selector") or {"": ""}
                    ports = [
                        each for each in service["spec"]["ports"] if each["targetPort"] == port.get("name")
                    ]
                    if ports and selector.items() <= own.items():
                        more = {
                            "__meta_kubernetes_service_name": service["metadata"]["name"],
                            "__meta_kubernetes_endpoint_port_name": ports[0].get("name", ""),
                            "__meta_kubernetes_endpoint_address_target_kind": "Pod",
                            "__meta_kubernetes_endpoint_address_target_name": meta["name"],
                            "__meta_kubernetes_endpoint_ready": "true",
                            **labelled("service", service["metadata"].get("labels", {})),
                        }
                        found["endpoints"].append({**target, "labels": labels | more})
    return found


@contextmanager
def discovery(system: System, folder: Path, made: dict[str, Any]) -> Iterator[None]:
    """Puts files in the place of Kubernetes' discovery, and writes them again every few seconds."""
    over = threading.Event()

    def write() -> None:
        while True:
            for role, targets in discovered(system).items():
                aside = folder / f"{role}.part"
                aside.write_text(json.dumps(targets))
                aside.rename(folder / f"{role}.json")
            if over.wait(3):
                return

    for job in made["scrape_configs"]:
        (asked_for,) = job.pop("kubernetes_sd_configs")
        job["file_sd_configs"] = [{"files": [str(folder / f"{asked_for['role']}.json")]}]
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def watched(
    cluster: local_cluster.Cluster, system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """The first release with its monitors, and a server that scrapes as they say."""
    if isinstance(cluster, local_cluster.Kind):
        pytest.skip("does not apply: pods of a node in Docker are not reached from this machine")
    folder = tmp_path_factory.mktemp("prometheus")
    kubeconfig = ENVIRONMENT["KUBECONFIG"]
    files = ["-f", str(path_of("prometheus-crds"))]
    run("kubectl", "apply", "--server-side", *files)
    run("kubectl", "wait", "--for=condition=Established", *files, "--timeout=60s")
    with ExitStack() as stack:
        stack.callback(run, "kubectl", "delete", *files)
        upgrade(system, values=VALUES)
        off = {each: {"enabled": False} for each in VALUES["monitoring"]}
        stack.callback(upgrade, system, values={"monitoring": off})
        proxy, port = free_port(), free_port()
        command = [path_of("kubectl"), "proxy", f"--port={proxy}", f"--kubeconfig={kubeconfig}"]
        stack.enter_context(running(command, log=folder / "proxy.log", answers=lambda: listens(proxy)))
        command = [path_of("prometheus-operator"), f"--apiserver=http://127.0.0.1:{proxy}"]
        command += [f"--namespaces={system.namespace}", f"--web.listen-address=127.0.0.1:{port}"]
        log = folder / "operator.log"
        stack.enter_context(running(command, log=log, answers=lambda: listens(port)))
        run(*system.kubectl("apply", "-f", "-"), given=prometheus(proxy))
        made = configuration(system, folder)
        stack.enter_context(discovery(system, folder, made))
        yield stack.enter_context(prometheus_server(made, folder))


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
    expr = chosen(QUESTIONS[panel], namespace=system.namespace, name="demo", interval="20s")
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
