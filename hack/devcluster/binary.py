"""The one Go binary of etcd, Kubernetes and CoreDNS: built once for each content of its sources."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from hack.cache import cache, require_go

HERE = Path(__file__).resolve().parent
NAMES = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns",
)  # fmt: skip
KUBERNETES = "v1.35.4"
VERSION = "k8s.io/component-base/version."
STAMP = f"-s -w -X {VERSION}gitVersion={KUBERNETES} -X {VERSION}gitMajor=1 -X {VERSION}gitMinor=35"


def key() -> str:
    """What the binary depends on, in sixteen letters."""
    digest = hashlib.sha256(STAMP.encode())
    for name in ("main.go", "go.mod", "go.sum"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def binaries() -> Path:
    """The folder with the binary under each of its names; builds it when there is none for these sources.

    Progress goes to standard error: callers print the folder.
    """
    folder = cache() / f"kubernetes-{KUBERNETES}-{key()}"
    if (folder / NAMES[-1]).exists():
        return folder
    require_go("Kubernetes")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "devcluster"
    _build(target)
    for name in NAMES:
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
    return folder


def _build(target: Path) -> None:
    began = time.monotonic()
    print(
        f"building Kubernetes {KUBERNETES}, etcd and CoreDNS as one binary (the first time: 5 to 9 minutes)",
        file=sys.stderr,
        flush=True,
    )
    command = ["go", "build", "-trimpath", "-ldflags", STAMP, "-o", str(target), "."]
    process = subprocess.Popen(command, cwd=HERE, env={**os.environ, "CGO_ENABLED": "0"})
    while process.poll() is None:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            print(f"  still building after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if process.returncode:
        raise SystemExit("devcluster: the Go build failed; what it said stands above")
    print(f"  built in {time.monotonic() - began:.0f} s: {target}", file=sys.stderr, flush=True)
