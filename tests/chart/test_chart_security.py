"""What the chart's pods may do: nothing that the restricted standard forbids, and little in the API."""

from collections.abc import Iterator

import pytest

from chart.rendering import Object, Objects, Render

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
NAMESPACED = {"watch": {"namespaces": ["team-a", "team-b"]}}


def container_violations(pod: Object, container: Object) -> Iterator[str]:
    """The rules of the restricted pod security standard for one container."""
    own = container.get("securityContext", {})
    both = {**pod.get("securityContext", {}), **own}
    if own.get("allowPrivilegeEscalation") is not False:
        yield "privilege escalation"
    if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
        yield "capabilities"
    if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
        yield "root"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccomp"
    if own.get("privileged") or any("hostPort" in port for port in container.get("ports", [])):
        yield "privileged or host port"


def violations(pod: Object) -> Iterator[str]:
    """Those of the pod, then those of each container."""
    yield from (field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field))
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']}"
    for each in [*pod.get("initContainers", []), *pod["containers"]]:
        yield from (f"{each['name']}: {words}" for words in container_violations(pod, each))


def test_every_pod_meets_the_restricted_standard(objects: Objects) -> None:
    assert {name: list(violations(pod)) for name, pod in objects.pods() if list(violations(pod))} == {}


def test_every_container_has_a_read_only_root_and_says_what_it_needs(objects: Objects) -> None:
    for name, pod in objects.pods():
        for each in [*pod.get("initContainers", []), *pod["containers"]]:
            assert each["securityContext"]["readOnlyRootFilesystem"] is True, (name, each["name"])
            assert {"cpu", "memory"} <= each["resources"]["requests"].keys(), (name, each["name"])
            assert "memory" in each["resources"]["limits"], (name, each["name"])


def test_only_the_operator_has_a_token_for_the_api(objects: Objects) -> None:
    with_token = {
        name for name, pod in objects.pods() if pod.get("automountServiceAccountToken") is not False
    }
    # `helm test` runs under the operator's account, since it is that account's rights which it tries.
    assert {name.removesuffix("-operator") for name in with_token} <= {
        "Deployment/driftlead",
        "Deployment/everything",
        "driftlead-test",
        "everything-test",
    }


def test_no_pod_gets_links_to_services_as_settings_that_nobody_meant(objects: Objects) -> None:
    assert [name for name, pod in objects.pods() if pod.get("enableServiceLinks") is not False] == []


def test_no_secret_stands_in_a_config_map_or_an_environment_variable(render: Render) -> None:
    objects = render({}, "everything")
    secrets = {
        value
        for each in objects.kind("Secret")
        for key, value in each["stringData"].items()
        if key != "AWS_ACCESS_KEY_ID"
    }
    open_text = str([*objects.kind("ConfigMap"), *objects.pods()])
    assert [each for each in secrets if f"'{each}'" in open_text or f":{each}@" in open_text] == []


def rules(objects: Objects) -> list[Object]:
    return [
        {**rule, "where": each["kind"], "namespace": each["metadata"].get("namespace")}
        for each in objects.kind("Role", "ClusterRole")
        if each["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"
        for rule in each["rules"]
    ]


@pytest.mark.parametrize("values", [{}, NAMESPACED], ids=["cluster", "namespaced"])
def test_the_operator_never_reads_secrets_nor_writes_resources_nor_asks_for_everything(
    values: Object, render: Render
) -> None:
    for rule in rules(render(values)):
        assert not {"secrets", "configmaps", "pods/exec", "serviceaccounts", "roles"} & set(rule["resources"])
        assert "*" not in [*rule["resources"], *rule["verbs"], *rule["apiGroups"]]
        if "modeldeployments" in rule["resources"]:
            assert set(rule["verbs"]) == {"get", "list", "watch"}


def test_with_a_list_of_namespaces_the_operator_has_no_cluster_wide_right(render: Render) -> None:
    objects = render({**NAMESPACED, "rbac": {"aggregate": False}})
    assert objects.kind("ClusterRole", "ClusterRoleBinding") == []
    everywhere = {rule["namespace"] for rule in rules(objects)}
    assert everywhere == {"team-a", "team-b", "driftlead"}
    own = [rule["resources"] for rule in rules(objects) if rule["namespace"] == "driftlead"]
    assert own == [["leases"]]


def test_namespaced_and_cluster_wide_rights_are_the_same(render: Render) -> None:
    def what(objects: Objects, namespace: str | None) -> list[Object]:
        return [
            {key: rule[key] for key in ("apiGroups", "resources", "verbs")}
            for rule in rules(objects)
            if rule["namespace"] == namespace
        ]

    assert what(render(), None) == what(render(NAMESPACED), "team-a")


def test_every_binding_names_a_role_and_the_account_that_the_pod_uses(objects: Objects) -> None:
    roles = {(each["kind"], each["metadata"]["name"]) for each in objects.kind("Role", "ClusterRole")}
    (account,) = objects.kind("ServiceAccount")
    for each in objects.kind("RoleBinding", "ClusterRoleBinding"):
        assert (each["roleRef"]["kind"], each["roleRef"]["name"]) in roles
        assert each["subjects"] == [
            {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": "driftlead"}
        ]


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [("view", "list", "create"), ("edit", "create", "*"), ("admin", "delete", "*")],
)
def test_kubernetes_own_roles_learn_about_model_deployments(
    role: str, may: str, may_not: str, render: Render
) -> None:
    ours = render().one("ClusterRole", f"driftlead-{role}")
    assert ours["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{role}"] == "true"
    verbs = ours["rules"][0]["verbs"]
    assert may in verbs
    assert may_not not in verbs


def test_policies_let_the_models_in_and_prometheus_and_nobody_else(render: Render) -> None:
    objects = render({}, "everything")
    policies = {each["metadata"]["name"]: each["spec"] for each in objects.kind("NetworkPolicy")}
    assert set(policies) == {f"everything-{name}" for name in ("operator", "postgres", "minio", "mlflow")}
    for name in ("postgres", "minio", "mlflow"):
        (rule,) = policies[f"everything-{name}"]["ingress"]
        assert rule["from"][1]["podSelector"] == {
            "matchLabels": {"app.kubernetes.io/name": "driftlead-model"}
        }
    egress = policies["everything-operator"]["egress"]
    assert egress[0] == {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    assert render({"networkPolicy": {"enabled": True}}).one("NetworkPolicy", "driftlead-operator")["spec"][
        "policyTypes"
    ] == ["Ingress"]
