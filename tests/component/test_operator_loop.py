"""The operator's I/O half against a real API server and MLflow, with a plan of a few lines for ours."""

import asyncio
from pathlib import Path

import pytest

from driftlead_operator import metrics
from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.decisions import names
from driftlead_operator.decisions.facts import Facts, Plan, Ref, RegistryWrite
from driftlead_operator.kinds import Key
from neighbours import operators
from neighbours.operators import (
    FOLLOW,
    decisions,
    follow_production,
    move,
    own_names,
    resource,
    running_operator,
    serves,
    service,
    until,
)

pytestmark = pytest.mark.timeout(90, func_only=True)


def writes() -> float:
    """Requests that this process made to change something, but for the Lease."""
    verbs = {"apply", "create", "update", "patch", "patch-status", "delete"}
    return sum(
        sample.value
        for family in metrics.API_REQUESTS.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
        and sample.labels["verb"] in verbs
        and sample.labels["kind"] != "Lease"
    )


def registry_requests() -> float:
    return sum(
        sample.value
        for family in metrics.REGISTRY_REQUESTS.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )


async def test_a_promotion_in_the_registry_reaches_the_child_and_the_status(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path
) -> None:
    await api.create(resource(where, "demo", model=where))
    async with running_operator(FOLLOW, registries_dir=registries):
        await until(serves(api, where, "1"))
        move(mlflow_uri, where, "2", "Production")
        await until(serves(api, where, "2"))
    seen = await api.get("ModelDeployment", where, "demo")
    assert seen
    assert seen["status"]["prod"]["version"] == "2"
    assert "finalizers" not in seen["metadata"]
    assert "annotations" not in seen["metadata"]
    listed = await api.request("list", "Event", "GET", f"/api/v1/namespaces/{where}/events")
    assert sorted(each["message"] for each in listed["items"]) == ["version 1 serves", "version 2 serves"]


async def test_a_child_that_was_edited_or_deleted_by_hand_returns(
    api: ApiServer, where: str, registries: Path
) -> None:
    await api.create(resource(where, "demo", model=where))
    async with running_operator(FOLLOW, registries_dir=registries, watch_namespaces=where):
        await until(serves(api, where, "1"))
        await api.merge("Service", where, "demo", {"spec": {"selector": {"serves": "by-hand"}}})
        await until(serves(api, where, "1"))
        await api.merge("Service", where, "demo", {"metadata": {"labels": {names.MANAGED_BY: None}}})

        async def labelled() -> bool:
            child = await api.get("Service", where, "demo")
            return bool(child and child["metadata"]["labels"].get(names.MANAGED_BY) == names.MANAGER)

        await until(labelled)
        child = await api.get("Service", where, "demo")
        assert child
        await api.delete("Service", where, "demo", child["metadata"]["uid"])
        await until(serves(api, where, "1"))


