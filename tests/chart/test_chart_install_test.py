"""What `helm test` tries: rendered for each installation, and the script run against real neighbours."""

import base64
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from chart.rendering import CHART, Object, Objects, Render
from driftlead_cli.lint import lint
from driftlead_log.migrate import migrate
from neighbours import S3, postgres
from neighbours.certificates import authority

SCRIPT = CHART / "files/test_install.py"
DEV = {"devStack": {"enabled": True}}


def pod(objects: Objects, name: str = "driftlead-test") -> Object:
    return objects.one("Pod", name)["spec"]


def settings(objects: Objects, name: str = "driftlead-test") -> dict[str, str]:
    return {each["name"]: each["value"] for each in pod(objects, name)["containers"][0]["env"]}


def test_with_the_development_stack_a_resource_of_the_tests_own_is_served(render: Render) -> None:
    objects = render(DEV)
    resource = objects.one("ModelDeployment", "driftlead-test")
    assert lint(yaml.safe_dump(resource)) == (1, [])
    assert settings(objects)["TEST_MODEL"] == resource["spec"]["model"]
    assert settings(objects)["TEST_URL"] == "http://driftlead-test.driftlead.svc"
    assert pod(objects)["containers"][0]["image"] == "driftlead/train:0.1.0"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"registries": [{"name": "default", "trackingURI": "http://mlflow"}]},
        {**DEV, "registries": [{"name": "default", "trackingURI": "http://mlflow"}]},
        {**DEV, "watch": {"namespaces": ["team-a"]}},
    ],
    ids=["nothing", "a registry", "a registry beside the stack", "another namespace"],
)
def test_elsewhere_no_model_is_registered_and_no_resource_made(values: Object, render: Render) -> None:
    objects = render(values)
    assert objects.kind("ModelDeployment") == []
    assert not {"TEST_URL", "TEST_MODEL", "MLFLOW_TRACKING_URI"} & settings(objects).keys()
    assert pod(objects)["containers"][0]["image"] == "driftlead/drift:0.1.0"


