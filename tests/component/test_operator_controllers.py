"""The whole operator with Kubernetes' real controllers: rollouts, the way back, autoscaling and deletion."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.cluster import ApiServer
from driftlead_operator.kinds import KINDS
from neighbours import operators
from neighbours.controllers import controller_manager, kubelet
from neighbours.operators import move, resource, running_operator, until

pytestmark = pytest.mark.timeout(180, func_only=True)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def controllers(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with controller_manager(kubeconfig, tmp_path_factory.mktemp("controllers")):
        yield


class Stage:
    """One namespace with a resource `demo`, its registry and its pods."""

    def __init__(self, api: ApiServer, where: str, uri: str, codes: dict[str, int]) -> None:
        self.api, self.where, self.uri, self.codes = api, where, uri, codes

    async def apply(self, **spec: Any) -> None:
        await self.api.apply(resource(self.where, "demo", model=self.where, **spec), force=True)

    async def status(self) -> Json:
        found = await self.api.get("ModelDeployment", self.where, "demo") or {}
        return dict(found.get("status") or {})

    async def pods(self, stage: str = "prod") -> dict[str, str]:
        """Versions by the names of a stage's pods."""
        query = {"labelSelector": f"driftlead.dev/stage={stage}"}
        found = await self.api.request("list", "Pod", "GET", KINDS["Pod"].path(self.where), params=query)
        return {
            each["metadata"]["name"]: each["metadata"]["labels"]["driftlead.dev/version"]
            for each in found["items"]
        }

    async def ready(self, reason: str, version: str | None = None) -> Json:
        """The status, once Ready has this reason and prod serves this version."""

        async def there() -> Json | None:
            status = await self.status()
            found = next((each for each in status.get("conditions", []) if each["type"] == "Ready"), {})
            right = version is None or status.get("prod", {}).get("version") == version
            return status if found.get("reason") == reason and right else None

        answer: Json = await until(there, seconds=40)
        return answer

    async def versions(self) -> dict[str, str]:
        """resourceVersions of everything that the operator may write."""
        kinds = ("ModelDeployment", "Deployment", "Service", "PodDisruptionBudget", "CronJob")
        found = {}
        for kind in kinds:
            listed = await self.api.list_metadata(kind, self.where)
            found |= {
                f"{kind}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
                for each in listed.items
            }
        return found


@pytest.fixture
async def stage(
    controllers: None, api: ApiServer, where: str, registries: Path, mlflow_uri: str
) -> AsyncIterator[Stage]:
    """Version 1 in Production, 2 registered; nothing applied yet."""
    codes: dict[str, int] = {}
    async with (
        kubelet(api, where, codes),
        running_operator(DECISIONS, registries_dir=registries, cluster="here"),
    ):
        yield Stage(api, where, mlflow_uri, codes)


async def test_a_promotion_rolls_pods_and_then_nothing_is_written_any_more(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production", "replicas": 2}, drift={"schedule": "0 0 1 1 *"})
    await stage.ready("Serving", "1")
    move(stage.uri, stage.where, "2", "Production")
    status = await stage.ready("Serving", "2")
    assert (status["prod"]["readyReplicas"], status["prod"]["display"]) == (2, "2")
    assert [each["to"] for each in status["history"]] == ["2", "1"]
    assert set((await stage.pods()).values()) == {"2"}
    before = await stage.versions()
    await asyncio.sleep(3)
    assert await stage.versions() == before


async def test_a_condemned_version_goes_back_without_a_restart_and_a_newer_one_passes(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production", "replicas": 2})
    await stage.ready("Serving", "1")
    names = set(await stage.pods())
    stage.codes["2"] = 3
    move(stage.uri, stage.where, "2", "Production")
    status = await stage.ready("VersionRejected", "1")
    assert status["prod"]["lastFailure"]["message"] == "this is no model"

    async def back() -> bool:
        return set(await stage.pods()) == names

    await until(back, seconds=20)
    operators.mlflow(stage.uri, "model-versions/create", {"name": stage.where, "source": "s3://mlflow/x/3"})
    move(stage.uri, stage.where, "3", "Production")
    await stage.ready("Serving", "3")


async def test_a_canary_follows_staging_and_leaves_when_it_was_promoted(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production"}, canary={"stage": "Staging"})
    move(stage.uri, stage.where, "2", "Staging")
    await stage.ready("Serving", "1")

    async def tried() -> bool:
        return (await stage.status()).get("canary", {}).get("version") == "2"

    await until(tried, seconds=40)
    assert list((await stage.pods("canary")).values()) == ["2"]
    move(stage.uri, stage.where, "2", "Production")
    await stage.ready("Serving", "2")

    async def gone() -> bool:
        return not await stage.pods("canary") and "canary" not in await stage.status()

    await until(gone, seconds=20)


async def test_replicas_that_an_autoscaler_set_survive_a_promotion(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production", "autoscaling": {"minReplicas": 1, "maxReplicas": 5}})
    await stage.ready("Serving", "1")
    path = f"{KINDS['Deployment'].path(stage.where, 'demo-prod')}/scale"
    scale = await stage.api.request("get", "Scale", "GET", path)
    scale["spec"]["replicas"] = 3
    await stage.api.request("update", "Scale", "PUT", path, body=scale, params={"fieldManager": "autoscaler"})

    async def three() -> bool:
        return (await stage.status())["prod"].get("readyReplicas") == 3

    await until(three, seconds=20)
    move(stage.uri, stage.where, "2", "Production")
    await stage.ready("Serving", "2")
    assert sorted((await stage.pods()).values()) == ["2", "2", "2"]


async def test_deleting_the_resource_removes_every_child(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production", "replicas": 2}, drift={"schedule": "0 0 1 1 *"})
    await stage.ready("Serving", "1")
    path = KINDS["ModelDeployment"].path(stage.where, "demo")
    await stage.api.request("delete", "ModelDeployment", "DELETE", path)

    async def nothing() -> bool:
        return not await stage.versions() and not await stage.pods()

    await until(nothing, seconds=40)
