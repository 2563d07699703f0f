"""The operator asks pods for their health: a ready one at once, a silent one without harm to the others."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from driftlead_formats.summaries import CanaryAssessment
from driftlead_formats.verdicts import CanaryVerdict
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.decisions import names
from driftlead_operator.decisions.facts import Facts, Plan
from driftlead_operator.probes import serve
from hack.ports import free_port
from neighbours.operators import decisions, own_names, resource, running_operator, until

pytestmark = pytest.mark.timeout(90, func_only=True)
JUDGED = CanaryAssessment(verdict=CanaryVerdict.NON_INFERIOR)


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """A port that answers /health with what stands in the dictionary, and /verdict as a judge."""
    answer: dict[str, Any] = {"status": "ok", "model_version": "3"}

    async def health(_: web.Request) -> web.Response:
        return web.json_response(answer)

    async def verdict(_: web.Request) -> web.Response:
        return web.json_response(JUDGED.dump())

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/verdict", verdict)])
    port = free_port()
    runner = await serve(app, port)
    yield port, answer
    await runner.cleanup()


async def run_pod(api: ApiServer, where: str, name: str, *, component: str, address: str, port: int) -> None:
    """A pod that the API server believes to be ready at that address."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": where},
    }
    path = f"/api/v1/namespaces/{where}"
    if await get(api, f"{path}/serviceaccounts/default") is None:
        await api.request("create", "ServiceAccount", "POST", f"{path}/serviceaccounts", body=account)
    labels = {names.MANAGED_BY: names.MANAGER, names.RESOURCE_NAME: "demo", names.COMPONENT: component}
    container = {"name": "server", "image": "none", "ports": [{"name": "http", "containerPort": port}]}
    spec = {"containers": [container], "automountServiceAccountToken": False}
    metadata = {"name": name, "namespace": where, "labels": labels}
    await api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    ready = [{"type": "Ready", "status": "True"}]
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": ready}
    body = {"status": status}
    headers = {"Content-Type": "application/merge-patch+json"}
    await api.request("patch", "Pod", "PATCH", f"{path}/pods/{name}/status", body=body, headers=headers)


async def get(api: ApiServer, path: str) -> Any:
    try:
        return await api.request("get", "test", "GET", path)
    except Exception:
        return None


async def test_answers_of_pods_and_of_the_judge_reach_the_facts_and_a_changed_one_gives_a_reconcile(
    api: ApiServer, where: str, registries: Path, server: tuple[int, dict[str, Any]]
) -> None:
    port, answer = server
    seen: list[Facts] = []

    def watch(facts: Facts) -> Plan:
        seen.append(facts)
        return Plan()

    await api.create(resource(where, "demo", model=where))
    settings = {"registries_dir": registries, "watch_namespaces": where, "health_seconds": 1}
    async with running_operator(decisions(watch, own_names), **settings):
        await run_pod(
            api, where, "silent", component="prod", address="192.0.2.1", port=port
        )  # an address that nobody has
        await run_pod(api, where, "answers", component="prod", address="127.0.0.1", port=port)
        await run_pod(api, where, "judge", component="judge", address="127.0.0.1", port=port)
        await until(lambda: "answers" in seen[-1].health and seen[-1].canary_verdict, seconds=10)
        assert dict(seen[-1].health) == {"answers": {"status": "ok", "model_version": "3"}}
        assert seen[-1].canary_verdict == JUDGED
        answer["model_version"] = "4"
        await until(lambda: seen[-1].health["answers"]["model_version"] == "4", seconds=10)


async def test_a_pod_that_falls_silent_and_vanishes_is_remembered_by_its_last_words(
    api: ApiServer, where: str, registries: Path, server: tuple[int, dict[str, Any]]
) -> None:
    port, answer = server
    answer["log"] = {"mode": "async", "pending": 17}
    seen: list[Facts] = []

    def watch(facts: Facts) -> Plan:
        seen.append(facts)
        return Plan()

    await api.create(resource(where, "demo", model=where))
    settings = {"registries_dir": registries, "watch_namespaces": where, "health_seconds": 0.5}
    async with running_operator(decisions(watch, own_names), **settings):
        await run_pod(api, where, "lost", component="prod", address="127.0.0.1", port=port)
        await until(lambda: "lost" in seen[-1].health, seconds=10)
        answer["padding"] = "x" * 70_000  # no answer that counts any more
        await until(lambda: "lost" not in seen[-1].health, seconds=10)
        pod = await api.get("Pod", where, "lost")
        assert pod
        path = f"/api/v1/namespaces/{where}/pods/lost"
        await api.request("delete", "Pod", "DELETE", path, params={"gracePeriodSeconds": "0"})
        await until(lambda: seen[-1].undelivered, seconds=10)
        assert [(each.pod, each.rows) for each in seen[-1].undelivered] == [("lost", 17)]
