"""The whole operator with Kubernetes' real controllers: rollouts, the way back, autoscaling and deletion."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.kinds import KINDS
from neighbours import operators
from neighbours.controllers import controller_manager, install_metrics_api, kubelet, use
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
    assert status["prod"]["lastFailure"]["message"] == "this is not a model"

    async def back() -> bool:
        return set(await stage.pods()) == names

    await until(back, seconds=20)
    operators.mlflow(stage.uri, "model-versions/create", {"name": stage.where, "source": "s3://mlflow/x/3"})
    move(stage.uri, stage.where, "3", "Production")
    await stage.ready("Serving", "3")


async def test_pods_without_their_connections_are_said_so_with_the_command_that_makes_them(
    stage: Stage,
) -> None:
    stage.codes["1"] = 12
    await stage.apply(prod={"stage": "Production"}, connections={"secretName": "none-of-that-name"})
    status = await stage.ready("ConnectionsMissing")
    (message,) = (each["message"] for each in status["conditions"] if each["type"] == "Ready")
    assert f"kubectl create secret generic none-of-that-name -n {stage.where}" in message


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


async def test_a_version_that_a_person_gives_up_on_its_way_leaves_the_good_pods_alone(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production", "replicas": 2}, canary={"stage": "Staging"})
    await stage.ready("Serving", "1")
    names = set(await stage.pods())
    stage.codes["2"] = (
        10  # the registry is unreachable for it: no fault of the model's, and tried without end
    )
    move(stage.uri, stage.where, "2", "Production")
    await stage.ready("PodCannotReachRegistry", "1")
    request = {"metadata": {"annotations": {"driftlead.dev/abort": "2"}}}
    await stage.api.merge("ModelDeployment", stage.where, "demo", request)
    status = await stage.ready("Aborted", "1")
    assert status["handled"]["abort"] == "2"

    async def back() -> bool:
        return set(await stage.pods()) == names

    await until(back, seconds=20)
    stage.codes["2"] = 0
    again = {"metadata": {"annotations": {"driftlead.dev/requestedAt": "again"}}}
    await stage.api.merge("ModelDeployment", stage.where, "demo", again)
    await stage.ready("Serving", "2")


async def test_an_aborted_canary_loses_its_pods(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production"}, canary={"stage": "Staging"})
    move(stage.uri, stage.where, "2", "Staging")
    await stage.ready("Serving", "1")

    async def pods(number: int) -> bool:
        return len(await stage.pods("canary")) == number

    await until(lambda: pods(1), seconds=20)
    request = {"metadata": {"annotations": {"driftlead.dev/abort": "2"}}}
    await stage.api.merge("ModelDeployment", stage.where, "demo", request)
    await until(lambda: pods(0), seconds=20)
    conditions = {each["type"]: each for each in (await stage.ready("Serving", "1"))["conditions"]}
    assert (conditions["CanaryHealthy"]["status"], conditions["CanaryHealthy"]["reason"]) == (
        "True",
        "Aborted",
    )


def standing(stage: Stage) -> dict[str, str]:
    """The registry stage of each version."""
    query = f"model-versions/search?filter=name%3D%27{stage.where}%27"
    found = operators.mlflow(stage.uri, query)["model_versions"]
    return {each["version"]: each["current_stage"] for each in found}


async def test_the_registry_is_told_of_a_pin_when_it_serves_and_not_of_one_that_does_not_load(
    stage: Stage,
) -> None:
    await stage.apply(prod={"stage": "Production", "replicas": 2})
    await stage.ready("Serving", "1")
    stage.codes["2"] = 3
    pin = {"spec": {"prod": {"version": "2"}}}
    await stage.api.merge("ModelDeployment", stage.where, "demo", pin)
    status = await stage.ready("VersionRejected", "1")
    assert status["promotion"]["outcome"] == "Pending"
    assert standing(stage) == {"1": "Production", "2": "None"}
    stage.codes["2"] = 0
    again = {"metadata": {"annotations": {"driftlead.dev/requestedAt": "again"}}}
    await stage.api.merge("ModelDeployment", stage.where, "demo", again)
    await stage.ready("Serving", "2")

    async def written() -> bool:
        return bool((await stage.status())["promotion"]["outcome"] == "Written")

    await until(written, seconds=20)
    assert standing(stage) == {"1": "Archived", "2": "Production"}


async def autoscaler(stage: Stage) -> Json:
    """What the real autoscaler says of itself, once it has looked; {} before."""
    found = await stage.api.get("HorizontalPodAutoscaler", stage.where, "demo-prod") or {}
    status = found.get("status") or {}
    return {each["type"]: each["status"] for each in status.get("conditions") or ()}


async def asked_for(stage: Stage) -> int:
    """How many pods the Deployment asks for."""
    found = await stage.api.get("Deployment", stage.where, "demo-prod") or {}
    return int(found["spec"]["replicas"])


async def test_no_pod_goes_when_an_autoscaler_takes_over_and_has_no_metrics(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production", "replicas": 3})
    await stage.ready("Serving", "1")
    names, seen = set(await stage.pods()), []

    async def looked() -> bool:
        seen.append((await asked_for(stage), set(await stage.pods())))
        return "AbleToScale" in await autoscaler(stage)

    takes_over = {"replicas": None, "autoscaling": {"minReplicas": 1, "maxReplicas": 5}}
    await stage.api.merge("ModelDeployment", stage.where, "demo", {"spec": {"prod": takes_over}})
    await until(looked, seconds=40)
    for _ in range(30):  # further looks of the autoscaler, one a second
        await looked()
        await asyncio.sleep(0.1)
    assert seen == [(3, names)] * len(seen)
    await stage.ready("Serving", "1")
    more = {"autoscaling": {"minReplicas": 4}}  # which it sees to without any metrics
    await stage.api.merge("ModelDeployment", stage.where, "demo", {"spec": {"prod": more}})

    async def four() -> bool:
        return len(await stage.pods()) == 4 and names <= set(await stage.pods())

    await until(four, seconds=40)


async def test_the_real_autoscaler_scales_by_what_pods_use_and_a_promotion_keeps_its_replicas(
    stage: Stage,
) -> None:
    await install_metrics_api(stage.api)
    spec = {"minReplicas": 2, "maxReplicas": 4, "targetCPUUtilizationPercentage": 80}
    await stage.apply(prod={"stage": "Production", "autoscaling": spec})
    await stage.ready("Serving", "1")

    async def busy(number: int) -> bool:
        await use(stage.api, stage.where, "300m")  # of the 100m that a pod requests
        return await asked_for(stage) == number

    await until(lambda: busy(4), seconds=60, every=0.5)
    move(stage.uri, stage.where, "2", "Production")
    seen = set()

    async def rolled() -> bool:
        seen.add(await asked_for(stage))
        status = await stage.status()
        return bool(status["prod"].get("version") == "2" and status["prod"]["readyReplicas"] == 4)

    await until(rolled, seconds=60)
    assert seen == {4}


async def test_prod_is_scaled_by_the_scale_subresource_of_the_resource_itself(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production"})
    await stage.ready("Serving", "1")
    path = f"{KINDS['ModelDeployment'].path(stage.where, 'demo')}/scale"
    scale = await stage.api.request("get", "Scale", "GET", path)
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    assert scale["status"]["selector"] == "driftlead.dev/name=demo,driftlead.dev/stage=prod"
    scale["spec"]["replicas"] = 2
    await stage.api.request("update", "Scale", "PUT", path, body=scale)

    async def two() -> bool:
        return (await stage.api.request("get", "Scale", "GET", path))["status"]["replicas"] == 2

    await until(two, seconds=20)
    await stage.ready("Serving", "1")


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


async def test_a_variable_that_others_set_is_named_and_a_restart_and_a_scaling_are_not(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production", "autoscaling": {"minReplicas": 1, "maxReplicas": 3}})
    await stage.ready("Serving", "1")
    path = KINDS["Deployment"].path(stage.where, "demo-prod")
    scale = await stage.api.request("get", "Scale", "GET", f"{path}/scale")
    scale["spec"]["replicas"] = 2
    await stage.api.request(
        "update", "Scale", "PUT", f"{path}/scale", body=scale, params={"fieldManager": "keda"}
    )
    restarted = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-24T00:00:00Z"}}}
    await patch(stage, path, "kubectl-rollout", {"template": restarted})
    status = await stage.ready("Serving", "1")
    assert "ChildrenModified" not in {each["type"] for each in status["conditions"]}
    server = {"name": "server", "env": [{"name": "FOO", "value": "bar"}]}
    await patch(stage, path, "kubectl-set", {"template": {"spec": {"containers": [server]}}})

    async def named() -> str:
        conditions = {each["type"]: each for each in (await stage.status())["conditions"]}
        return str(conditions.get("ChildrenModified", {}).get("message", ""))

    told = await until(named, seconds=20)
    assert "Deployment demo-prod: spec.template.spec.containers[server].env[FOO] by kubectl-set. " in told
    await stage.ready("Serving", "1")
    before = await stage.versions()
    await asyncio.sleep(3)
    assert await stage.versions() == before
    gone = {"name": "server", "env": [{"name": "FOO", "$patch": "delete"}]}
    await patch(stage, path, "kubectl-set", {"template": {"spec": {"containers": [gone]}}})

    async def is_well() -> bool:
        return not await named()

    await until(is_well, seconds=20)


async def patch(stage: Stage, path: str, manager: str, spec: Json) -> None:
    """A strategic merge patch of a spec, as kubectl's verbs send it."""
    words = {"content": "application/strategic-merge-patch+json", "params": {"fieldManager": manager}}
    await stage.api.request("patch", "Deployment", "PATCH", path, body={"spec": spec}, **words)


