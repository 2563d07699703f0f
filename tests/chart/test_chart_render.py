"""What the chart makes, for each way of installing it."""

import subprocess
import sys
from typing import Any

import kubernetes_validate
import pytest
import yaml

from chart.rendering import CHART, ROOT, Object, Objects, Render, template
from hack.tools import path_of

FOREIGN = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "CustomResourceDefinition", "ModelDeployment"}
DEV = {"devStack": {"enabled": True}}


def identity(each: Object) -> tuple[str, str, str]:
    return each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]


def environment(pod: Object, container: int = 0) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod["containers"][container]["env"]}


def operator_pod(objects: Objects) -> Object:
    return objects.one("Deployment", "driftlead-operator")["spec"]["template"]["spec"]


def test_lint_finds_nothing(helm: str) -> None:
    done = subprocess.run([helm, "lint", "--strict", CHART], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ["everything", "production"])
def test_helm_3_makes_the_same_objects_as_helm_4(file: str, render: Render) -> None:
    done = template(str(path_of("helm3")), {}, [file])
    assert done.returncode == 0, done.stderr
    older = [each for each in yaml.safe_load_all(done.stdout) if each]
    assert {identity(each): each for each in older} == {identity(each): each for each in render({}, file)}


def test_every_object_is_valid_kubernetes_with_no_unknown_field(objects: Objects) -> None:
    for each in objects:
        if each["kind"] not in FOREIGN:
            kubernetes_validate.validate(each, "1.35", strict=True)


def test_every_object_has_a_name_a_namespace_and_our_labels_and_is_there_once(objects: Objects) -> None:
    assert len({identity(each) for each in objects}) == len(objects)
    for each in objects:
        if each["kind"] == "CustomResourceDefinition" or each["metadata"]["name"].endswith("-extra"):
            continue
        assert each["kind"].startswith("Cluster") != ("namespace" in each["metadata"])
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "driftlead"


def test_selectors_find_the_pods_that_they_mean(objects: Objects) -> None:
    pods = [each["spec"]["template"] for each in objects.kind("Deployment")]
    for service in objects.kind("Service"):
        found = [
            pod for pod in pods if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ]
        assert len(found) == 1, service["metadata"]["name"]
        ports = {port["name"] for each in found[0]["spec"]["containers"] for port in each["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_what_a_pod_mounts_is_made_by_the_chart_or_named_by_a_value(objects: Objects) -> None:
    made = {identity(each)[0::2] for each in objects}
    asked = {"mlflow-token", "mlflow-user", "hook", "owner", "driftlead-postgres-s3", "driftlead-owner"}
    for name, pod in objects.pods():
        volumes = [
            source for each in pod["volumes"] for source in each.get("projected", {}).get("sources", [each])
        ]
        named = [
            ("Secret", each["secret"].get("name") or each["secret"]["secretName"])
            for each in volumes
            if "secret" in each
        ]
        named += [("ConfigMap", each["configMap"]["name"]) for each in volumes if "configMap" in each]
        assert all(each in made or each[1] in asked for each in named), (name, named)
        mounted = {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
        assert mounted <= {each["name"] for each in pod["volumes"]}, name


def test_the_operator_gets_its_images_and_cluster_as_settings(render: Render) -> None:
    settings = environment(operator_pod(render()))
    assert settings["DRIFTLEAD_INFERENCE_IMAGE"] == "driftlead/inference:0.1.0"
    assert settings["DRIFTLEAD_DRIFT_IMAGE"] == "driftlead/drift:0.1.0"
    assert settings["DRIFTLEAD_TRAIN_IMAGE"] == "driftlead/train:0.1.0"
    assert settings["DRIFTLEAD_IMAGE_PULL_POLICY"] == "IfNotPresent"
    assert settings["DRIFTLEAD_CLUSTER"] == "default"
    assert "DRIFTLEAD_WATCH_NAMESPACES" not in settings


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "driftlead/operator:0.1.0"),
        ({"tag": "abc"}, "driftlead/operator:abc"),
        ({"registry": "ghcr.io", "tag": "abc"}, "ghcr.io/driftlead/operator:abc"),
        ({"tag": "abc", "digest": "sha256:" + "0" * 64}, "driftlead/operator@sha256:" + "0" * 64),
    ],
)
def test_an_image_is_named_by_tag_or_by_digest(image: Object, reference: str, render: Render) -> None:
    assert operator_pod(render({"images": {"operator": image}}))["containers"][0]["image"] == reference


def test_each_registry_is_a_folder_for_the_operator_and_its_token_stays_in_its_secret(render: Render) -> None:
    objects = render({}, "everything")
    data = objects.one("ConfigMap", "everything-registries")["data"]
    assert data["default.uri"] == "https://mlflow.example.com/prefix"
    assert data["default.allow-write"] == "false"
    assert data["default.allowed-namespaces"] == "team-a"
    assert data["other.allow-write"] == "true"
    assert "BEGIN CERTIFICATE" in data["default.ca.crt"]
    pod = objects.one("Deployment", "everything-operator")["spec"]["template"]["spec"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "registries"]
    paths = [
        item["path"]
        for source in volume["projected"]["sources"]
        for each in source.values()
        for item in each["items"]
    ]
    folder = {"uri", "allow-write", "allowed-namespaces", "ca.crt", "token"}
    other = {"uri", "allow-write", "username", "password"}
    assert set(paths) == {f"default/{name}" for name in folder} | {f"other/{name}" for name in other}
    assert volume["projected"]["sources"][1]["secret"]["items"] == [
        {"key": "bearer", "path": "default/token"}
    ]


