"""`kubectl driftlead` against a real API server: what it reads, writes, and says when it may not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config, utils

from driftlead_cli.lint import lint

ROOT = Path(__file__).resolve().parents[2]
Manifest = dict[str, Any]


def run(kubeconfig: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "driftlead_cli", *words],
        check=False,
        capture_output=True,
        text=True,
        env={"KUBECONFIG": str(kubeconfig), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        timeout=60,
    )


@pytest.fixture(scope="module")
def api(kubeconfig: Path) -> client.ApiClient:
    made = config.new_client_from_config(str(kubeconfig))
    assert isinstance(made, client.ApiClient)
    return made


@pytest.fixture(scope="module")
def anything(api: client.ApiClient) -> client.CustomObjectsApi:
    """The API with our CRD in it; another module's tests may have put it there already."""
    crd = yaml.safe_load((ROOT / "crds/modeldeployments.driftlead.dev.yaml").read_text())
    try:
        client.ApiextensionsV1Api(api).create_custom_resource_definition(crd)
    except client.ApiException as error:
        assert error.status == 409, error
    known = client.CustomObjectsApi(api)
    for _ in range(200):
        if served(known):
            break
    return known


def served(anything: client.CustomObjectsApi) -> bool:
    try:
        anything.list_namespaced_custom_object("driftlead.dev", "v1alpha1", "default", "modeldeployments")
    except client.ApiException:
        return False
    return True


def resource(name: str = "demo", **spec: Any) -> Manifest:
    return {
        "apiVersion": "driftlead.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {"model": "M", "prod": {"stage": "Production"}, **spec},
    }


def create(anything: client.CustomObjectsApi, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
    made = anything.create_namespaced_custom_object(
        "driftlead.dev",
        "v1alpha1",
        "default",
        "modeldeployments",
        manifest,
        field_validation="Strict",
        **({"dry_run": "All"} if dry_run else {}),
    )
    assert isinstance(made, dict)
    return made


def read(anything: client.CustomObjectsApi, name: str) -> Manifest:
    found = anything.get_namespaced_custom_object(
        "driftlead.dev", "v1alpha1", "default", "modeldeployments", name
    )
    assert isinstance(found, dict)
    return found


@pytest.fixture
def demo(anything: client.CustomObjectsApi, api: client.ApiClient) -> Iterator[Manifest]:
    """A resource with a Deployment of its own and a stranger's."""
    made = create(anything, resource(canary={"stage": "Staging"}))
    for name, own in (("demo-prod", {"driftlead.dev/name": "demo"}), ("stranger", {"app": "x"})):
        labels = {**own, "app.kubernetes.io/component": "prod"}
        container = {"name": "c", "image": "none"}
        utils.create_from_dict(
            api,
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "labels": labels},
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                },
            },
        )
    yield made
    anything.delete_namespaced_custom_object(
        "driftlead.dev", "v1alpha1", "default", "modeldeployments", "demo"
    )
    for name in ("demo-prod", "stranger"):
        client.AppsV1Api(api).delete_namespaced_deployment(name, "default")


@pytest.mark.usefixtures("demo")
def test_the_tree_shows_our_children_and_no_stranger(kubeconfig: Path) -> None:
    done = run(kubeconfig, "tree", "demo")
    assert done.returncode == 0, done.stderr
    assert "Name:    default/demo" in done.stdout
    assert "Status:  ✖ Pending" in done.stdout
    assert "demo-prod" in done.stdout
    assert "0/2" in done.stdout
    assert "stranger" not in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("demo")
def test_why_says_that_nobody_has_looked_yet(kubeconfig: Path) -> None:
    done = run(kubeconfig, "why", "demo")
    assert "Pending: Ready is Unknown" in done.stdout
    assert "the operator has not reconciled this resource yet" in done.stdout


@pytest.mark.usefixtures("demo")
def test_a_missing_resource_is_said_with_those_that_there_are(kubeconfig: Path) -> None:
    done = run(kubeconfig, "why", "dmo")
    assert done.returncode == 1
    assert "there is no ModelDeployment dmo in namespace default; there: demo." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("demo")
