"""Prod's size on a real node: as a person says, as a drain allows, as an autoscaler measures."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.serving import ZEROS, predict, served, starts
from hack import local_cluster
from hack.demo.registry import Registry
from hack.demo.shell import ENVIRONMENT, OutcomeError, background, eventually, run
from hack.demo.steps import Demo
from hack.demo.system import System
from hack.ports import free_port, listens
from hack.tools import path_of
from neighbours.processes import running

pytestmark = [pytest.mark.cluster, pytest.mark.platform]
NODE, ADDRESS = "devcluster", "10.244.0.1"
NAME = "metrics-server"


@pytest.fixture(scope="module")
def core(cluster: local_cluster.Cluster, registry: Registry, system: System) -> Iterator[str]:
    """A model that serves in two pods, each of which asks for a tenth of a processor."""
    if isinstance(cluster, local_cluster.Kind):
        pytest.skip("does not apply: the node is this machine's own in these tests")
    inference = {"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}}
    prod = {"stage": "Production", "replicas": 2}
    with served(system, registry, "scaled", prod=prod, inference=inference) as name:
        yield name


def test_kubectl_scale_sets_prods_size_by_the_resources_own_subresource(core: str, system: System) -> None:
    for size in ("3", "2"):
        run(*system.kubectl("scale", f"modeldeployment/{core}", f"--replicas={size}"))
        seen = f"jsonpath={{.status.prod.readyReplicas}}={size}"
        run(*system.kubectl("wait", f"modeldeployment/{core}", f"--for={seen}", "--timeout=120s"))
    run(*system.kubectl("wait", f"modeldeployment/{core}", "--for=condition=Ready", "--timeout=60s"))


def test_a_drain_of_the_node_never_takes_the_last_pod_that_answers(core: str, system: System) -> None:
    before = starts(system, core)
    drain = ["kubectl", "drain", NODE, f"--pod-selector=driftlead.dev/name={core}", "--delete-emptydir-data"]
    try:
        with pytest.raises(OutcomeError, match="disruption budget"):
            run(*drain, "--ignore-daemonsets", "--timeout=20s")
        (stays,) = before.keys() & starts(system, core).keys()
        assert starts(system, core)[stays] == before[stays]
        assert predict(system, core, ZEROS).status == 200
    finally:
        run("kubectl", "uncordon", NODE)
    run(*system.kubectl("wait", f"modeldeployment/{core}", "--for=condition=Ready", "--timeout=120s"))


def registration(port: int) -> str:
    """What leads the API server to a metrics server on this machine, and what the latter may read."""
    where = {"name": NAME, "namespace": "kube-system"}
    slice_of = {**where, "labels": {"kubernetes.io/service-name": NAME}}
    items = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": where,
            "spec": {"ports": [{"port": 443, "targetPort": port}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_of,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [ADDRESS]}],
            "ports": [{"port": port, "protocol": "TCP", "name": ""}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {**where, "port": 443},
            },
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@pytest.fixture(scope="module")
def metrics_server(core: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The real one, on this machine, where the API server finds it."""
    folder: Path = tmp_path_factory.mktemp(NAME)
    port, kubeconfig = free_port(), ENVIRONMENT["KUBECONFIG"]
    words = [f"--{each}kubeconfig={kubeconfig}" for each in ("", "authentication-", "authorization-")]
    words += [f"--secure-port={port}", f"--cert-dir={folder}", "--metric-resolution=10s"]
    words += ["--kubelet-insecure-tls", "--kubelet-preferred-address-types=InternalIP"]
    words += ["--kubelet-request-timeout=5s"]
    manifest = registration(port)
    with running([path_of(NAME), *words], log=folder / "log", answers=lambda: listens(port)):
        run("kubectl", "apply", "-f", "-", given=manifest)
        try:
            available = ["--for=condition=Available", "--timeout=90s"]
            run("kubectl", "wait", "apiservice/v1beta1.metrics.k8s.io", *available)
            yield
        finally:
            run("kubectl", "delete", "-f", "-", given=manifest)


@pytest.mark.usefixtures("metrics_server")
def test_the_autoscaler_takes_over_without_a_dip_and_scales_prod_by_the_cpu_that_it_uses(
    core: str, system: System, demo: Demo
) -> None:
    deployment = f"deployment/{core}-prod"
    size = ["-o", "jsonpath={.spec.replicas}"]
    watch = system.kubectl("get", deployment, "--watch", "-o", 'jsonpath={.spec.replicas}{"\\n"}')
    # 200 requests a second are some 10 thousandths of a processor for each of two pods, at rest 2 or 3; they
    # request 100, and a percentage of that must lie between.
    autoscaling = {"minReplicas": 2, "maxReplicas": 4, "targetCPUUtilizationPercentage": 5}
    patch = json.dumps({"spec": {"prod": {"autoscaling": autoscaling}}})
    with background(*watch) as watching:
        run(*system.kubectl("patch", "modeldeployment", core, "--type=merge", "-p", patch))
        with demo.users(core) as seen:
            eventually(
                lambda: "more" if int(run(*system.kubectl("get", deployment, *size))) > 2 else "",
                f"prod has more pods: {run(*system.kubectl('get', 'hpa', '-o', 'yaml'))}",
                180,
            )
            run(*system.kubectl("annotate", "modeldeployment", core, "driftlead.dev/requestedAt=now"))
            handled = "jsonpath={.status.handled.requestedAt}=now"
            run(*system.kubectl("wait", f"modeldeployment/{core}", f"--for={handled}", "--timeout=60s"))
        run(*system.kubectl("wait", f"modeldeployment/{core}", "--for=condition=Ready", "--timeout=120s"))
        watching.terminate()
        sizes = [int(line) for line in (watching.communicate(timeout=10)[0] or "").split()]
    assert seen["failed"] == 0, seen
    assert sizes == sorted(sizes), "prod shrank while the autoscaler took over, or while the operator looked"
    assert sizes[0] == 2
    assert 2 < sizes[-1] <= 4
