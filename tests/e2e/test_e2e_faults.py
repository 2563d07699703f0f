"""What breaks on a real node while models serve: the registry, the store, the children, the leader."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.serving import (
    SOURCE,
    ZEROS,
    apply,
    condition,
    has_condition,
    predict,
    reached,
    resource,
    served,
    starts,
    template,
    version_is,
)
from hack import local_cluster
from hack.demo.registry import Registry
from hack.demo.shell import eventually, run
from hack.demo.system import System

pytestmark = [pytest.mark.cluster, pytest.mark.platform]
FIRST_WRITE = 15
"""Seconds that a killed leader's successor may take to its first correct write: the promise."""


@pytest.fixture(scope="module")
def core(registry: Registry, system: System) -> Iterator[str]:
    """A model that serves in two pods, with a second version to go to."""
    with served(system, registry, "faults", prod={"stage": "Production", "replicas": 2}) as name:
        registry.copy("2", name, SOURCE)
        yield name


@contextmanager
def unreachable(system: System, component: str) -> Iterator[None]:
    """A store of the stack refuses new connections: its Service has nobody behind it."""

    def select(who: str | None) -> None:
        patch = json.dumps({"spec": {"selector": {"driftlead.dev/unreachable": who}}})
        run(*system.kubectl("patch", "service", f"{system.release}-{component}", "--type=merge", "-p", patch))

    select("nobody")
    try:
        yield
    finally:
        select(None)


def deleted(system: System, service: str) -> str:
    """Deletes a Service; the uid that it had."""
    uid: str = system.get("service", service)["metadata"]["uid"]
    run(*system.kubectl("delete", "service", service))
    return uid


def returns(system: System, service: str, uid: str, seconds: float = 30) -> float:
    """Seconds until a deleted Service is there again as another object."""
    began = time.monotonic()
    get = system.kubectl("get", "service", service, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}")
    eventually(lambda: run(*get).replace(uid, ""), f"Service {service} is there again", seconds)
    return time.monotonic() - began


def test_while_the_registry_is_unreachable_prod_serves_children_are_mended_and_status_says_since_when(
    core: str, system: System
) -> None:
    before = starts(system, core)
    with unreachable(system, "mlflow"):

        def said() -> str:
            message: str = condition(system.status(core), "Ready").get("message", "")
            return message if "does not answer since" in message else ""

        assert "default" in eventually(said, "status says that the registry is unreachable", 60)
        assert condition(system.status(core), "Ready")["status"] == "True"
        returns(system, f"{core}-prod", deleted(system, f"{core}-prod"))
        assert predict(system, core, ZEROS).json["model_version"] == "1"
    assert starts(system, core) == before
    eventually(lambda: "" if said() else "yes", "status no longer says that the registry is unreachable", 60)


def test_while_the_store_is_unreachable_the_other_pod_serves_and_the_new_one_comes_by_itself_after(
    core: str, system: System
) -> None:
    with unreachable(system, "minio"):
        gone, stays = sorted(before := starts(system, core))
        run(*system.kubectl("delete", "pod", gone, "--wait=false"))
        message = has_condition(system, core, "Ready", "PodCannotReachArtifacts", 60)
        assert f"{system.release}-minio" in message
        assert condition(system.status(core), "Available")["status"] == "True"
        assert "lastFailure" not in system.status(core)["prod"], "the version was blamed for the store"
        assert predict(system, core, ZEROS).status == 200
    run(*system.kubectl("wait", f"modeldeployment/{core}", "--for=condition=Ready", "--timeout=120s"))
    assert starts(system, core)[stays] == before[stays]


def test_a_rollout_that_no_node_takes_says_so_and_the_way_back_starts_no_pod_again(
    core: str, system: System
) -> None:
    before = starts(system, core)
    cpu = {"spec": {"inference": {"resources": {"requests": {"cpu": "900"}}}}}
    patch = system.kubectl("patch", "modeldeployment", core, "--type=merge", "-p")
    run(*patch, json.dumps(cpu))
    assert "cpu" in has_condition(system, core, "Ready", "Unschedulable", 60)
    cpu["spec"]["inference"] = None  # type: ignore[assignment]
    run(*patch, json.dumps(cpu))
    run(*system.kubectl("wait", f"modeldeployment/{core}", "--for=condition=Ready", "--timeout=60s"))
    assert starts(system, core) == before


