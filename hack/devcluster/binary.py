"""The one Go binary of etcd, Kubernetes and CoreDNS: built once for each content of its sources."""

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns",
)  # fmt: skip
KUBERNETES = "v1.35.4"
VERSION = "k8s.io/component-base/version."
STAMP = f"-s -w -X {VERSION}gitVersion={KUBERNETES} -X {VERSION}gitMajor=1 -X {VERSION}gitMinor=35"


def cache() -> Path:
    """Where built programs are kept."""
    return Path(os.environ.get("DRIFTLEAD_CACHE", Path.home() / ".cache/driftlead"))


def key() -> str:
    """What the binary depends on, in sixteen letters."""
    digest = hashlib.sha256(STAMP.encode())
    for name in ("main.go", "go.mod", "go.sum"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def go_version() -> str | None:
    """What `go version` says, None where Go is not installed."""
    if not shutil.which("go"):
        return None
    return subprocess.run(["go", "version"], check=True, capture_output=True, text=True).stdout.strip()


def binaries() -> Path:
    """The folder with the binary under each of its names; builds it when there is none for these sources."""
    folder = cache() / f"kubernetes-{KUBERNETES}-{key()}"
    if (folder / NAMES[-1]).exists():
        return folder
    if not go_version():
        raise SystemExit("devcluster: Go is missing; install Go 1.25 or newer (https://go.dev/doc/install)")
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
        flush=True,
    )
    command = ["go", "build", "-trimpath", "-ldflags", STAMP, "-o", str(target), "."]
    process = subprocess.Popen(command, cwd=HERE, env={**os.environ, "CGO_ENABLED": "0"})
    while process.poll() is None:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            print(f"  still building after {time.monotonic() - began:.0f} s", flush=True)
    if process.returncode:
        raise SystemExit("devcluster: the Go build failed; what it said stands above")
    print(f"  built in {time.monotonic() - began:.0f} s: {target}", flush=True)
