"""Every verb that the chart grants is used, and no other is asked for, by the API server's own log."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.assembly import Operator
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.decisions import objects
from driftlead_operator.kinds import KINDS, RESOURCE, Key
from neighbours.controllers import controller_manager, kubelet
from neighbours.operators import Json, move, resource, running_operator, until
from neighbours.rights import act_as, install_rights, rendered

pytestmark = pytest.mark.timeout(180, func_only=True)
VALUES = {"registries": [{"name": "default", "trackingURI": "http://mlflow"}], "fullnameOverride": "listed"}
# No request is made of it: admission asks for it on OpenShift, when an owner reference blocks deletion.
ASKED_BY_ADMISSION = ("driftlead.dev", "modeldeployments/finalizers", "update")
Verb = tuple[str, str, str]
"""API group, resource with subresource, verb."""


def granted() -> set[Verb]:
    """What the chart's roles of the operator list."""
    return {
        (group, name, verb)
        for each in rendered(VALUES)
        if each["kind"] in ("ClusterRole", "Role") and "listed-operator" in each["metadata"]["name"]
        for rule in each["rules"]
        for group in rule["apiGroups"]
        for name in rule["resources"]
        for verb in rule["verbs"]
    }


def recorded(audit: Path, user: str) -> Iterator[tuple[Verb, int]]:
    """What that user asked for by the API server's audit log, and the answer's code.

    A server-side apply that creates is a `patch` for which `create` is needed as well.
    """
    for line in audit.read_text().splitlines():
        event = json.loads(line)
        if event["user"]["username"] != user or "objectRef" not in event:
            continue
        seen, code = event["objectRef"], event.get("responseStatus", {}).get("code", 0)
        name = "/".join(filter(None, (seen["resource"], seen.get("subresource"))))
        verbs = [event["verb"], *(["create"] if event["verb"] == "patch" and code == 201 else [])]
        for verb in verbs:
            yield (seen.get("apiGroup", ""), name, verb), code


class Scene:
    """One resource that is led through all that the operator does."""

    def __init__(self, api: ApiServer, where: str, operator: Operator) -> None:
        self.api, self.where, self.operator = api, where, operator

    async def patch(self, **spec: Any) -> None:
        await self.api.merge(RESOURCE, self.where, "demo", {"spec": spec})

    async def there(self, kind: str, name: str) -> Json:
        found: Json = await until(lambda: self.api.get(kind, self.where, name), seconds=30)
        return found

    async def gone(self, kind: str, name: str) -> None:
        async def is_gone() -> bool:
            return await self.api.get(kind, self.where, name) is None

        await until(is_gone, seconds=30)

    async def status(self) -> Json:
        return dict((await self.there(RESOURCE, "demo")).get("status") or {})

    async def ready(self, reason: str) -> None:
        async def is_so() -> bool:
            conditions = {each["type"]: each for each in (await self.status()).get("conditions", ())}
            return bool(conditions.get("Ready", {}).get("reason") == reason)

        await until(is_so, seconds=40)

    async def meet_a_conflict(self, uri: str) -> None:
        """The resource changes while the watch is silent, so that a status is written on old news."""
        take, self.operator.watch.sink = self.operator.watch.sink, lambda *_: None
        await self.api.merge(RESOURCE, self.where, "demo", {"metadata": {"labels": {"seen": "no"}}})
        move(uri, self.where, "2", "Production")
        await until(lambda: self.operator.queue.failures(Key(self.where, "demo")), seconds=20, every=0.01)
        self.operator.watch.sink = take
        await self.ready("Serving")

    async def meet_the_same_trouble_twice(self) -> None:
        """The second event is the first one, whose time moves."""
        for _ in range(2):
            await self.patch(registry="nowhere")
            await self.ready("RegistryUnknown")
            await self.patch(registry="default")
            await self.ready("Serving")

    async def meet_a_check_without_a_pod(self) -> None:
        """Admission refuses the check's pod, which only an event of the Job's controller tells."""
        check = await self._check("demo-drift-0")
        check["spec"]["template"]["spec"]["serviceAccountName"] = "nobody-of-that-name"
        await self.api.create(check)

        async def is_said() -> bool:
            conditions = {each["type"]: each for each in (await self.status()).get("conditions", ())}
            return "nobody-of-that-name" in conditions["DriftCheckFailed"]["message"]

        await until(is_said, seconds=40)
        await self.api.delete("Job", self.where, "demo-drift-0", await self._uid("Job", "demo-drift-0"))

    async def _uid(self, kind: str, name: str) -> str:
        return str((await self.there(kind, name))["metadata"]["uid"])

    async def drift(self) -> None:
        """A check finds drift, and the name of the retraining's Job is taken."""
        report, version = "r1", (await self.status())["prod"]["version"]
        taken = f"demo-retrain-{version}-{objects.digest([report, 1], 5)}"
        pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "none"}]}
        await self.api.create(self._job(taken, {"template": {"spec": pod}}))
        await self.api.create(await self._check("demo-drift-1"))
        query = {"labelSelector": "batch.kubernetes.io/job-name=demo-drift-1"}
        path = KINDS["Pod"].path(self.where)

        async def pods() -> list[Json]:
            listed = await self.api.request("list", "Pod", "GET", path, params=query)
            return [each for each in listed["items"] if each["status"].get("containerStatuses")]

        (pod,) = await until(pods, seconds=30)
        await self._end(pod, report, version)

        async def heard() -> bool:
            return "belongs to somebody else" in (await self.status())["retraining"].get("message", "")

        await until(heard, seconds=30)

    async def _check(self, name: str) -> Json:
        """A Job as the CronJob makes it."""
        cronjob = await self.there("CronJob", "demo-drift")
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "demo-drift", "controller": True}
        template = cronjob["spec"]["jobTemplate"]
        check = self._job(name, template["spec"])
        check["metadata"] |= {
            "labels": template["metadata"]["labels"],
            "ownerReferences": [{**owner, "uid": cronjob["metadata"]["uid"]}],
        }
        return check

    def _job(self, name: str, spec: Json) -> Json:
        metadata = {"name": name, "namespace": self.where}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}

    async def _end(self, pod: Json, report: str, version: str) -> None:
        said = {"schema": "drift-summary/v1", "report": report, "version": version, "verdict": "drift"}
        at = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        ended = {"exitCode": 0, "message": json.dumps(said), "startedAt": at, "finishedAt": at}
        counts = {"name": "drift", "image": "none", "imageID": "", "restartCount": 0, "ready": False}
        status = {"phase": "Succeeded", "containerStatuses": [{**counts, "state": {"terminated": ended}}]}
        path = f"{KINDS['Pod'].path(self.where, pod['metadata']['name'])}/status"
        words = {"body": {"status": status}, "content": "application/merge-patch+json"}
        await self.api.request("patch-status", "Pod", "PATCH", path, **words)


