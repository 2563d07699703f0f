"""An alarm outlives checks that fail and the operator that saw it, on a real API server with our CRD."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from driftlead_formats.summaries import DriftSummary, TopFeature
from driftlead_formats.termination import fitted
from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.decisions import objects
from driftlead_operator.kinds import KINDS
from neighbours.operators import resource, running_operator, until

pytestmark = pytest.mark.timeout(120, func_only=True)
Json = dict[str, Any]
FIRST = datetime(2026, 3, 1, 11, 21, tzinfo=UTC)


def owned(owner: Json, kind: str, name: str, spec: Json) -> Json:
    """An object as a controller of Kubernetes makes it below another."""
    metadata = owner["metadata"]
    return {
        "apiVersion": KINDS[kind].api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": metadata["labels"],
            "ownerReferences": [
                {
                    "apiVersion": owner["apiVersion"],
                    "kind": owner["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": spec,
    }


async def check(api: ApiServer, where: str, verdict: DriftVerdict, minute: int) -> None:
    """A Job of the CronJob and its pod, which ended with this verdict."""
    cronjob = await until(lambda: api.get("CronJob", where, "demo-drift"))
    template = cronjob["spec"]["jobTemplate"]["spec"]["template"]
    name = f"demo-drift-{minute}"
    job = await api.create(owned(cronjob, "Job", name, cronjob["spec"]["jobTemplate"]["spec"]))
    pod = await api.create(owned(job, "Pod", f"{name}-pod", template["spec"]))
    failed = verdict is DriftVerdict.ERROR
    summary = DriftSummary(
        report=f"r{minute}",
        version="" if failed else "1",
        verdict=verdict,
        exit_code=1 if failed else 2,
        uri=f"s3://mlflow/r{minute}/report.html",
        message="MLflow does not answer" if failed else "temp is far off",
        top=() if failed else (TopFeature(name="temp", value="9.81", low="9.55", high="10.1"),),
    )
    ended = {
        "exitCode": summary.exit_code,
        "message": fitted(summary.dump()),
        "finishedAt": objects.stamp(FIRST + timedelta(minutes=minute)),
    }
    container = template["spec"]["containers"][0]
    state = {
        "name": "drift",
        "image": container["image"],
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": ended},
    }
    path = f"{KINDS['Pod'].path(where, pod['metadata']['name'])}/status"
    change = {"status": {"phase": "Succeeded", "containerStatuses": [state]}}
    await api.request(
        "patch-status", "Pod", "PATCH", path, body=change, content="application/merge-patch+json"
    )


async def column(api: ApiServer, where: str, name: str) -> Any:
    """What `kubectl get modeldeployment demo -o wide` shows in a column."""
    path = KINDS["ModelDeployment"].path(where, "demo")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    table = await api.request("get", "ModelDeployment", "GET", path, headers=accept)
    place = [each["name"] for each in table["columnDefinitions"]].index(name)
    return table["rows"][0]["cells"][place]


async def test_an_alarm_stands_through_failed_checks_and_a_restart_and_ends_with_a_verdict(
    api: ApiServer, where: str, registries: Path
) -> None:
    async def status(display: str) -> Json | None:
        found = await api.get("ModelDeployment", where, "demo") or {}
        seen: Json = found.get("status") or {}
        return seen if seen.get("drift", {}).get("display") == display else None

    def detected(seen: Json) -> Json:
        return dict(objects.condition({"status": seen}, "DriftDetected"))

    # Without the controllers there is nobody else who makes the account that each pod runs as.
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await api.request(
        "create", "ServiceAccount", "POST", f"/api/v1/namespaces/{where}/serviceaccounts", body=account
    )
    await api.create(resource(where, "demo", model=where, drift={"schedule": "0 0 1 1 *"}))
    settings = {"registries_dir": registries, "watch_namespaces": where}
    async with running_operator(DECISIONS, **settings):
        await check(api, where, DriftVerdict.SEVERE, 0)
        first = await until(lambda: status("severe"))
        await check(api, where, DriftVerdict.ERROR, 20)
        seen = await until(lambda: status("severe, then error"))
        assert detected(seen)["status"] == "True"
        assert detected(seen)["lastTransitionTime"] == detected(first)["lastTransitionTime"]
        assert "as of 2026-03-01 11:21 UTC: temp is far off." in detected(seen)["message"]
        assert "20 minutes later, failed: MLflow does not answer" in detected(seen)["message"]
        assert objects.condition({"status": seen}, "DriftCheckFailed")["status"] == "True"
        assert await column(api, where, "Drift") == "severe, then error"
        assert await column(api, where, "Drift-Checked") not in ("<unknown>", "<invalid>", None)
    await check(api, where, DriftVerdict.ERROR, 40)
    async with running_operator(DECISIONS, **settings):

        async def both_failed() -> bool:
            found = await status("severe, then error")
            return bool(found and found["drift"]["lastRunTime"] == "2026-03-01T12:01:00Z")

        await until(both_failed)
        seen = await status("severe, then error") or {}
        assert seen["drift"]["lastVerdict"]["topFeatures"][0]["name"] == "temp"
        assert detected(seen)["status"] == "True"
        await check(api, where, DriftVerdict.STABLE, 60)
        seen = await until(lambda: status("stable"))
        assert (detected(seen)["status"], "lastVerdict" in seen["drift"]) == ("False", False)
