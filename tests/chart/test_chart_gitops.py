"""Argo CD's health check, install.yaml and the kustomize base: each run by the program that would run it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.rendering import ROOT, Objects
from driftlead_cli.lint import lint
from hack.tools import path_of
from unit.operator_world import World

HEALTH = ROOT / "charts/gitops/argocd/driftlead.dev/ModelDeployment"
INSTALL = ROOT / "charts/install"
CASES = yaml.safe_load((HEALTH / "health_test.yaml").read_text())["tests"]
# Argo CD runs Lua 5.1 and has no standard library for files or processes.
HARNESS = """
io, os, require = nil, nil, nil
local hs = (function() %s end)()
print(hs.status)
print(hs.message)
"""


def lua(value: Any) -> str:
    """A value as a Lua literal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{lua(key)}] = {lua(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    return {None: "nil", True: "true", False: "false"}.get(value) or json.dumps(value)


def health(resource: Any) -> tuple[str, str]:
    """Argo CD's status and message."""
    program = f"obj = {lua(resource)}\n{HARNESS % (HEALTH / 'health.lua').read_text()}"
    done = subprocess.run(["lua5.1", "-"], input=program, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status, message = done.stdout.splitlines()
    return status, message


@pytest.mark.parametrize("case", CASES, ids=lambda case: Path(case["inputPath"]).stem)
def test_argo_cd_sees_each_state_as_it_is(case: dict[str, Any]) -> None:
    resource = yaml.safe_load((HEALTH / case["inputPath"]).read_text())
    status, message = health(resource)
    assert {"status": status, "message": message} == case["healthStatus"]


def test_every_fixture_is_tried_and_is_a_resource_that_the_api_takes() -> None:
    fixtures = {path.name for path in (HEALTH / "testdata").glob("*.yaml")}
    assert fixtures == {Path(case["inputPath"]).name for case in CASES}
    for name in fixtures:
        assert lint((HEALTH / "testdata" / name).read_text()) == (1, [])


def test_a_resource_without_any_status_is_progressing() -> None:
    assert health({"metadata": {"generation": 1}})[0] == "Progressing"


def test_argo_cd_follows_what_the_operator_really_writes() -> None:
    world = World(drift={"schedule": "@hourly"})
    world.reconcile()
    assert health(world.resource)[0] == "Progressing"
    world.register("3", stage="Production")
    world.settle()
    world.drift_run("drift", report="r1", version="3")
    world.settle()
    assert health(world.resource) == (
        "Healthy",
        "Serving: version 3 (stage Production) serves on 2 of 2 pods",
    )
    world.register("4", stage="Production", exit_code=3)
    world.reconcile()
    assert health(world.resource)[0] == "Progressing"
    world.settle()
    status, message = health(world.resource)
    assert status == "Degraded"
    assert message.startswith("VersionRejected: version 4 cannot be served: LoadFailed")
    world.patch(suspend=True)
    world.settle()
    assert health(world.resource)[0] == "Suspended"


@pytest.fixture(scope="module")
def kubectl() -> str:
    return str(path_of("kubectl"))


def built(kubectl: str, folder: Path) -> Objects:
    command = [kubectl, "kustomize", "--load-restrictor", "LoadRestrictionsNone", folder]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Objects(yaml.safe_load_all(done.stdout))


def test_install_yaml_is_fresh() -> None:
    check = [sys.executable, "-m", "hack.install", "--check"]
    done = subprocess.run(check, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_install_yaml_carries_no_secret_no_test_and_nothing_outside_its_namespace() -> None:
    objects = Objects(yaml.safe_load_all((INSTALL / "install.yaml").read_text()))
    assert objects.kind("Secret", "ModelDeployment", "Pod") == []
    assert {each["metadata"].get("namespace", "driftlead") for each in objects} == {"driftlead"}
    (namespace,) = objects.kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_kustomize_base_is_install_yaml(kubectl: str) -> None:
    objects = Objects(yaml.safe_load_all((INSTALL / "install.yaml").read_text()))

    def known(each: dict[str, Any]) -> str:
        return json.dumps(each, sort_keys=True)

    assert sorted(map(known, built(kubectl, INSTALL))) == sorted(map(known, objects))


def test_the_overlay_of_the_documentation_names_another_registry(kubectl: str, tmp_path: Path) -> None:
    page = (ROOT / "docs/howto/install.md").read_text()
    (overlay,) = [block for block in page.split("```yaml\n")[1:] if block.startswith("# kustomization.yaml")]
    text = overlay.split("```")[0].replace(
        "github.com/driftlead/driftlead//charts/install?ref=v0.1.0", str(INSTALL)
    )
    (tmp_path / "kustomization.yaml").write_text(text)
    with pytest.raises(AssertionError, match="absolute"):
        built(kubectl, tmp_path)
    relative = text.replace(str(INSTALL), "../" * len(tmp_path.parts[1:]) + str(INSTALL)[1:])
    (tmp_path / "kustomization.yaml").write_text(relative)
    objects = built(kubectl, tmp_path)
    data = objects.one("ConfigMap", "driftlead-registries")["data"]
    assert data["default.uri"] == "https://mlflow.example.com"
    pod = objects.one("Deployment", "driftlead-operator")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example.com/driftlead/operator:0.1.0"
