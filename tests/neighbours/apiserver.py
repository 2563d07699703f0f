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
    devcluster = [sys.executable, str(ROOT / "hack/devcluster")]
    with tempfile.TemporaryDirectory(prefix="driftlead-api-") as state:
        try:
            up = subprocess.run(
                [*devcluster, "up", "--control-plane", "--state", state],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            yield Path(up.stdout.strip().splitlines()[-1])
        finally:
            subprocess.run([*devcluster, "down", "--state", state], check=True, stdout=subprocess.DEVNULL)
