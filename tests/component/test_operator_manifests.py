"""What the operator renders, against a real API server: taken as it is, and as wanted once it is stored."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Manifest, Ref
from driftlead_operator.decisions.render import apply_diff
from unit.operator_world import World

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = {
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "env": [
        {"name": "EMPTY", "value": ""},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
    ],
    "annotations": {"team": "a"},
    "labels": {"team": "a"},
    "serviceAccountName": "default",
    "imagePullSecrets": [{"name": "pull"}],
    "securityContext": {"runAsUser": 1000, "fsGroup": 0},
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {}}}
            ]
        }
    },
    "volumes": [{"name": "more", "emptyDir": {"sizeLimit": "1024Mi"}}],
    "volumeMounts": [{"name": "more", "mountPath": "/more", "readOnly": False}],
}
EVERYTHING: dict[str, Any] = {
    "prod": {"stage": "Production", "replicas": 1, "autoscaling": {"minReplicas": 2, "maxReplicas": 4}},
    "inference": {
        "resources": {"requests": {"cpu": "1000m", "memory": "0.5Gi"}, "limits": {"cpu": 2}},
        "predictionLog": {"mode": "durable", "spoolSize": "1024Mi", "whenFull": "refuse"},
        "front": "asgi",
        "overlay": OVERLAY,
    },
    "drift": {
        "schedule": "*/15 * * * *",
        "q": "0.01",
        "persistence": 2,
        "resources": {"limits": {"cpu": "500m"}},
    },
    "retraining": {"function": "train:train", "parameters": {"MONTHS": "5-6"}, "cooldown": "1h"},
}


class Kubectl:
    """kubectl as the operator's field manager."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def __call__(self, *words: str, given: Any = None) -> str:
        done = subprocess.run(
            ["kubectl", "--kubeconfig", str(self.kubeconfig), *words],
            input=json.dumps(given) if given else None,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, manifest: Manifest) -> dict[str, Any]:
        words = ("apply", "--server-side", "--force-conflicts", "--field-manager=driftlead-operator")
        found: dict[str, Any] = json.loads(self(*words, "-o", "json", "-f", "-", given=manifest))
        return found


@pytest.fixture(scope="module")
def kubectl(kubeconfig: Path) -> Kubectl:
    kubectl = Kubectl(kubeconfig)
    kubectl("apply", "-f", str(ROOT / "crds/modeldeployments.driftlead.dev.yaml"))
    kubectl("wait", "crd/modeldeployments.driftlead.dev", "--for=condition=Established", "--timeout=30s")
    return kubectl


@pytest.fixture(params=[{}, EVERYTHING], ids=["minimal", "everything"])
def world(request: pytest.FixtureRequest, kubectl: Kubectl) -> World:
    """A resource as the API server stores it, with both stages, a check and a retraining to be rendered."""
    world = World(**request.param)
    world.resource["metadata"] = {"name": "demo", "namespace": "default"}
    stored = json.loads(kubectl("apply", "-o", "json", "-f", "-", given=world.resource))
    world.resource = {**stored, "status": {}}
    world.register("1", stage="Production")
    world.register("2", stage="Staging")
    return world


def test_what_is_rendered_is_taken_and_then_as_wanted(world: World, kubectl: Kubectl) -> None:
    for manifest in world.plan().apply:
        live = kubectl.apply(manifest)
        assert not apply_diff.needs_apply(manifest, live), objects.ref(manifest)
        world.children[objects.ref(live)] = live
    assert world.plan().apply == ()
    for ref in world.children:
        kubectl("delete", ref.kind, ref.name, "--wait=false")


def test_an_edit_by_hand_and_a_field_no_longer_wanted_are_seen(kubectl: Kubectl) -> None:
    world = World()
    world.resource["metadata"]["namespace"] = "default"
    world.register("1", stage="Production")
    wanted = next(each for each in world.plan().apply if objects.ref(each) == Ref("Deployment", "demo-prod"))
    kubectl.apply(wanted)
    kubectl("set", "image", "deployment/demo-prod", "server=other")
    edited = json.loads(kubectl("get", "deployment", "demo-prod", "-o", "json"))
    assert apply_diff.needs_apply(wanted, edited)
    fewer = {**wanted, "spec": {key: each for key, each in wanted["spec"].items() if key != "strategy"}}
    assert apply_diff.needs_apply(apply_diff.with_applied_hash(fewer), kubectl.apply(wanted))
    kubectl("delete", "deployment", "demo-prod", "--wait=false")


def test_the_whole_status_is_kept_by_the_api_server(kubectl: Kubectl) -> None:
    world = World(drift={"schedule": "@hourly"}, retraining={"function": "train:train"})
    world.register("1", stage="Production")
    world.settle()
    world.drift_run("drift", report="r1", version="1")
    world.register("2", stage="Staging")
    world.settle()
    world.register("3", stage="Production", exit_code=3)
    world.transition("2", "Production", archive=False)
    world.annotate(promote="2", requestedAt="now", abort="2")
    world.settle()
    world.register("4", stage="Production", exit_code=4)
    world.patch(prod__version="4")
    world.settle()
    assert {"drift", "retraining", "handled", "promotion", "history"} <= set(world.status)
    resource = {**world.resource, "metadata": {"name": "kept", "namespace": "default"}}
    kubectl("apply", "-f", "-", given=resource)
    patch = json.dumps({"status": world.status})
    words = ("patch", "mdep", "kept", "--subresource=status", "--type=merge", "-p", patch, "-o", "json")
    assert json.loads(kubectl(*words))["status"] == world.status
    table = kubectl("get", "mdep", "kept")
    assert table.split()[:5] == ["NAME", "READY", "PROD", "CANARY", "DRIFT"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/*.yaml")), ids=lambda path: path.parent.name)
def test_each_example_is_taken_by_the_api_server(path: Path, kubectl: Kubectl) -> None:
    if "kind: ModelDeployment" in path.read_text():
        words = ("apply", "-n", "kube-public", "--dry-run=server", "--validate=strict", "-f", str(path))
        assert "server dry run" in kubectl(*words)
