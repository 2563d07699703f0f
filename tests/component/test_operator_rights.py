"""The operator with exactly the rights that the chart gives it, everywhere or in named namespaces."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from driftlead_operator import metrics
from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.errors import ConflictError, NotFoundError
from driftlead_operator.kinds import KINDS, RESOURCE, Kind
from neighbours import operators
from neighbours.operators import CRDS, FOLLOW, definition, resource, running_operator, serves, until
from neighbours.rights import RBAC, act_as, install_rights

pytestmark = pytest.mark.timeout(120, func_only=True)
FORBIDDEN = "driftlead_operator_kind_forbidden"
RBAC_GROUP = "rbac.authorization.k8s.io"
GATE = Kind("Gate", "gates.example", "v1", "gates", optional=True)
GATE_CRD = definition(GATE)


def refused() -> dict[tuple[str, str], float]:
    family = next(iter(metrics.API_REQUESTS.collect()))
    return {
        (sample.labels["verb"], sample.labels["kind"]): sample.value
        for sample in family.samples
        if sample.labels.get("code") == "403" and sample.name.endswith("_total")
    }


@pytest.fixture(params=["everywhere", "named namespaces"])
async def restricted(
    request: pytest.FixtureRequest, api: ApiServer, where: str, tmp_path: Path, kubeconfig: Path
) -> AsyncIterator[dict[str, Any]]:
    """Settings of an operator that has the chart's rights, and who it is in the environment."""
    values: dict[str, Any] = {"registries": [{"name": "default", "trackingURI": "http://mlflow"}]}
    settings: dict[str, Any] = {"pod_namespace": "driftlead"}
    if request.param == "named namespaces":
        values |= {"watch": {"namespaces": [where]}, "fullnameOverride": "named"}
        settings |= {"watch_namespaces": where}
    account = await install_rights(api, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(await act_as(api, account, kubeconfig, tmp_path)))
        yield settings


async def test_the_rights_of_the_chart_are_enough_for_all_that_the_operator_does(
    api: ApiServer, where: str, registries: Path, restricted: dict[str, Any]
) -> None:
    before = refused()
    canary = {"version": "2"}
    spec = {
        "canary": canary,
        "drift": {"schedule": "@hourly"},
        "prod": {"stage": "Production", "replicas": 2},
    }
    await api.create(resource(where, "demo", model=where, **spec))
    async with running_operator(DECISIONS, registries_dir=registries, **restricted):
        for kind, name in (
            ("Deployment", "demo-prod"),
            ("Deployment", "demo-canary"),
            ("Service", "demo"),
            ("CronJob", "demo-drift"),
            ("PodDisruptionBudget", "demo-prod"),
        ):
            await until(lambda kind=kind, name=name: api.get(kind, where, name))
        scaled = {"autoscaling": {"maxReplicas": 3}, "replicas": None}
        await api.merge(RESOURCE, where, "demo", {"spec": {"canary": None, "drift": None, "prod": scaled}})
        await until(lambda: api.get("HorizontalPodAutoscaler", where, "demo-prod"))

        async def gone() -> bool:
            return await api.get("CronJob", where, "demo-drift") is None

        await until(gone)
        await asyncio.sleep(1)
    assert refused() == before


async def test_a_named_namespace_without_rights_does_not_stop_the_others_and_is_taken_up_when_they_come(
    api: ApiServer,
    where: str,
    registries: Path,
    tmp_path: Path,
    kubeconfig: Path,
) -> None:
    deleted = await operators.namespace(api, f"{where}-x")
    values = {
        "registries": [{"name": "default", "trackingURI": "http://mlflow"}],
        "fullnameOverride": f"op-{where[-6:]}",
    }
    account = await install_rights(api, {**values, "watch": {"namespaces": [where, deleted]}})
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{deleted}/rolebindings"
    binding = (await api.request("list", "RoleBinding", "GET", bindings))["items"][0]
    await api.request("delete", "RoleBinding", "DELETE", f"{bindings}/{binding['metadata']['name']}")
    for namespace in (where, deleted):
        await api.create(resource(namespace, "demo", model=where))
    settings: dict[str, Any] = {"pod_namespace": "driftlead", "watch_namespaces": f"{where},{deleted}"}
    settings |= {"registries_dir": registries, "audit_seconds": 1.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(await act_as(api, account, kubeconfig, tmp_path)))
        async with running_operator(FOLLOW, **settings) as operator:
            await until(serves(api, where, "1"))
            assert operator.is_leader()
            assert operator.namespaces.is_held(deleted)
            assert await api.get("Service", deleted, "demo") is None
            del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
            await api.request("create", "RoleBinding", "POST", bindings, body=binding)
            await until(serves(api, deleted, "1"), seconds=30)
            assert not operator.namespaces.is_held(deleted)


async def test_an_optional_kind_without_rights_keeps_nothing_waiting_and_is_taken_up_when_they_come(
    api: ApiServer, where: str, registries: Path, restricted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "Gate", GATE)
    with contextlib.suppress(ConflictError):
        await api.request("create", "CRD", "POST", CRDS, body=GATE_CRD)
    await api.create(resource(where, "demo", model=where))
    reader = f"gates-{where[-6:]}"
    settings = {"registries_dir": registries, "audit_seconds": 0.5, **restricted}
    try:
        async with running_operator(FOLLOW, **settings) as operator:
            await until(serves(api, where, "1"))
            assert metrics.REGISTRY.get_sample_value(FORBIDDEN, {"kind": "Gate"}) == 1
            assert "Gate" not in operator.discovery.present
            await let_everybody_read_gates(api, reader)
            await until(lambda: "Gate" in operator.discovery.present, seconds=40)
            assert not operator.faults()
    finally:
        with contextlib.suppress(NotFoundError):
            await api.request("delete", "Role", "DELETE", f"{RBAC}/clusterrolebindings/{reader}")


async def let_everybody_read_gates(api: ApiServer, name: str) -> None:
    rules = [{"apiGroups": [GATE.group], "resources": [GATE.plural], "verbs": ["list", "watch"]}]
    role = {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }
    await api.request("create", "ClusterRole", "POST", f"{RBAC}/clusterroles", body=role)
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "Group", "apiGroup": RBAC_GROUP, "name": "system:serviceaccounts"}],
    }
    await api.request("create", "ClusterRoleBinding", "POST", f"{RBAC}/clusterrolebindings", body=binding)