def test_the_development_stack_is_the_registry_default_unless_another_is_named(render: Render) -> None:
    own = render(DEV).one("ConfigMap", "driftlead-registries")["data"]
    assert own["default.uri"] == "http://driftlead-mlflow.driftlead.svc:5000"
    mine = {**DEV, "registries": [{"name": "default", "trackingURI": "http://mine"}]}
    assert render(mine).one("ConfigMap", "driftlead-registries")["data"]["default.uri"] == "http://mine"


def test_connections_are_in_the_release_namespace_and_in_those_asked_for(render: Render) -> None:
    objects = render({**DEV, "connections": {"namespaces": ["team-a", "driftlead"]}})
    for namespace in ("driftlead", "team-a"):
        secret = objects.one("Secret", "driftlead-connections", namespace)
        plain = objects.one("ConfigMap", "driftlead-connections", namespace)
        assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        assert set(secret["stringData"]) == {
            "DRIFTLEAD_POSTGRES_DSN",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        }
        assert plain["data"] == {
            "MLFLOW_S3_ENDPOINT_URL": "http://driftlead-minio.driftlead.svc:9000",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DRIFTLEAD_REPORT_BUCKET": "mlflow",
        }


def test_one_authority_serves_postgres_s3_and_mlflow_from_a_mounted_file(render: Render) -> None:
    data = render({}, "everything").one("ConfigMap", "driftlead-connections", "team-a")["data"]
    assert data["DRIFTLEAD_CA_BUNDLE"].startswith("-----BEGIN CERTIFICATE-----")
    names = ("AWS_CA_BUNDLE", "MLFLOW_TRACKING_SERVER_CERT_PATH", "PGSSLROOTCERT")
    assert {data[name] for name in names} == {"/etc/driftlead/connections/DRIFTLEAD_CA_BUNDLE"}


