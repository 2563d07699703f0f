"""The chart's life by a real Helm on a real API server: install, upgrade, roll back, uninstall, come back.

There is no node here: what is tried is what the API server takes, keeps and refuses. Pods are e2e's business.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.tools import path_of
from neighbours import api_server
from neighbours.processes import ROOT
from neighbours.releases import CHART, older_chart

RESOURCE = """
apiVersion: driftlead.dev/v1alpha1
kind: ModelDeployment
metadata: {name: demo}
spec: {model: M, prod: {stage: Production}}
"""


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    """An API server of this module's own: releases hold objects of the whole cluster."""
    with api_server() as path:
        yield path


class Cluster:
    """kubectl and helm with one kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.tools = [path_of("kubectl"), path_of("helm")]
        self.kubeconfig = kubeconfig

    def try_(self, program: int, *words: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [self.tools[program], f"--kubeconfig={self.kubeconfig}", *words]
        return subprocess.run(command, check=False, capture_output=True, text=True, input=given, timeout=100)

    def kubectl(self, *words: str | Path, given: str = "") -> str:
        done = self.try_(0, *words, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def helm(self, *words: str | Path) -> str:
        done = self.try_(1, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *words: str | Path) -> str:
        done = self.try_(1, *words)
        assert done.returncode != 0, "taken, but should be refused"
        return done.stderr

    def namespace(self, name: str) -> str:
        self.kubectl("create", "namespace", name)
        label = "pod-security.kubernetes.io/enforce=restricted"
        self.kubectl("label", "namespace", name, label)
        return name

    def there(self, kind: str, namespace: str) -> set[str]:
        listed = self.kubectl("get", kind, "-n", namespace, "-o", "name")
        return {line.split("/")[1] for line in listed.splitlines()}

    def read(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path) -> Cluster:
    return Cluster(kubeconfig)


@pytest.fixture
def clean(cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """Makes namespaces; afterwards no release, resource or definition of ours is left."""
    made: list[str] = []

    def namespace(name: str) -> str:
        made.append(cluster.namespace(name))
        return name

    yield namespace
    for name in made:
        for release in json.loads(cluster.helm("list", "-n", name, "-o", "json")):
            cluster.helm("uninstall", release["name"], "-n", name)
    crd = "modeldeployments.driftlead.dev"
    cluster.kubectl("delete", "crd", crd, "--ignore-not-found", "--wait=true", "--timeout=60s")


def test_before_the_chart_is_installed_the_command_line_says_what_is_missing(kubeconfig: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "driftlead_cli", "tree", "demo"],
        check=False,
        capture_output=True,
        text=True,
        env={"KUBECONFIG": str(kubeconfig)},
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "this cluster does not know ModelDeployments: install the chart, helm install driftlead\n"
    )


DEV = ["--set", "devStack.enabled=true"]


def test_an_uninstall_keeps_what_serves_and_the_same_name_takes_it_over_again(
    cluster: Cluster, clean: Callable[[str], str]
) -> None:
    here = clean("kept")
    cluster.helm("install", "driftlead", CHART, "-n", here, *DEV)
    cluster.kubectl("apply", "-n", here, "-f", "-", given=RESOURCE)
    before = cluster.read("modeldeployment", "demo", here)["metadata"]["uid"]
    cluster.helm("uninstall", "driftlead", "-n", here)
    assert cluster.there("deployments", here) == set()
    assert cluster.there("secrets", here) == {"driftlead-connections"}
    assert "driftlead-connections" in cluster.there("configmaps", here)
    assert cluster.read("modeldeployment", "demo", here)["metadata"]["uid"] == before
    cluster.helm("install", "driftlead", CHART, "-n", here, *DEV)
    assert "driftlead-operator" in cluster.there("deployments", here)
    assert cluster.read("modeldeployment", "demo", here)["metadata"]["uid"] == before


def test_another_name_is_refused_what_the_old_release_left_unless_it_takes_ownership(
    cluster: Cluster, clean: Callable[[str], str]
) -> None:
    here, there = clean("old-home"), clean("new-home")
    cluster.helm("install", "driftlead", CHART, "-n", here)
    cluster.helm("uninstall", "driftlead", "-n", here)
    words = cluster.refused("install", "other", CHART, "-n", there)
    assert "modeldeployments.driftlead.dev" in words
    assert "invalid ownership metadata" in words
    cluster.helm("install", "other", CHART, "-n", there, "--take-ownership")
    assert "other-driftlead-operator" in cluster.there("deployments", there)


def test_a_second_namespaced_release_stands_beside_the_first(
    cluster: Cluster, clean: Callable[[str], str]
) -> None:
    first, second, team = clean("first"), clean("second"), clean("team-b")
    cluster.helm("install", "driftlead", CHART, "-n", first, "--set", "watch.namespaces={first}")
    own = ["--set", "crds.enabled=false", "--set", "rbac.aggregate=false"]
    cluster.helm("install", "driftlead", CHART, "-n", second, *own, "--set", f"watch.namespaces={{{team}}}")
    cluster.helm("uninstall", "driftlead", "-n", second)
    assert "driftlead-operator" in cluster.there("deployments", first)
    assert cluster.kubectl("get", "crd", "modeldeployments.driftlead.dev", "-o", "name").strip()


def test_an_upgrade_adds_fields_to_the_api_and_a_rollback_brings_the_old_chart_back(
    cluster: Cluster, clean: Callable[[str], str], tmp_path: Path
) -> None:
    here = clean("upgraded")
    suspended = RESOURCE.replace("}}\n", "}, suspend: true}\n")
    cluster.helm("install", "driftlead", older_chart(tmp_path), "-n", here)
    cluster.kubectl("apply", "-n", here, "-f", "-", given=RESOURCE)
    uid = cluster.read("modeldeployment", "demo", here)["metadata"]["uid"]
    refused = cluster.try_(0, "apply", "-n", here, "-f", "-", given=suspended)
    assert 'unknown field "spec.suspend"' in refused.stderr
    cluster.helm("upgrade", "driftlead", CHART, "-n", here)
    cluster.kubectl("apply", "-n", here, "-f", "-", given=suspended)
    assert cluster.read("modeldeployment", "demo", here)["spec"]["suspend"] is True
    cluster.helm("rollback", "driftlead", "1", "-n", here)
    again = cluster.read("modeldeployment", "demo", here)["metadata"]
    assert again["uid"] == uid
    operator = cluster.read("deployment", "driftlead-operator", here)
    assert operator["metadata"]["labels"]["helm.sh/chart"] == "driftlead-0.0.9"


def test_an_upgrade_that_changes_nothing_changes_no_pod_and_no_password(
    cluster: Cluster, clean: Callable[[str], str]
) -> None:
    here = clean("same")
    cluster.helm("install", "driftlead", CHART, "-n", here, *DEV)

    def picture() -> tuple[dict[str, int], Any]:
        listed = json.loads(cluster.kubectl("get", "deployments", "-n", here, "-o", "json"))["items"]
        generations = {each["metadata"]["name"]: each["metadata"]["generation"] for each in listed}
        return generations, cluster.read("secret", "driftlead-connections", here)["data"]

    before = picture()
    assert set(before[0].values()) == {1}
    cluster.helm("upgrade", "driftlead", CHART, "-n", here, *DEV)
    assert picture() == before


@pytest.fixture
def prometheus_operator(cluster: Cluster) -> Iterator[None]:
    """An API server that knows Prometheus operator's own kinds."""
    folder = path_of("prometheus-crds")
    kinds = ("servicemonitors", "podmonitors", "prometheusrules")
    files = [word for kind in kinds for word in ("-f", str(folder / f"monitoring.coreos.com_{kind}.yaml"))]
    cluster.kubectl("apply", "--server-side", *files)
    cluster.kubectl("wait", "--for=condition=Established", *files, "--timeout=60s")
    yield
    cluster.kubectl("delete", *files)