def test_a_child_that_is_edited_or_deleted_by_hand_returns(core: str, system: System) -> None:
    before = starts(system, core)
    deployment = f"deployment/{core}-prod"
    run(*system.kubectl("set", "image", deployment, "*=driftlead/inference:by-hand"))
    run(
        *system.kubectl(
            "patch", "service", core, "--type=merge", "-p", '{"spec": {"selector": {"by": "hand"}}}'
        )
    )
    children = system.kubectl("get", deployment, f"service/{core}", "-o", "yaml")
    eventually(lambda: "" if "hand" in run(*children) else "yes", "what was edited by hand is as it was", 30)
    run(*system.kubectl("wait", f"modeldeployment/{core}", "--for=condition=Ready", "--timeout=60s"))
    assert before.items() <= starts(system, core).items()
    uid = system.get("deployment", f"{core}-prod")["metadata"]["uid"]
    run(*system.kubectl("delete", "deployment", f"{core}-prod"))
    get = system.kubectl(
        "get", "deployment", f"{core}-prod", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"
    )
    eventually(lambda: run(*get).replace(uid, ""), "the Deployment is there again", 30)
    run(*system.kubectl("rollout", "status", deployment, "--timeout=120s"))
    run(*system.kubectl("wait", f"modeldeployment/{core}", "--for=condition=Ready", "--timeout=60s"))


def test_a_strangers_object_of_a_childs_name_is_said_so_and_left_alone(core: str, system: System) -> None:
    name = "stranger"
    run(*system.kubectl("create", "service", "clusterip", f"{name}-prod", "--tcp=80:80"))
    theirs = system.get("service", f"{name}-prod")
    try:
        apply(system, resource(name, core))
        message = has_condition(system, name, "Ready", "NameTaken", 60)
        assert f"{name}-prod" in message
        assert system.get("service", f"{name}-prod") == theirs
    finally:
        run(*system.kubectl("delete", "modeldeployment", name))
    assert system.get("service", f"{name}-prod") == theirs
    run(*system.kubectl("delete", "service", f"{name}-prod"))


def lease(system: System) -> dict[str, object]:
    spec: dict[str, object] = system.get("lease", "driftlead-operator")["spec"]
    return spec


def leader(system: System) -> str:
    return str(lease(system)["holderIdentity"]).split("_")[0]


def process_of(system: System, pod: str) -> int:
    """The pid of a pod's program as this machine sees it."""
    uid = system.get("pod", pod)["metadata"]["uid"]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = uid in (entry / "cgroup").read_text() and b"driftlead" in (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if ours:
            return int(entry.name)
    raise AssertionError(f"no process of pod {pod} on this machine")


@pytest.fixture
def two_operators(cluster: local_cluster.Cluster, system: System) -> Iterator[None]:
    """One leads, the other stands by."""
    if isinstance(cluster, local_cluster.Kind):
        pytest.skip("does not apply: the node's processes are in a container of Docker's")
    deployment = f"deployment/{system.release}-operator"
    run(*system.kubectl("scale", deployment, "--replicas=2"))
    try:
        run(*system.kubectl("rollout", "status", deployment, "--timeout=120s"))
        yield
    finally:
        run(*system.kubectl("scale", deployment, "--replicas=1"))
        run(*system.kubectl("rollout", "status", deployment, "--timeout=120s"))


@pytest.mark.usefixtures("two_operators")
def test_a_leader_that_stands_still_or_is_killed_is_followed_in_time_and_undoes_nothing(
    core: str, system: System, registry: Registry
) -> None:
    first = leader(system)
    process = process_of(system, first)
    os.kill(process, signal.SIGSTOP)
    try:
        assert returns(system, core, deleted(system, core)) <= FIRST_WRITE
        second = leader(system)
        assert second != first
        registry.transition("2", "Production", core)
        version_is(system, core, "prod", "2")
        wanted = template(system, core)
    finally:
        os.kill(process, signal.SIGCONT)
    log = system.kubectl("logs", first)
    eventually(
        lambda: "yes" if "lost leadership" in run(*log) else "", f"{first} knows that it lost leadership", 30
    )
    assert leader(system) == second
    assert template(system, core) == wanted

    terms = lease(system)["leaseTransitions"]
    os.kill(process_of(system, second), signal.SIGKILL)
    assert returns(system, core, deleted(system, core)) <= FIRST_WRITE
    assert lease(system)["leaseTransitions"] == terms + 1  # type: ignore[operator]
    # The Service is a new one: its address leads nowhere until the node's proxy has seen it.
    eventually(lambda: reached(system, core), f"Service {core} leads to its pods", 30)
    assert predict(system, core, ZEROS).json["model_version"] == "2"