async def test_an_object_of_a_stranger_is_never_touched_and_its_name_is_used_once_it_is_free(
    api: ApiServer, where: str, registries: Path
) -> None:
    metadata = {"name": "demo", "namespace": where}
    spec = {"ports": [{"port": 80}], "selector": {"app": "theirs"}}
    theirs = await api.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    await api.create(resource(where, "demo", model=where))
    async with running_operator(FOLLOW, registries_dir=registries, watch_namespaces=where):

        async def told() -> bool:
            seen = await api.get("ModelDeployment", where, "demo")
            return bool(seen and seen.get("status", {}).get("prod", {}).get("display") == "taken")

        await until(told)
        seen = await api.get("Service", where, "demo")
        assert seen
        assert seen["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]
        await api.delete("Service", where, "demo", theirs["metadata"]["uid"])
        await until(serves(api, where, "1"))


async def test_with_nothing_changing_nothing_is_written_and_the_registry_is_asked_once_a_poll(
    api: ApiServer, where: str, registries: Path
) -> None:
    spec = {"canary": {"stage": "Staging"}, "drift": {"schedule": "@hourly"}}
    for number in range(5):
        await api.create(resource(where, f"demo-{number}", model=where, **spec))
    settings = {"registries_dir": registries, "watch_namespaces": where, "poll_seconds": 0.5}
    async with running_operator(DECISIONS, **settings) as operator:
        await until(lambda: len(operator.cache.names("Deployment")) == 5)
        await asyncio.sleep(2.0)
        before = writes(), registry_requests()
        await asyncio.sleep(5.0)
        assert writes() - before[0] == 0
        assert 5 <= registry_requests() - before[1] <= 5.0 / (0.5 * 0.9) + 1


async def test_a_resource_on_which_the_plan_fails_is_told_so_and_delays_no_other(
    api: ApiServer, where: str, registries: Path
) -> None:
    def fails(facts: Facts) -> Plan:
        if facts.resource["metadata"]["name"] == "bad":
            raise ZeroDivisionError("on purpose")
        return follow_production(facts)

    await api.create(resource(where, "bad", model=where))
    async with running_operator(
        decisions(fails, own_names), registries_dir=registries, watch_namespaces=where
    ) as operator:
        await api.create(resource(where, "good", model=where))
        await until(serves(api, where, "1", "good"), seconds=5)
        await until(lambda: operator.queue.failures(Key(where, "bad")) >= 2)
        listed = await api.request("list", "Event", "GET", f"/api/v1/namespaces/{where}/events")
        told = [each for each in listed["items"] if each["involvedObject"]["name"] == "bad"]
        assert [(each["reason"], each["type"]) for each in told] == [("ReconcileFailed", "Warning")]
        assert "ZeroDivisionError: on purpose" in told[0]["message"]


async def test_a_write_on_old_news_is_refused_and_the_next_turn_mends_it(
    api: ApiServer, where: str, registries: Path
) -> None:
    seen: list[str] = []

    def late(facts: Facts) -> Plan:
        plan = follow_production(facts)
        if plan.apply and "resourceVersion" in plan.apply[0]["metadata"]:
            seen.append(plan.apply[0]["metadata"]["resourceVersion"])
            if len(seen) == 1:
                plan.apply[0]["metadata"]["resourceVersion"] = "1"
        return plan

    await api.create(resource(where, "demo", model=where))
    async with running_operator(
        decisions(late, own_names), registries_dir=registries, watch_namespaces=where
    ):
        await until(serves(api, where, "1"))
        conflicts = metrics.RECONCILES.labels("conflict")._value.get()
        await api.merge("Service", where, "demo", {"spec": {"selector": {"serves": "by-hand"}}})
        await until(serves(api, where, "1"))
        assert metrics.RECONCILES.labels("conflict")._value.get() == conflicts + 1
        assert len(seen) == 2


async def test_what_the_api_server_refuses_reaches_the_next_facts_in_its_own_words(
    api: ApiServer, where: str, registries: Path
) -> None:
    refusals: list[str] = []

    def invalid(facts: Facts) -> Plan:
        ref = Ref("Service", "demo")
        if ref in facts.refused:
            refusals.append(facts.refused[ref])
            return Plan()
        wanted = service(facts, "1")
        wanted["spec"]["ports"] = [{"port": 99999}]
        return Plan(apply=[wanted])

    await api.create(resource(where, "demo", model=where))
    async with running_operator(
        decisions(invalid, own_names), registries_dir=registries, watch_namespaces=where
    ):
        await until(lambda: refusals)
    assert "99999" in refusals[0]
    assert "must be between 1 and 65535" in refusals[0]


async def test_a_promotion_by_the_plan_is_written_to_the_registry(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path
) -> None:
    def promote(facts: Facts) -> Plan:
        versions = {each.version: each for each in facts.registry.versions}
        if facts.registry.answered_at is None or versions["2"].stage == "Production":
            return follow_production(facts)
        write = RegistryWrite(model=where, version="2", stage="Production", alias="champion")
        return Plan(registry_writes=[write])

    await api.create(resource(where, "demo", model=where))
    async with running_operator(
        decisions(promote, own_names), registries_dir=registries, watch_namespaces=where
    ):
        await until(serves(api, where, "2"))
    stages = {}
    for version in ("1", "2"):
        query = f"model-versions/get?name={where}&version={version}"
        stages[version] = operators.mlflow(mlflow_uri, query)["model_version"]
    assert (stages["1"]["current_stage"], stages["2"]["current_stage"]) == ("Archived", "Production")
    assert stages["2"]["aliases"] == ["champion"]