@pytest.mark.usefixtures("prometheus_operator")
@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
def test_everything_switched_on_is_taken_by_the_api_server_with_no_unknown_field(
    monitor: str, cluster: Cluster, clean: Callable[[str], str]
) -> None:
    here, teams = clean(f"everything-{monitor.lower()}"), f"{monitor.lower()}-a,{monitor.lower()}-b"
    for name in teams.split(","):
        clean(name)
    values = ["-n", here, "-f", CHART / "ci/everything-values.yaml"]
    for value in (f"watch.namespaces={{{teams}}}", f"connections.namespaces={{{teams}}}"):
        values += ["--set", value]
    for each in ("serviceMonitor", "podMonitor"):
        values += ["--set", f"monitoring.{each}.enabled={str(each == monitor).lower()}"]
    cluster.helm("install", "everything", CHART, *values)
    assert len(cluster.there("networkpolicies", here)) == 4
    found = cluster.there("servicemonitors", here) | cluster.there("podmonitors", here)
    assert found == {"everything-operator", "everything-models", "everything-judges"}
    assert cluster.there("prometheusrules", here) == {"everything"}
    rendered = cluster.helm("template", "everything", CHART, "--skip-tests", *values)
    strict = ["--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"]
    cluster.kubectl("apply", *strict, "-f", "-", given=rendered)


def test_install_yaml_is_taken_as_it_is_and_a_second_time_changes_nothing(
    cluster: Cluster, clean: Callable[[str], str]
) -> None:
    clean("beside")
    manifest = ROOT / "charts/install/install.yaml"
    cluster.kubectl("apply", "--server-side", "-f", manifest)
    generation = cluster.read("deployment", "driftlead-operator", "driftlead")["metadata"]["generation"]
    cluster.kubectl("apply", "--server-side", "-f", manifest)
    again = cluster.read("deployment", "driftlead-operator", "driftlead")["metadata"]["generation"]
    assert again == generation == 1
    # What is not a namespace's goes again, or the next release would find it.
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/part-of=driftlead")
