"""One real cluster for every end-to-end test: kind by pytest-kind where Docker runs, else hack/devcluster.

The system is installed once, by the demo's own first step, into a namespace that enforces the `restricted`
pod security standard. Where no cluster can run, every test is skipped with the reason.
"""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_kind import KindCluster

from e2e.serving import SOURCE
from hack import local_cluster
from hack.demo.registry import Registry
from hack.demo.steps import Demo, install
from hack.demo.system import System, operators

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster() -> local_cluster.Cluster:
    """Started if it was not; it stays, as after `make up` (hack.run_tests ends what it started)."""
    try:
        chosen, why = local_cluster.choose()
    except SystemExit as missing:
        pytest.skip(str(missing))
    local_cluster.link_tools()
    if isinstance(chosen, local_cluster.Kind):
        kind = KindCluster(
            local_cluster.NAME,
            local_cluster.KUBECONFIG,
            kind_path=Path(shutil.which("kind") or ""),
            kubectl_path=local_cluster.BUILD / "bin/kubectl",
        )
        kind.create(ROOT / "kind-config.yaml")
    else:
        chosen.up()
    assert chosen.running(), why
    if not (local_cluster.BUILD / "images.txt").exists():
        pytest.fail("the images are not built; run: make images")
    return chosen


@pytest.fixture(scope="session")
def demo(cluster: local_cluster.Cluster) -> Iterator[Demo]:
    """The system, installed by the first step. Alone on the cluster it looks after every namespace."""
    unique = f"e2e-{uuid.uuid4().hex[:6]}"
    system = System(unique, release=f"driftlead-{unique}")  # its cluster-wide roles are named after it
    settings = [f"watch.namespaces={{{system.namespace}}}"] if operators() else []
    played = Demo(system, *settings)
    try:
        install(played)
        yield played
    finally:
        played.close()
        system.remove()


@pytest.fixture(scope="session")
def system(demo: Demo) -> System:
    return demo.system


@pytest.fixture(scope="session")
def registry(demo: Demo) -> Registry:
    """With two versions of a model, whose artifacts the tests register under names of their own."""
    demo.system.train("1-2", "logistic", SOURCE)
    demo.system.train("1-2", "boosted", SOURCE)
    return demo.mlflow