def test_promote_sets_the_annotation_and_prints_the_same_by_hand(
    kubeconfig: Path, anything: client.CustomObjectsApi
) -> None:
    tried = run(kubeconfig, "promote", "demo", "5", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "annotations" not in read(anything, "demo")["metadata"]
    done = run(kubeconfig, "promote", "demo", "5")
    assert done.returncode == 0, done.stderr
    assert read(anything, "demo")["metadata"]["annotations"] == {"driftlead.dev/promote": "5"}
    assert '"version": "5", "stage": "Production", "archive_existing_versions": true' in done.stdout


@pytest.mark.usefixtures("demo")
def test_abort_sets_the_annotation_also_when_it_stands_already(
    kubeconfig: Path, anything: client.CustomObjectsApi
) -> None:
    nothing = run(kubeconfig, "abort", "demo")
    assert nothing.returncode == 1
    assert "demo has no version on its way and no canary" in nothing.stderr
    status = {"status": {"prod": {"version": "3", "target": {"version": "5"}}}}
    anything.patch_namespaced_custom_object_status(
        "driftlead.dev", "v1alpha1", "default", "modeldeployments", "demo", status
    )
    for _ in range(2):
        done = run(kubeconfig, "abort", "demo")
        assert done.returncode == 0, done.stderr
        assert (
            "kubectl annotate modeldeployment demo -n default --overwrite driftlead.dev/abort=5"
            in done.stdout
        )
        assert read(anything, "demo")["metadata"]["annotations"] == {"driftlead.dev/abort": "5"}


@pytest.mark.usefixtures("demo")
def test_promote_that_waits_in_vain_ends_with_what_the_resource_says(kubeconfig: Path) -> None:
    done = run(kubeconfig, "promote", "demo", "5", "--wait", "1")
    assert done.returncode == 1
    assert "prod does not serve version 5 after 1 s: Ready=Unknown, Pending:" in done.stderr


@pytest.fixture
def nobody(kubeconfig: Path, tmp_path: Path, api: client.ApiClient) -> Path:
    """The kubeconfig of a service account that may read ModelDeployments and nothing else."""
    core, roles = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    core.create_namespaced_service_account("default", {"metadata": {"name": "nobody"}})
    rule = {"apiGroups": ["driftlead.dev"], "resources": ["modeldeployments"], "verbs": ["get", "list"]}
    roles.create_namespaced_role("default", {"metadata": {"name": "look"}, "rules": [rule]})
    roles.create_namespaced_role_binding(
        "default",
        {
            "metadata": {"name": "look"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"},
            "subjects": [{"kind": "ServiceAccount", "name": "nobody", "namespace": "default"}],
        },
    )
    token = core.create_namespaced_service_account_token("nobody", "default", {"spec": {}})
    known = yaml.safe_load(kubeconfig.read_text())
    for each in known["users"]:
        each["user"] = {"token": token.status.token}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(known))
    return path


@pytest.mark.usefixtures("demo")
def test_what_a_user_may_not_list_is_named_and_what_he_may_not_change_is_refused(nobody: Path) -> None:
    done = run(nobody, "tree", "demo")
    assert done.returncode == 0, done.stderr
    assert "you may not list them: deployments, cronjobs, jobs, pods, events" in done.stdout
    refused = run(nobody, "promote", "demo", "5")
    assert refused.returncode == 1
    assert "you may not change modeldeployment demo in default" in refused.stderr


BAD = {
    "both": resource(prod={"stage": "Production", "alias": "a"}),
    "neither": resource(prod={}),
    "version abc": resource(prod={"version": "abc"}),
    "a name": resource("Demo"),
    "a long name": resource("a" * 37),
    "cron": resource(drift={"schedule": "hourly"}),
    "an unknown field": resource(prod={"stage": "Production", "replica": 2}),
    "autoscaling": resource(
        prod={"stage": "Production", "autoscaling": {"minReplicas": 3, "maxReplicas": 2}}
    ),
    "retraining": resource(retraining={"function": "a:b"}),
    "variable": resource(inference={"overlay": {"env": [{"name": "MLFLOW_TRACKING_URI"}]}}),
    "label": resource(inference={"overlay": {"labels": {"driftlead.dev/x": "y"}}}),
    "volume": resource(inference={"overlay": {"volumes": [{"name": "work"}]}}),
    "parameter": resource(
        drift={"schedule": "@daily"},
        canary={"alias": "next"},
        retraining={"function": "a:b", "parameters": {"1a": "x"}},
    ),
}
GOOD = {
    "least": resource(),
    "pin": resource(prod={"version": "3"}),
    "never": resource(retraining={"function": "a:b", "trigger": "Never"}),
    "cron": resource(drift={"schedule": "*/5 1-3 * JAN mon"}),
}


@pytest.mark.parametrize("case", BAD)
def test_what_lint_refuses_the_api_server_refuses(case: str, anything: client.CustomObjectsApi) -> None:
    _, problems = lint(yaml.safe_dump(BAD[case]))
    with pytest.raises(client.ApiException) as refused:
        create(anything, BAD[case], dry_run=True)
    assert problems
    assert refused.value.status in (400, 422)


@pytest.mark.parametrize("case", GOOD)
def test_what_lint_takes_the_api_server_takes(case: str, anything: client.CustomObjectsApi) -> None:
    assert lint(yaml.safe_dump(GOOD[case])) == (1, [])
    assert create(anything, GOOD[case], dry_run=True)["kind"] == "ModelDeployment"


def test_no_kubeconfig_and_no_answer_are_sentences(tmp_path: Path) -> None:
    absent = run(tmp_path / "absent", "tree", "demo")
    assert absent.returncode == 1
    assert absent.stderr.startswith("no cluster to ask: ")
    nowhere = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "nowhere").write_text(yaml.safe_dump(nowhere))
    away = run(tmp_path / "nowhere", "tree", "demo")
    assert away.returncode == 1
    assert "the API server does not answer" in away.stderr
    assert "Traceback" not in away.stderr


def test_lint_of_files_ends_with_1_when_one_is_wrong(tmp_path: Path, kubeconfig: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump(GOOD["least"]))
    bad.write_text(yaml.safe_dump(BAD["both"]))
    assert run(kubeconfig, "lint", str(good)).returncode == 0
    done = run(kubeconfig, "lint", str(good), str(bad))
    assert done.returncode == 1
    assert "bad.yaml: document 1, spec.prod: name prod by stage or by alias, not by both" in done.stdout
    missing = run(kubeconfig, "lint", str(tmp_path / "none.yaml"))
    assert missing.returncode == 1
    assert missing.stderr.startswith("cannot read ")
