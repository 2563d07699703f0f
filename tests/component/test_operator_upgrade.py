"""An upgrade of the operator: another default image touches no template; the next rollout takes it."""

import asyncio
from pathlib import Path

import pytest

from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.cluster.api_server import ApiServer
from neighbours.operators import Json, move, resource, running_operator, until

pytestmark = pytest.mark.timeout(90, func_only=True)


def image(deployment: Json) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


async def test_another_default_image_starts_no_pod_anew_until_the_next_rollout(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path
) -> None:
    await api.create(resource(where, "demo", model=where))
    settings = {"registries_dir": registries, "watch_namespaces": where}
    async with running_operator(DECISIONS, inference_image="driftlead/inference:1", **settings):
        before = await until(lambda: api.get("Deployment", where, "demo-prod"))
    async with running_operator(DECISIONS, inference_image="driftlead/inference:2", **settings) as operator:
        await until(lambda: len(operator.queue) == 0)
        await asyncio.sleep(2)
        after = await api.get("Deployment", where, "demo-prod")
        assert after
        assert after["spec"]["template"] == before["spec"]["template"]
        assert image(after) == "driftlead/inference:1"
        move(mlflow_uri, where, "2", "Production")

        async def rolled() -> bool:
            seen = await api.get("Deployment", where, "demo-prod")
            labels = (seen or before)["spec"]["template"]["metadata"]["labels"]
            return bool(labels["driftlead.dev/version"] == "2")

        await until(rolled)
        seen = await api.get("Deployment", where, "demo-prod")
        assert seen
        assert image(seen) == "driftlead/inference:2"
