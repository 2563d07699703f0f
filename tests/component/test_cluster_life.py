"""The node without Docker comes up, comes back, and goes without a trace: real processes, mounts, rules."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack import local_cluster

ROOT = Path(__file__).resolve().parents[2]
STATE = Path("/var/lib/driftlead-devcluster")
DEVCLUSTER = [sys.executable, "-m", "hack.devcluster"]


def devcluster(*words: str) -> str:
    done = subprocess.run([*DEVCLUSTER, *words], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kubectl(*words: str) -> str:
    command = [
        str(local_cluster.BUILD / "bin/kubectl"),
        "--kubeconfig",
        str(STATE / "etc/admin.kubeconfig"),
        *words,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def traces() -> dict[str, list[str]]:
    """Whatever a node may leave on this machine, by kind."""
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    rules = subprocess.run(["nft", "list", "tables"], check=False, capture_output=True, text=True).stdout
    links = subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout
    return {
        "processes": [line.decode() for line in commands if str(STATE).encode() in line],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(STATE) in line],
        "links": [line for line in links.splitlines() if "devcluster" in line or "veth" in line],
        "tables": [line for line in rules.splitlines() if "kube-proxy" in line or "devcluster" in line],
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob("**/devcluster0")],
        "namespaces": [path.name for path in Path("/run/netns").glob("cni-*")],
        "folders": [str(STATE)] if STATE.exists() else [],
    }


@pytest.fixture(scope="module")
def node() -> Iterator[dict[str, list[str]]]:
    """What was on this machine before; afterwards the node is gone in any case."""
    try:
        chosen, why = local_cluster.choose()
    except SystemExit as missing:
        pytest.skip(str(missing))
    if not isinstance(chosen, local_cluster.Devcluster):
        pytest.skip(f"does not apply, the node of this machine is not ours: {why}")
    if chosen.running():
        pytest.skip("a cluster is up and would be ended; run: make down")
    local_cluster.link_tools()
    before = traces()
    yield before
    devcluster("down")


def test_it_starts_stays_and_comes_back_after_a_crash(node: dict[str, list[str]]) -> None:
    devcluster("up")
    assert "devcluster" in kubectl("get", "nodes")
    began = time.monotonic()
    assert "everything ran already" in devcluster("up")
    assert time.monotonic() - began < 5
    crashed = int((STATE / "log/kube-scheduler.pid").read_text().split()[0])
    os.kill(crashed, signal.SIGKILL)
    assert "started kube-scheduler" in devcluster("up")


def test_down_leaves_nothing_behind_not_even_of_a_pod(node: dict[str, list[str]]) -> None:
    image = next(name for name in devcluster("images").split() if "pause" in name)
    kubectl("run", "left", f"--image={image}", "--image-pull-policy=Never", "--restart=Never")
    kubectl("wait", "pod/left", "--for=condition=Ready", "--timeout=60s")
    running = traces()
    assert all(running[kind] for kind in ("processes", "mounts", "links", "tables", "folders"))
    devcluster("down")
    assert traces() == node