@pytest.fixture
async def account(
    api: ApiServer, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """The user as whom this process acts from now on, with the chart's rights; controllers run beside it."""
    name = await install_rights(api, VALUES)
    monkeypatch.setenv("KUBECONFIG", str(await act_as(api, name, kubeconfig, tmp_path)))
    with controller_manager(kubeconfig, tmp_path):
        yield f"system:serviceaccount:driftlead:{name}"


async def lead(scene: Scene, uri: str) -> None:
    """Through all that makes the operator ask for something."""
    await scene.ready("Serving")
    await scene.there("Deployment", "demo-canary")
    await scene.meet_a_conflict(uri)
    await scene.meet_the_same_trouble_twice()
    await scene.meet_a_check_without_a_pod()
    await scene.drift()
    scaled = {"autoscaling": {"maxReplicas": 3}, "replicas": None}
    await scene.patch(canary=None, drift=None, retraining=None, prod=scaled)
    await scene.there("HorizontalPodAutoscaler", "demo-prod")
    await scene.patch(prod={"autoscaling": None, "replicas": 1})
    for kind, name in (
        ("HorizontalPodAutoscaler", "demo-prod"),
        ("PodDisruptionBudget", "demo-prod"),
        ("CronJob", "demo-drift"),
        ("Service", "demo-canary"),
        ("Deployment", "demo-canary"),
    ):
        await scene.gone(kind, name)
    await asyncio.sleep(1)


async def test_every_verb_that_is_granted_is_used_and_no_other_is_asked_for(
    api: ApiServer, where: str, registries: Path, account: str, request: pytest.FixtureRequest
) -> None:
    uri: str = request.getfixturevalue("mlflow_uri")
    move(uri, where, "2", "Staging")
    spec = {
        "prod": {"stage": "Production", "replicas": 2},
        "canary": {"stage": "Staging"},
        "drift": {"schedule": "0 0 1 1 *"},
        "retraining": {"function": "train:train", "cooldown": "0s"},
    }
    await api.create(resource(where, "demo", model=where, **spec))
    settings = {"registries_dir": registries, "watch_namespaces": where, "pod_namespace": "driftlead"}
    async with kubelet(api, where, {}), running_operator(DECISIONS, **settings) as operator:
        await lead(Scene(api, where, operator), uri)
    kubeconfig: Path = request.getfixturevalue("kubeconfig")
    found = list(recorded(kubeconfig.parent.parent / "log/audit.log", account))
    assert {verb for verb, code in found if code == 403} == set()
    assert {verb for verb, _ in found} == granted() - {ASKED_BY_ADMISSION}