def test_all_of_it_is_a_hook_that_goes_when_it_succeeded(objects: Objects) -> None:
    ours = [
        each
        for each in objects
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "test"
    ]
    assert {"Pod", "ConfigMap"} <= {each["kind"] for each in ours}
    for each in ours:
        assert each["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert "hook-succeeded" in each["metadata"]["annotations"]["helm.sh/hook-delete-policy"]


def test_the_rights_that_are_tried_are_those_that_the_chart_grants(render: Render) -> None:
    objects = render({"watch": {"namespaces": ["a", "b"]}})
    granted = objects.one("Role", "driftlead-operator", "a")["rules"]
    assert yaml.safe_load(settings(objects)["TEST_RULES"]) == granted
    assert yaml.safe_load(settings(objects)["TEST_NAMESPACES"]) == ["a", "b"]


def run(place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script as the pod runs it, its mounts below a folder."""
    return subprocess.run(
        [sys.executable, SCRIPT],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        env={
            "PATH": os.environ["PATH"],
            "TEST_ACCOUNT_DIR": str(place / "account"),
            "DRIFTLEAD_CONNECTIONS_DIR": str(place / "connections"),
            "DRIFTLEAD_REGISTRIES_DIR": str(place / "registries"),
            **environment,
        },
    )


def mount(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.fixture(scope="module")
def account(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mounted token of an account that may read ModelDeployments, and the API server's certificate."""
    api = config.new_client_from_config(str(kubeconfig))
    core, roles = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    core.create_namespaced_service_account("default", {"metadata": {"name": "tried"}})
    rule = {"apiGroups": ["driftlead.dev"], "resources": ["modeldeployments"], "verbs": ["get", "list"]}
    roles.create_cluster_role({"metadata": {"name": "tried"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "tried", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tried"}
    roles.create_cluster_role_binding(
        {"metadata": {"name": "tried"}, "roleRef": reference, "subjects": [subject]}
    )
    token = core.create_namespaced_service_account_token("tried", "default", {"spec": {}}).status.token
    (cluster,) = yaml.safe_load(kubeconfig.read_text())["clusters"]
    authority = cluster["cluster"].get("certificate-authority-data")
    folder = tmp_path_factory.mktemp("account")
    certificate = (
        base64.b64decode(authority).decode()
        if authority
        else Path(cluster["cluster"]["certificate-authority"]).read_text()
    )
    (folder / "ca.crt").write_text(certificate)
    (folder / "token").write_text(token)
    (folder / "server").write_text(cluster["cluster"]["server"])
    return folder


def rights(account: Path, *rules: Any, namespaces: str = '[""]') -> dict[str, str]:
    return {
        "TEST_API_SERVER": (account / "server").read_text(),
        "TEST_RULES": yaml.safe_dump(list(rules), default_flow_style=True, width=10_000).strip(),
        "TEST_NAMESPACES": namespaces,
        "TEST_ACCOUNT_DIR": str(account),
    }


READ = '{"apiGroups": ["driftlead.dev"], "resources": ["modeldeployments"], "verbs": ["get", "list"]}'
WRITE = '{"apiGroups": ["apps"], "resources": ["deployments/status"], "verbs": ["patch"]}'


def test_a_right_that_is_there_is_counted_and_one_that_is_missing_is_named(
    account: Path, tmp_path: Path
) -> None:
    good = run(tmp_path, **{**rights(account), "TEST_RULES": f"[{READ}]"})
    assert "ok      permissions: 2 rights are there" in good.stdout
    bad = run(
        tmp_path,
        **{**rights(account, namespaces='["default"]'), "TEST_RULES": f"[{READ}, {WRITE}]"},
    )
    assert bad.returncode == 1
    assert (
        "FAILED  permissions: the operator's account may not patch deployments/status in default;"
        in bad.stdout
    )


def test_registries_postgres_and_s3_are_reached_with_what_is_mounted(
    tmp_path: Path, database: str, s3: S3, mlflow_uri: str
) -> None:
    migrate(database)
    mount(tmp_path / "registries/default", uri=mlflow_uri, token="none-asked-for")
    mount(tmp_path / "registries/gone", uri="http://127.0.0.1:1")
    mount(
        tmp_path / "connections",
        DRIFTLEAD_POSTGRES_DSN=database,
        DRIFTLEAD_REPORT_BUCKET="mlflow",
        MLFLOW_S3_ENDPOINT_URL=s3.endpoint,
        AWS_ACCESS_KEY_ID=s3.access_key,
        AWS_SECRET_ACCESS_KEY=s3.secret_key,
        AWS_DEFAULT_REGION="us-east-1",
    )
    said = run(tmp_path, TEST_OPERATOR="http://127.0.0.1:1").stdout
    assert f"ok      registry default: {mlflow_uri} answers" in said
    assert "FAILED  registry gone: http://127.0.0.1:1/api/2.0/mlflow/registered-models/search" in said
    assert "ok      postgres: inference_logs is there, empty" in said
    assert "ok      s3: bucket mlflow is there" in said
    assert "FAILED  operator: http://127.0.0.1:1/readyz does not answer" in said
    assert "Traceback" not in said


def test_a_database_without_tables_and_a_bucket_that_is_missing_are_sentences(
    tmp_path: Path, s3: S3, postgres_server: Any
) -> None:
    mount(
        tmp_path / "connections",
        DRIFTLEAD_POSTGRES_DSN=postgres_server.create_database(),
        DRIFTLEAD_REPORT_BUCKET="no-such-bucket",
        MLFLOW_S3_ENDPOINT_URL=s3.endpoint,
        AWS_ACCESS_KEY_ID=s3.access_key,
        AWS_SECRET_ACCESS_KEY=s3.secret_key,
    )
    done = run(tmp_path, TEST_OPERATOR="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "did the migration run?" in done.stdout
    assert "FAILED  s3: bucket no-such-bucket: " in done.stdout


def test_postgres_with_a_certificate_of_ones_own_authority_is_known_by_the_bundle_and_refused_without(
    tmp_path: Path,
) -> None:
    own = authority(tmp_path / "tls")
    with postgres(authority=own) as server:
        plain = server.create_database()
        migrate(plain)
        bundle = tmp_path / "connections/DRIFTLEAD_CA_BUNDLE"
        mount(
            tmp_path / "connections",
            DRIFTLEAD_POSTGRES_DSN=f"{plain}?sslmode=verify-full",
            DRIFTLEAD_CA_BUNDLE=own.certificate.read_text(),
            PGSSLROOTCERT=str(bundle),
        )
        assert "ok      postgres: inference_logs is there, empty" in run(tmp_path).stdout
        (tmp_path / "connections/PGSSLROOTCERT").unlink()
        assert "FAILED  postgres: inference_logs cannot be read:" in run(tmp_path).stdout


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_test_script", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_verb_on_each_resource_in_each_namespace_is_tried_once(script: ModuleType) -> None:
    rule = {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}
    tried = list(script.wanted_rights([rule], ["a", "b"]))
    assert len(tried) == 8
    assert tried[2] == {
        "namespace": "a",
        "group": "",
        "resource": "pods",
        "subresource": "log",
        "verb": "get",
    }
