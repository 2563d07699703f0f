"""A real etcd and kube-apiserver, without a node."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neighbours.processes import ROOT


@contextmanager
def api_server() -> Iterator[Path]:
    """The path of an administrator's kubeconfig; the control plane is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="driftlead-api-") as state:
        try:
            printed = devcluster("up", "--control-plane", "--state", state)
            yield Path(printed.strip().splitlines()[-1])
        finally:
            devcluster("down", "--state", state)


def devcluster(*words: str) -> str:
    """What a command of the node without Docker prints. Its processes are not the tests' children."""
    command = [sys.executable, "-m", "hack.devcluster", *words]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
