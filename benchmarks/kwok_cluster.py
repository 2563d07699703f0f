"""A cluster for benchmarks: a real control plane, nodes and pods played by KWOK, and who computes what."""

import contextlib
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.side_by_side.processes import TICKS, stat
from driftlead_operator.cluster.api_server import ApiServer
from hack.cache import cache
from hack.devcluster.binary import binaries
from hack.ports import free_port
from neighbours import api_server
from neighbours.processes import running

KWOK = "v0.7.0"
QPS = ["--kube-api-qps=500", "--kube-api-burst=1000"]
# KWOK's nodes have no heartbeat: after 50 s this one would call them and all their pods not ready, for good.
CONTROLLERS = ["--node-monitor-grace-period=24h"]
PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "driftlead-operator",
    "benchmarks.operator_scale",
)
OTHERS = "others"


def kwok() -> Path:
    """KWOK's controller, built once from its Go module."""
    target = cache() / f"kwok-{KWOK}" / "kwok"
    if not target.exists():
        module = f"sigs.k8s.io/kwok/cmd/kwok@{KWOK}"
        environment = {**os.environ, "GOBIN": str(target.parent)}
        command = ["go", "install", "-trimpath", "-ldflags=-s -w", module]
        subprocess.run(command, check=True, env=environment)
    return target


def alone() -> list[str]:
    """Flags of a component that has no twin, on a port of its own beside another cluster's."""
    return [*QPS, "--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={free_port()}"]


@contextlib.contextmanager
def control_plane(home: Path) -> Iterator[Path]:
    """A kubeconfig of a cluster whose nodes and pods KWOK plays."""
    folder = binaries()
    with api_server() as kubeconfig, contextlib.ExitStack() as stack:
        programs = {
            "controllers": [folder / "kube-controller-manager", *alone(), *CONTROLLERS],
            "scheduler": [folder / "kube-scheduler", *alone()],
            "kwok": [
                kwok(),
                "--manage-all-nodes=true",
                "--cidr=10.200.0.0/16",
                "--node-lease-duration-seconds=0",
            ],
        }
        for name, command in programs.items():
            words = [*command, f"--kubeconfig={kubeconfig}"]
            stack.enter_context(running(words, log=home / f"{name}.log", answers=lambda: True))
        yield kubeconfig


async def nodes(api: ApiServer, number: int) -> None:
    """Nodes of 1,000 pods each."""
    capacity = {"cpu": "4000", "memory": "8000Gi", "pods": "1000"}
    for each in range(number):
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"kwok-{each}"}}
        status = {"allocatable": capacity, "capacity": capacity}
        await api.request("create", "Node", "POST", "/api/v1/nodes", body={**body, "status": status})


def cpu_seconds(pid: int) -> float:
    """What a process has computed."""
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_by_program() -> Counter[str]:
    """CPU seconds of every process of this machine by its program, and what no process used ("idle")."""
    found: Counter[str] = Counter()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):  # gone meanwhile, or a thread of the kernel
            program, script, module = [*(folder / "cmdline").read_text().split("\0"), "", ""][:3]
            name = Path(script if Path(program).name.startswith("python") else program).name
            name = module if name == "-m" else name
            found[name if name in PROGRAMS else OTHERS] += cpu_seconds(int(folder.name))
    fields = Path("/proc/stat").read_text().split()
    found["idle"] = (int(fields[4]) + int(fields[5])) / TICKS
    return found
