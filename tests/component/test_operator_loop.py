"""The operator's I/O half against a real API server and MLflow, with a plan of a few lines for ours."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from driftlead_operator.cluster import ApiServer
from driftlead_operator.facts import Deletion, Event, Facts, Plan, Ref
from driftlead_operator.kinds import LABEL_MANAGED_BY, LABEL_NAME, MANAGER
from neighbours import operators
from neighbours.operators import move, register, resource, running_operator, until

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def api(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    async with ApiServer() as server:
        await operators.install_crd(server)
        yield server


@pytest.fixture
async def where(api: ApiServer, request: pytest.FixtureRequest) -> str:
    """A namespace for this test alone."""
    return await operators.namespace(api, request.node.name.replace("_", "-")[:60].strip("-"))


def service(facts: Facts, version: str) -> dict[str, Any]:
    """A child whose content says which version is wanted."""
    metadata = facts.resource["metadata"]
    owner = {"apiVersion": "driftlead.dev/v1alpha1", "kind": "ModelDeployment", "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {LABEL_MANAGED_BY: MANAGER, LABEL_NAME: metadata["name"]},
            "annotations": {"version": version},
            "ownerReferences": [{**owner, "name": metadata["name"], "uid": metadata["uid"]}],
        },
        "spec": {"ports": [{"port": 80}], "selector": {"serves": version}},
    }


def refs(thing: Mapping[str, Any]) -> list[Ref]:
    return [Ref("Service", thing["metadata"]["name"])]


def follow_production(facts: Facts) -> Plan:
    """One Service that names the version in Production; status says the same."""
    name = facts.resource["metadata"]["name"]
    wanted = next((each.version for each in facts.registry.versions if each.stage == "Production"), "")
    seen = facts.children.get(Ref("Service", name))
    if facts.registry.asked is None:
        return Plan()
    status = {"observedGeneration": facts.resource["metadata"]["generation"], "prod": {"version": wanted}}
    told = status if facts.resource.get("status") != status else None
    if not wanted:
        delete = [Deletion(ref=Ref("Service", name), uid=seen["metadata"]["uid"])] if seen else []
        return Plan(status=told, delete=delete)
    manifest = service(facts, wanted)
    same = seen and all(
        seen["metadata"].get("annotations", {}).get(key) == value
        for key, value in manifest["metadata"]["annotations"].items()
    )
    if seen:
        manifest["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"]
    event = Event(reason="Promoted", message=f"version {wanted} serves")
    return Plan(status=told, apply=[] if same else [manifest], events=[] if told is None else [event])


FOLLOW = operators.decisions(follow_production, refs)


async def test_a_promotion_in_the_registry_reaches_the_child_and_the_status(
    api: ApiServer, where: str, mlflow_uri: str, tmp_path: Path
) -> None:
    register(mlflow_uri, where, 2)
    move(mlflow_uri, where, "1", "Production")
    registries = operators.declare(tmp_path, "default", mlflow_uri)
    await api.create(resource(where, "demo", model=where))
    async with running_operator(FOLLOW, registries_dir=registries):

        async def serves(version: str) -> bool:
            child = await api.get("Service", where, "demo")
            seen = await api.get("ModelDeployment", where, "demo")
            return bool(
                child
                and child["metadata"]["annotations"]["version"] == version
                and (seen or {}).get("status", {}).get("prod", {}).get("version") == version
            )

        await until(lambda: serves("1"))
        move(mlflow_uri, where, "2", "Production")
        await until(lambda: serves("2"))
    listed = await api.request("list", "Event", "GET", f"/api/v1/namespaces/{where}/events")
    assert sorted(each["message"] for each in listed["items"]) == ["version 1 serves", "version 2 serves"]
