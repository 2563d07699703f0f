"""A kind whose CRD the cluster may lack: absent, installed while the operator runs, and removed again."""

from typing import Any

import pytest

from driftlead_operator import metrics
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.decisions import names
from driftlead_operator.kinds import KINDS, Kind
from neighbours.operators import CRDS, FOLLOW, definition, resource, running_operator, until

pytestmark = pytest.mark.timeout(120, func_only=True)
ROUTE = Kind("Route", "routes.example", "v1", "routes", optional=True)
CRD = definition(ROUTE)


def listings() -> float:
    """How often a listing of the kind was sent."""
    samples = metrics.API_REQUESTS.collect()[0].samples
    return sum(
        each.value
        for each in samples
        if each.name.endswith("_total") and (each.labels["verb"], each.labels["kind"]) == ("list", "Route")
    )


def route(where: str) -> dict[str, Any]:
    labels = {names.MANAGED_BY: names.MANAGER, names.RESOURCE_NAME: "demo"}
    return {
        "apiVersion": ROUTE.api_version,
        "kind": "Route",
        "metadata": {"name": "demo", "namespace": where, "labels": labels},
    }


async def test_a_kind_that_comes_is_watched_and_one_that_goes_leaves_the_rest_as_it_is(
    api: ApiServer, where: str, registries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "Route", ROUTE)
    await api.create(resource(where, "demo"))
    async with running_operator(
        FOLLOW, registries_dir=registries, watch_namespaces=where, audit_seconds=0.5
    ) as operator:
        assert operator.audit.synced
        assert listings() == 0
        await api.request("create", "CRD", "POST", CRDS, body=CRD)
        await until(lambda: "Route" in operator.discovery.present, seconds=20)

        await api.create(route(where))
        await until(lambda: (where, "demo") in operator.cache.names("Route"), seconds=20)
        before = operator.cache.version("Route", where, "demo")
        await api.merge("Route", where, "demo", {"metadata": {"annotations": {"changed": "yes"}}})
        await until(lambda: operator.cache.version("Route", where, "demo") > before, seconds=20)

        await api.request("delete", "CRD", "DELETE", f"{CRDS}/{CRD['metadata']['name']}")
        await until(lambda: not operator.cache.names("Route"), seconds=20)
        await until(lambda: "Route" not in operator.discovery.present, seconds=20)
        sent = listings()

        await api.create(resource(where, "later"))
        await until(lambda: (where, "later") in operator.cache.names("ModelDeployment"), seconds=20)
        assert operator.audit.synced
        assert not operator.faults()
        assert listings() - sent <= 1
