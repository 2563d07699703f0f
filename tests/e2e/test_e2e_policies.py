"""The chart's NetworkPolicies, enforced: everything goes on working, and a stranger gets nowhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.enforcing import enforced
from e2e.serving import SOURCE, served, upgrade, version_is
from hack import local_cluster
from hack.demo.registry import Registry
from hack.demo.shell import eventually, run
from hack.demo.system import System, image

pytestmark = [pytest.mark.cluster, pytest.mark.platform]
MONITORING = "kubernetes.io/metadata.name"
VALUES = {
    "networkPolicy": {
        "enabled": True,
        "egress": {"enabled": True},
        # The demo's client trains and registers, so it has to reach the stack.
        "devStackFrom": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "flights"}}}],
    }
}
REACHED = """
import socket, sys
for address in sys.argv[1:]:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        print(address, "reached")
    except socket.gaierror:
        print(address, "has no address")
    except OSError:
        print(address, "refused")
"""


@contextmanager
def visitor(namespace: str) -> Iterator[System]:
    """A pod in a namespace of its own."""
    run("kubectl", "create", "namespace", namespace)
    try:
        home = System(namespace)
        image_of = ["--image", image("flights"), "--command", "--", "sleep", "infinity"]
        run(*home.kubectl("run", "flights", *image_of))
        run(*home.kubectl("wait", "pod/flights", "--for=condition=Ready", "--timeout=60s"))
        yield home
    finally:
        run("kubectl", "delete", "namespace", namespace, "--timeout=100s")


@pytest.fixture(scope="module")
def stranger(system: System) -> Iterator[System]:
    """A pod in a namespace that no policy lets in."""
    with visitor(f"{system.namespace}-stranger") as other:
        yield other


@pytest.fixture(scope="module")
def policies(
    cluster: local_cluster.Cluster, system: System, stranger: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The first release with policies for what comes in and what the operator may reach, enforced."""
    if isinstance(cluster, local_cluster.Kind):
        pytest.skip("does not apply: kind's own network plugin enforces policies")
    prometheus = {"namespaceSelector": {"matchLabels": {MONITORING: f"{system.namespace}-monitoring"}}}
    VALUES["networkPolicy"]["metricsFrom"] = [prometheus]
    upgrade(system, values=VALUES)
    try:
        with enforced("devcluster", tmp_path_factory.mktemp("policies")):
            # Started again, so that what it holds open from before does not hide what it may not open.
            run(*system.kubectl("rollout", "restart", f"deployment/{system.release}-operator"))
            run(
                *system.kubectl(
                    "rollout", "status", f"deployment/{system.release}-operator", "--timeout=120s"
                )
            )
            yield
    finally:
        upgrade(system, "--set", "networkPolicy.enabled=false")


@pytest.fixture(scope="module")
def guarded(policies: None, registry: Registry, system: System) -> Iterator[str]:
    """A model that came to serve while policies were enforced."""
    drift = {"schedule": "0 0 1 1 *"}
    with served(system, registry, "guarded", canary={"stage": "Staging"}, drift=drift) as name:
        yield name


def addresses(system: System, name: str) -> dict[str, str]:
    """Where a stranger tries to connect, by what it is."""
    inside = f"{system.namespace}.svc"
    stack = {"postgres": 5432, "minio": 9000, "mlflow": 5000}
    return {
        **{each: f"{system.release}-{each}.{inside}:{port}" for each, port in stack.items()},
        "operator": f"{system.release}-operator.{inside}:8080",
        "model": f"{name}.{inside}:80",
    }


def attempt(system: System, where: dict[str, str]) -> dict[str, str]:
    """What becomes of a connection to each."""
    output = run(*system.client("python", "-c", REACHED, *where.values()))
    said = dict(line.split(" ", 1) for line in output.splitlines())
    return {what: said[address] for what, address in where.items()}


def test_a_model_is_installed_promoted_judged_and_logged_under_enforced_policies(
    guarded: str, system: System, registry: Registry
) -> None:
    rows = f"SELECT count(*) > 0 FROM inference_logs WHERE resource = '{guarded}'"
    words = ["--url", f"http://{guarded}", "--months", "1", "--count", "50"]
    run(*system.client("python", "replay.py", *words))
    eventually(lambda: "yes" if system.query(rows) == [["t"]] else "", "rows reach Postgres", 30)
    summary = system.check_now("guarded-check", guarded)
    assert summary["verdict"] == "insufficient", summary
    registry.transition(registry.copy("2", guarded, SOURCE), "Production", guarded)
    version_is(system, guarded, "prod", "2")


def test_a_stranger_reaches_models_and_nothing_else(guarded: str, system: System, stranger: System) -> None:
    assert attempt(stranger, addresses(system, guarded)) == {
        "postgres": "refused",
        "minio": "refused",
        "mlflow": "refused",
        "operator": "refused",
        "model": "reached",
    }


def test_who_is_named_may_scrape_the_operator(guarded: str, system: System) -> None:
    where = addresses(system, guarded)
    with visitor(f"{system.namespace}-monitoring") as prometheus:
        seen = attempt(prometheus, {what: where[what] for what in ("operator", "postgres")})
    assert seen == {"operator": "reached", "postgres": "refused"}


def test_the_operator_may_reach_names_the_api_server_and_models_and_nothing_else(
    guarded: str, system: System, stranger: System
) -> None:
    at = stranger.get("pod", "flights")["status"]["podIP"]
    script = "import http.server; http.server.test(port=8000, bind='0.0.0.0')"
    run(*stranger.client("sh", "-c", f'python -c "{script}" >/dev/null 2>&1 &'))
    stack = {"postgres": 5432, "mlflow": 5000}
    where = {
        **{each: f"{system.release}-{each}.{system.namespace}.svc:{port}" for each, port in stack.items()},
        "stranger": f"{at}:8000",
        "API server": "kubernetes.default.svc:443",
    }
    operator = f"deployment/{system.release}-operator"
    output = run(*system.kubectl("exec", operator, "--", "python3", "-c", REACHED, *where.values()))
    said = dict(line.split(" ", 1) for line in output.splitlines())
    assert {what: said[address] for what, address in where.items()} == {
        "postgres": "refused",
        "mlflow": "reached",
        "stranger": "refused",
        "API server": "reached",
    }
