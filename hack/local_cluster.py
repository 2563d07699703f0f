"""A Kubernetes for development: kind where Docker runs, else one node without Docker (hack/devcluster).

    python3 -m hack.local_cluster up | down | images | status

Writes .build/kubeconfig and .build/bin/{kubectl,helm}. `up` and `down` need Python's standard library alone.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from hack import ROOT, tools
from hack.cache import cache
from hack.devcluster import cluster as devcluster
from hack.devcluster.layout import Layout
from hack.images import content
from hack.images.builders import Buildah, Docker, shown
from hack.images.definitions import OURS, STACK

BUILD = ROOT / ".build"
KUBECONFIG = BUILD / "kubeconfig"
NAME = "driftlead"


class Cluster(Protocol):
    """What both kinds of cluster can do."""

    @property
    def builder(self) -> Docker | Buildah: ...

    def up(self) -> None:
        """Starts what does not run and waits until it is ready."""

    def down(self) -> None:
        """Leaves nothing behind."""

    def running(self) -> bool:
        """Whether it answers."""

    def missing(self, names: list[str]) -> list[str]:
        """Those of the images that the node does not have."""

    def load(self, name: str) -> None:
        """Brings a built image to the node."""


class Kind:
    """kind: the nodes are containers of this machine's Docker."""

    def __init__(self) -> None:
        self.builder = Docker()

    def up(self) -> None:
        """Makes the cluster of kind-config.yaml, unless it is there."""
        if not self.running():
            config = ["--config", str(ROOT / "kind-config.yaml"), "--kubeconfig", str(KUBECONFIG)]
            subprocess.run(
                ["kind", "create", "cluster", "--name", NAME, *config, "--wait", "180s"], check=True
            )
        else:
            subprocess.run(
                ["kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(KUBECONFIG)], check=True
            )

    def down(self) -> None:
        subprocess.run(
            ["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", str(KUBECONFIG)], check=True
        )

    def running(self) -> bool:
        known = subprocess.run(
            ["kind", "get", "clusters"], check=False, capture_output=True, text=True
        ).stdout
        return NAME in known.split()

    def missing(self, names: list[str]) -> list[str]:
        command = [
            "docker",
            "exec",
            f"{NAME}-control-plane",
            "ctr",
            "--namespace",
            "k8s.io",
            "images",
            "ls",
            "--quiet",
        ]
        there = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        return [name for name in names if f"docker.io/{name}" not in there]

    def load(self, name: str) -> None:
        """Copies the image into the node."""
        subprocess.run(["kind", "load", "docker-image", "--name", NAME, name], check=True)


class Devcluster:
    """This machine itself is the node."""

    layout = Layout()

    def __init__(self) -> None:
        """Builds with buildah, on bases of Debian's packages."""
        self.builder = Buildah(cache(), tools.minio)

    def up(self) -> None:
        """Starts what does not run; the kubeconfig is a link to the cluster's own."""
        devcluster.up(self.layout)
        KUBECONFIG.unlink(missing_ok=True)
        KUBECONFIG.symlink_to(self.layout.kubeconfig())

    def down(self) -> None:
        devcluster.down(self.layout)
        KUBECONFIG.unlink(missing_ok=True)

    def running(self) -> bool:
        return devcluster.running(self.layout)

    def missing(self, names: list[str]) -> list[str]:
        there = devcluster.images(self.layout)
        return [name for name in names if f"docker.io/{name}" not in there]

    def load(self, name: str) -> None:
        """Imports the image as an archive."""
        with tempfile.TemporaryDirectory() as folder:
            devcluster.load(self.layout, self.builder.archive(name, Path(folder)))


def choose() -> tuple[Cluster, str]:
    """The kind of cluster that this machine can run, and why."""
    docker = shutil.which("docker") is not None
    answers = docker and subprocess.run(["docker", "info"], check=False, capture_output=True).returncode == 0
    if answers and shutil.which("kind"):
        return Kind(), "kind: Docker answers and kind is installed"
    why = "Docker answers but kind is not installed" if answers else "no Docker engine answers"
    if sys.platform == "linux" and os.geteuid() == 0:
        return Devcluster(), f"devcluster, a node on this machine itself: {why}"
    raise SystemExit(
        f"no cluster can run here: {why}. Install Docker and kind, or run this on Linux as root."
    )


def link_tools() -> None:
    """kubectl and helm where the Makefile's PATH finds them."""
    folder = BUILD / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("kubectl", "helm"):
        link, target = folder / name, tools.kubernetes_tools() / name
        if link.resolve() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def up(cluster: Cluster, why: str) -> None:
    """Brings the cluster up, with the tools to talk to it."""
    print(why, flush=True)
    link_tools()
    cluster.up()


def load_all(cluster: Cluster, names: list[str]) -> None:
    """Two at a time: while the node unpacks one, the next is packed."""
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        for name, _ in zip(names, pool.map(cluster.load, names), strict=True):
            print(f"loaded {name} ({time.monotonic() - began:.0f} s)", flush=True)


def build_images(cluster: Cluster) -> None:
    """Builds and loads what changed; writes the chart's values that name the images by content."""
    began = time.monotonic()
    wanted = [*OURS, *(STACK if isinstance(cluster, Devcluster) else [])]
    if any("wheel" in image.inputs for image in wanted):
        content.wheel()
    tags: dict[str, str] = {}
    for image in wanted:
        ours = image.base in tags
        base = f"driftlead/{image.base}:{tags[image.base]}" if ours else cluster.builder.base(image)
        tags[image.name] = content.tag(image, base)
        name = f"{image.repository}:{tags[image.name]}"
        if not cluster.builder.has(name):
            shown(f"building {name}", lambda: cluster.builder.build(image, name, base))  # noqa: B023 (called at once)
    names = [f"{image.repository}:{tags[image.name]}" for image in wanted]
    load_all(cluster, cluster.missing(names))
    BUILD.joinpath("images.values.yaml").write_text(content.values(tags, wanted))
    BUILD.joinpath("images.txt").write_text("\n".join(names) + "\n")
    print(f"{len(names)} images are on the node ({time.monotonic() - began:.1f} s)", flush=True)


def main(arguments: list[str]) -> int:
    """Does one command; 1 when `status` finds no cluster."""
    cluster, why = choose()
    match arguments:
        case ["up"]:
            up(cluster, why)
        case ["down"]:
            cluster.down()
        case ["images"]:
            build_images(cluster)
        case ["status"]:
            return 0 if cluster.running() else 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
