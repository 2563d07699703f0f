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

import cluster as machine
from e2e.serving import SOURCE
from registry import Registry
from steps import Demo, install
from system import System, operators

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster() -> machine.Cluster:
    """Started if it was not; it stays, as after `make up` (hack/run_tests.py ends what it started)."""
    try:
        chosen, why = machine.choose()
    except SystemExit as missing:
        pytest.skip(str(missing))
    machine.link_tools()
    if isinstance(chosen, machine.Kind):
        kind = KindCluster(
            machine.NAME,
            machine.KUBECONFIG,
            kind_path=Path(shutil.which("kind") or ""),
            kubectl_path=machine.BUILD / "bin/kubectl",
        )
        kind.create(ROOT / "kind-config.yaml")
    else:
        chosen.up()
    assert chosen.running(), why
    if not (machine.BUILD / "images.txt").exists():
        pytest.fail("the images are not built; run: make images")
    return chosen


@pytest.fixture(scope="session")
def demo(cluster: machine.Cluster) -> Iterator[Demo]:
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
