"""Kubernetes' own controllers beside an API server without nodes, and the kubelet's answers by hand."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from driftlead_formats.summaries import ServerFailure
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.errors import ConflictError
from driftlead_operator.kinds import KINDS
from hack.devcluster.binary import binaries
from hack.ports import free_port
from neighbours.processes import running

Json = dict[str, Any]


@contextlib.contextmanager
def controller_manager(kubeconfig: Path, home: Path) -> Iterator[None]:
    """A real kube-controller-manager: Deployments, ReplicaSets, garbage collection and all the rest."""
    words = ["--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={free_port()}"]
    words += ["--horizontal-pod-autoscaler-sync-period=1s"]
    command = [binaries() / "kube-controller-manager", *words, f"--kubeconfig={kubeconfig}"]
    with running(command, log=home / "controllers.log", answers=lambda: True):
        yield


def status_of(pod: Json, code: int) -> Json:
    """What a kubelet would say: the pod is ready, or its server ended with `code` and is waited for."""
    ready = {
        "type": "Ready",
        "status": "True" if code == 0 else "False",
        "lastTransitionTime": "2026-11-24T00:01:00Z",
    }
    if code == 0:
        server: Json = {"state": {"running": {"startedAt": "2026-11-24T00:00:00Z"}}}
    else:
        words = json.dumps(ServerFailure(reason="LoadFailed", message="this is not a model").dump())
        ended = {"exitCode": code, "reason": "Error", "message": words, "finishedAt": "2026-11-24T00:00:00Z"}
        server = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}
    container = pod["spec"]["containers"][0]
    counts = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
    return {
        "phase": "Running",
        "startTime": "2026-11-24T00:00:00Z",
        "conditions": [ready],
        "containerStatuses": [{**counts, "ready": code == 0, **server}],
    }


POD_METRICS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "pods.metrics.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "unapproved, stands in for the metrics server"},
    },
    "spec": {
        "group": "metrics.k8s.io",
        "scope": "Namespaced",
        "names": {
            "plural": "pods",
            "singular": "podmetrics",
            "kind": "PodMetrics",
            "listKind": "PodMetricsList",
        },
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


async def install_metrics_api(api: ApiServer) -> None:
    """The API in which the autoscaler looks for what pods use; objects that we write instead of a server."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with contextlib.suppress(ConflictError):
        await api.request("create", "CRD", "POST", path, body=POD_METRICS)


async def use(api: ApiServer, where: str, cpu: str) -> None:
    """Says that each pod of a namespace uses this much CPU."""
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{where}/pods"
    pods = await api.request("list", "Pod", "GET", KINDS["Pod"].path(where))
    for pod in pods["items"]:
        body = {
            "apiVersion": "metrics.k8s.io/v1beta1",
            "kind": "PodMetrics",
            "metadata": {key: pod["metadata"][key] for key in ("name", "labels")},
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "window": "10s",
            "containers": [{"name": "server", "usage": {"cpu": cpu, "memory": "100Mi"}}],
        }
        query = {"fieldManager": "metrics", "force": "true"}
        words = {"body": body, "content": "application/apply-patch+yaml", "params": query}
        await api.request("apply", "PodMetrics", "PATCH", f"{path}/{pod['metadata']['name']}", **words)


@contextlib.asynccontextmanager
async def kubelet(api: ApiServer, where: str, codes: Mapping[str, int]) -> AsyncIterator[None]:
    """Answers for each pod of a namespace, once: its server's exit code by its version, 0 serves."""

    async def answer() -> None:
        path = KINDS["Pod"].path(where)
        while True:
            pods = await api.request("list", "Pod", "GET", path)
            for pod in pods["items"]:
                if not pod["status"].get("containerStatuses"):
                    version = pod["metadata"]["labels"].get("driftlead.dev/version", "")
                    change = {"status": status_of(pod, codes.get(version, 0))}
                    words = {"body": change, "content": "application/merge-patch+json"}
                    with contextlib.suppress(Exception):  # it may be gone by now
                        await api.request(
                            "patch-status",
                            "Pod",
                            "PATCH",
                            f"{path}/{pod['metadata']['name']}/status",
                            **words,
                        )
            await asyncio.sleep(0.1)

    task = asyncio.create_task(answer())
    try:
        yield
    finally:
        task.cancel()
