"""How an image is built: by Docker on bases that are pulled, or by buildah on bases of Debian's packages."""

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hack import ROOT
from hack.images.definitions import Image

DEBIAN = {
    "debian-python": ["ca-certificates", "python3", "python3-venv", "curl"],
    "debian-postgres": ["ca-certificates", "postgresql-15"],
}
"""Bases made of Debian's packages, for nodes that can pull no image."""


def shown(what: str, work: Callable[[], object]) -> None:
    """Does a long step and says how long it took."""
    print(f"{what} ...", flush=True)
    began = time.monotonic()
    work()
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


class Docker:
    """Builds with Docker; bases are pulled."""

    def base(self, _image: Image) -> str:
        """The public image that Dockerfiles name by default."""
        return "python:3.13-slim"

    def has(self, name: str) -> bool:
        """Whether the image was built before."""
        return (
            subprocess.run(["docker", "image", "inspect", name], check=False, capture_output=True).returncode
            == 0
        )

    def build(self, image: Image, name: str, base: str) -> None:
        """Builds one image from the repository's root."""
        target = ["--target", image.target] if image.target else []
        command = [
            "docker",
            "build",
            "--quiet",
            "--file",
            image.dockerfile,
            "--build-arg",
            f"BASE={base}",
            *target,
        ]
        subprocess.run(
            [*command, "--tag", name, "."], cwd=ROOT, check=True, env={**os.environ, "DOCKER_BUILDKIT": "1"}
        )


class Buildah:
    """Builds with buildah on bases of Debian's packages; needs no daemon and no registry of images."""

    def __init__(self, cache: Path, minio: Callable[[], Path]) -> None:
        """`cache` keeps pip's downloads between builds; `minio` finds or builds the S3 server."""
        self.cache, self.minio = cache, minio

    def base(self, image: Image) -> str:
        """The base, made first when it is not there."""
        kind = image.base or "debian-python"
        name = (
            f"localhost/driftlead-{kind}:{hashlib.sha256(' '.join(DEBIAN[kind]).encode()).hexdigest()[:12]}"
        )
        if not self.has(name):
            shown(f"making the base {kind} of Debian's packages", lambda: self._debian(kind, name))
        return name

    def has(self, name: str) -> bool:
        """Whether buildah's own store has it."""
        return (
            subprocess.run(
                ["buildah", "inspect", "--type", "image", name], check=False, capture_output=True
            ).returncode
            == 0
        )

    def build(self, image: Image, name: str, base: str) -> None:
        """Builds one image; layers that did not change are taken from the store."""
        context: Path = self.minio().parent if image.name == "minio" else ROOT
        downloads = self.cache / "pip"
        downloads.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as pip:
            # Downloads are shared between images, and certificates are this machine's, proxies' own included.
            pip.write("[global]\ncache-dir = /var/cache/pip\ncert = /etc/ssl/certs/ca-certificates.crt\n")
            pip.flush()
            mounts = [
                *("--volume", f"{downloads}:/var/cache/pip"),
                *("--volume", f"{pip.name}:/etc/pip.conf:ro"),
                *("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"),
            ]
            target = ["--target", image.target] if image.target else []
            command = [
                "buildah",
                "build",
                "--quiet",
                "--layers",
                "--isolation",
                "chroot",
                "--network",
                "host",
                *mounts,
            ]
            words = [
                "--file",
                str(ROOT / image.dockerfile),
                "--build-arg",
                f"BASE={base}",
                *target,
                "--tag",
                name,
            ]
            subprocess.run([*command, *words, str(context)], check=True, stdout=subprocess.DEVNULL)

    def archive(self, name: str, folder: Path) -> Path:
        """The image as a file that containerd can import."""
        path = folder / "image.tar"
        push = ["buildah", "push", "--quiet", name, f"docker-archive:{path}:docker.io/{name}"]
        subprocess.run(push, check=True, stdout=subprocess.DEVNULL)
        return path

    def _debian(self, kind: str, name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "base.tar"
            quiet = [
                f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("man", "doc", "locale", "info")
            ]
            # User 65532 has a name, since some programs (initdb) ask who they run as.
            user = "--customize-hook=useradd --root $1 --uid 65532 --create-home --shell /bin/false driftlead"
            include = f"--include={','.join(DEBIAN[kind])}"
            command = [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                *quiet,
                include,
                user,
                "bookworm",
                str(tree),
            ]
            subprocess.run(command, check=True)
            work = subprocess.run(
                ["buildah", "from", "scratch"], check=True, capture_output=True, text=True
            ).stdout.strip()
            subprocess.run(
                ["buildah", "add", "--quiet", work, tree, "/"], check=True, stdout=subprocess.DEVNULL
            )
            subprocess.run(
                ["buildah", "commit", "--quiet", "--rm", work, name], check=True, stdout=subprocess.DEVNULL
            )