def test_pods_are_told_of_a_login_a_token_a_pooler_and_virtual_hosts(render: Render) -> None:
    connections = {
        "postgres": {"dsn": "postgresql://u@db:6432/log", "pooler": True},
        "s3": {"addressingStyle": "virtual"},
        "mlflow": {"username": "reader", "password": "of models"},
        "predictionToken": "sixteen-letters-",
    }
    objects = render({"connections": connections})
    secret = objects.one("Secret", "driftlead-connections")["stringData"]
    assert secret["DRIFTLEAD_REQUIRES_TOKEN"] == "sixteen-letters-"
    assert secret["MLFLOW_TRACKING_USERNAME"] == "reader"
    assert secret["MLFLOW_TRACKING_PASSWORD"] == "of models"
    plain = objects.one("ConfigMap", "driftlead-connections")["data"]
    assert plain["DRIFTLEAD_LOG_POOLER"] == "true"
    assert plain["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] == "virtual"


def test_generated_passwords_are_the_same_wherever_they_are_used(render: Render) -> None:
    objects = render(DEV)
    passwords = objects.one("Secret", "driftlead-dev-credentials")["stringData"]
    connections = objects.one("Secret", "driftlead-connections")["stringData"]
    assert set(passwords) == {"postgres", "driftlead", "mlflow", "minio"}
    assert len(set(passwords.values())) == 4
    assert all(len(each) == 24 and each.isalnum() for each in passwords.values())
    assert connections["DRIFTLEAD_POSTGRES_DSN"] == (
        f"postgresql://driftlead:{passwords['driftlead']}@driftlead-postgres.driftlead.svc:5432/driftlead"
    )
    assert connections["AWS_SECRET_ACCESS_KEY"] == passwords["minio"]


def test_a_secret_of_ones_own_is_used_and_none_is_made(render: Render) -> None:
    objects = render({}, "production")
    assert objects.kind("Secret") == []
    assert len(objects.kind("ConfigMap")) >= 4
    (job,) = objects.kind("Job")
    sources = job["spec"]["template"]["spec"]["volumes"][1]["projected"]["sources"]
    assert sources[0] == {"secret": {"name": "driftlead-postgres-s3", "optional": False}}


def test_without_any_connection_nothing_is_migrated_and_no_empty_secret_is_made(render: Render) -> None:
    assert render().kind("Job", "Secret") == []


def migration(objects: Objects) -> str:
    (job,) = objects.kind("Job")
    return str(job["metadata"]["name"])


def test_the_migration_has_a_new_name_when_it_changes_and_the_old_one_when_not(render: Render) -> None:
    values: dict[str, Any] = {"connections": {"postgres": {"dsn": "postgresql://db/driftlead"}}}
    other = {"connections": {"postgres": {"dsn": "postgresql://other/driftlead"}}}
    name = migration(render(values))
    assert migration(render({**values, "operator": {"replicas": 2}})) == name
    assert migration(render({**values, "images": {"drift": {"tag": "new"}}})) != name
    assert migration(render(other)) != name


def test_an_upgrade_of_the_chart_restarts_no_pod_of_the_development_stack(objects: Objects) -> None:
    for each in objects.kind("Deployment"):
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & labels.keys()


def test_mlflow_answers_its_service_by_every_name_and_is_asked_by_a_real_call(render: Render) -> None:
    container = render(DEV).one("Deployment", "driftlead-mlflow")["spec"]["template"]["spec"]["containers"][0]
    (hosts,) = [
        word.split("=")[1].split(",") for word in container["command"] if word.startswith("--allowed-hosts")
    ]
    for name in ("driftlead-mlflow", "driftlead-mlflow.driftlead", "driftlead-mlflow.driftlead.svc"):
        assert {name, f"{name}:*", f"{name}.cluster.local"} - set(hosts) <= {f"{name}.cluster.local"}
    assert {"driftlead-mlflow.driftlead.svc.cluster.local:*", "localhost:*"} <= set(hosts)
    assert "*" not in hosts
    assert container["readinessProbe"]["httpGet"]["path"].startswith("/api/2.0/mlflow/")


def test_persistence_is_asked_for_and_outlives_the_release_with_its_passwords(render: Render) -> None:
    assert render(DEV).kind("PersistentVolumeClaim") == []
    objects = render({"devStack": {"enabled": True, "persistence": {"enabled": True}}})
    keep = {"helm.sh/resource-policy": "keep"}
    kept = [*objects.kind("PersistentVolumeClaim"), objects.one("Secret", "driftlead-dev-credentials")]
    assert len(kept) == 3
    assert all(each["metadata"]["annotations"] == keep for each in kept)


def test_nothing_is_a_hook_since_hooks_run_only_after_wait_is_satisfied(objects: Objects) -> None:
    hooks = [
        identity(each)
        for each in objects
        if each["metadata"].get("annotations", {}).get("helm.sh/hook", "test") != "test"
    ]
    assert hooks == []


def test_the_crd_is_the_repositorys_own_kept_and_switched_by_value(render: Render) -> None:
    for source in sorted((ROOT / "crds").glob("*.yaml")):
        crd = yaml.safe_load(source.read_text())
        ours = render().one("CustomResourceDefinition", crd["metadata"]["name"])
        assert ours["spec"] == crd["spec"]
        assert ours["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        gone = render({"crds": {"keep": False}}).one("CustomResourceDefinition", crd["metadata"]["name"])
        assert not gone["metadata"].get("annotations")
    assert render({"crds": {"enabled": False}}).kind("CustomResourceDefinition") == []


def test_the_charts_copy_of_the_crds_is_fresh() -> None:
    check = [sys.executable, "-m", "hack.crds", "--check"]
    done = subprocess.run(check, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_schema_and_reference_page_are_fresh() -> None:
    check = [sys.executable, "-m", "hack.values_reference", "--check"]
    done = subprocess.run(check, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_chart_and_the_python_distribution_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()


def leaves(values: Object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in values.items():
        found += leaves(value, (*path, key)) if isinstance(value, dict) and value else [(*path, key)]
    return found


def test_every_value_is_documented() -> None:
    page = (ROOT / "docs/reference/values.md").read_text()
    for path in leaves(yaml.safe_load((CHART / "values.yaml").read_text())):
        prefixes = {".".join(path[:length]) for length in range(1, len(path) + 1)}
        assert any(f"| `{prefix}` |" in page for prefix in prefixes), ".".join(path)


def test_the_everything_file_changes_every_value_or_the_production_file_does() -> None:
    """What no values file sets, no test has rendered."""
    known = yaml.safe_load((CHART / "values.yaml").read_text())
    every = yaml.safe_load((CHART / "ci/everything-values.yaml").read_text())
    page = (ROOT / "docs/reference/values.md").read_text().splitlines()
    documented = [line.split("`")[1].split(".") for line in page if line.startswith("| `")]
    untouched = []
    for path in documented:
        ours, theirs = known, every
        for key in path:
            ours, theirs = ours[key], theirs.get(key, {}) if isinstance(theirs, dict) else {}
        if theirs in ({}, ours):
            untouched.append(".".join(path))
    allowed = {
        "crds.enabled",
        "crds.keep",
        "connections.create",
        "connections.existingSecret",
        "migration.enabled",
    }
    contexts = {
        "operator.podSecurityContext",
        "operator.containerSecurityContext",
        "devStack.podSecurityContext",
    }
    assert [
        each
        for each in untouched
        if each not in allowed | contexts
        and not each.startswith(
            (
                "images.",
                "rbac.",
                "monitoring.podMonitor.",
                "connections.mlflow.token",
                "operator.serviceAccount.c",
            )
        )
        and not each.endswith(".resources")
    ] == []