async def test_a_check_that_a_quota_leaves_without_a_pod_says_so_until_there_is_room(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production"}, drift={"schedule": "0 0 1 1 *"})
    await stage.ready("Serving", "1")
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}}}
    path = f"/api/v1/namespaces/{stage.where}/resourcequotas"
    await stage.api.request("create", "ResourceQuota", "POST", path, body=quota)

    async def counted() -> bool:
        found = await stage.api.request("get", "ResourceQuota", "GET", f"{path}/small")
        return bool(found.get("status", {}).get("used") == {"pods": "1"})

    await until(counted, seconds=20)
    await start_check(stage, "now")

    async def says(status: str, reason: str) -> str:
        conditions = (await stage.status()).get("conditions", [])
        found = next((each for each in conditions if each["type"] == "DriftCheckFailed"), {})
        right = (found.get("status"), found.get("reason")) == (status, reason)
        return str(found["message"]) if right else ""

    message = await until(lambda: says("True", "PodsRefused"), seconds=40)
    assert message.startswith(
        "Job now: pods are refused: exceeded quota: small, requested: pods=1, used: pods=1"
    )
    await stage.api.request("delete", "ResourceQuota", "DELETE", f"{path}/small")
    await until(lambda: says("False", "NotCheckedYet"), seconds=60)
    events = await stage.api.request("list", "Event", "GET", KINDS["Event"].path(stage.where))
    mine = [each for each in events["items"] if each["involvedObject"]["kind"] == "ModelDeployment"]
    assert [each["count"] for each in mine if each["reason"] == "PodsRefused"] == [1]


async def start_check(stage: Stage, name: str) -> None:
    """What `kubectl create job --from=cronjob/demo-drift` makes."""
    cronjob = await stage.api.get("CronJob", stage.where, "demo-drift") or {}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "demo-drift", "controller": True}
    template = cronjob["spec"]["jobTemplate"]
    metadata = {
        **template["metadata"],
        "name": name,
        "namespace": stage.where,
        "ownerReferences": [{**owner, "uid": cronjob["metadata"]["uid"]}],
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}
    await stage.api.create(job)


async def test_deleting_the_resource_removes_every_child(stage: Stage) -> None:
    await stage.apply(prod={"stage": "Production", "replicas": 2}, drift={"schedule": "0 0 1 1 *"})
    await stage.ready("Serving", "1")
    path = KINDS["ModelDeployment"].path(stage.where, "demo")
    await stage.api.request("delete", "ModelDeployment", "DELETE", path)

    async def nothing() -> bool:
        return not await stage.versions() and not await stage.pods()

    await until(nothing, seconds=40)
