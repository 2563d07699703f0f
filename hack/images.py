"""The images of this repository: what each is made of, its tag by content, and how it is built.

A tag is a hash of everything that goes in: an image that exists is the right one, and nothing is built twice.
"""

import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("operator/driftlead_operator", "operator/driftlead_cli", "inference/driftlead_inference",
           "drift/driftlead_drift", "formats/driftlead_formats", "log/driftlead_log")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image: its Dockerfile, the files that go in, the value of the chart that names it."""

    name: str
    dockerfile: str
    inputs: Sequence[str] = ()
    target: str = ""
    base: str = ""
    value: str = ""

    @property
    def repository(self) -> str:
        """Its name without a tag."""
        return f"driftlead/{self.name}"


OURS = [
    Image(
        name="operator",
        dockerfile="operator/Dockerfile",
        inputs=["operator/requirements.lock", "wheel"],
        value="images.operator",
    ),
    Image(
        name="inference",
        dockerfile="inference/Dockerfile",
        inputs=["inference/requirements.lock", "wheel"],
        value="images.inference",
    ),
    Image(
        name="drift",
        dockerfile="drift/Dockerfile",
        target="drift",
        inputs=["drift/requirements.lock", "wheel"],
        value="images.drift",
    ),
    Image(
        name="train",
        dockerfile="drift/Dockerfile",
        target="train",
        inputs=["drift/requirements.lock", "drift/requirements-train.lock", "wheel"],
        value="images.train",
    ),
    Image(
        name="flights",
        dockerfile="examples/flights/Dockerfile",
        inputs=[
            "examples/flights/requirements.txt",
            *(
                f"examples/flights/{name}.py"
                for name in ("flights", "models", "train", "retrain", "replay", "compare")
            ),
        ],
        base="train",
    ),
    Image(
        name="mlflow",
        dockerfile="hack/images/mlflow/Dockerfile",
        inputs=["hack/images/mlflow/requirements.lock"],
        value="devStack.mlflow.image",
    ),
]
# Where nothing can be pulled these two are built as well; elsewhere the chart's own defaults are pulled.
STACK = [
    Image(
        name="postgres",
        dockerfile="hack/images/postgres/Dockerfile",
        inputs=["hack/images/postgres"],
        base="debian-postgres",
        value="devStack.postgres.image",
    ),
    Image(
        name="minio",
        dockerfile="hack/images/minio/Dockerfile",
        inputs=["hack/tools.py"],
        value="devStack.minio.image",
    ),
]
DEBIAN = {
    "debian-python": ["ca-certificates", "python3", "python3-venv", "curl"],
    "debian-postgres": ["ca-certificates", "postgresql-15"],
}
"""Bases made of Debian's packages, for nodes that can pull no image."""


def digest(paths: Sequence[Path], *words: str) -> str:
    """Twelve letters that change with the content of any of the files, their names, or the words."""
    seen = hashlib.sha256("\0".join(words).encode())
    for path in sorted(paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                seen.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return seen.hexdigest()[:12]


def wheel_inputs() -> list[Path]:
    """What the wheel is made of."""
    return [ROOT / "pyproject.toml", ROOT / "README.md", *(ROOT / source for source in SOURCES)]


def wheel() -> Path:
    """The distribution's wheel, built once for each content of its sources."""
    stamp, folder = ROOT / "dist/.content", ROOT / "dist"
    wanted = digest(wheel_inputs())
    found = list(folder.glob("*.whl"))
    if len(found) == 1 and stamp.exists() and stamp.read_text() == wanted:
        return found[0]
    for old in found:
        old.unlink()
    subprocess.run(
        [ROOT / ".venv/bin/uv", "build", "--quiet", "--wheel", "--out-dir", folder], cwd=ROOT, check=True
    )
    stamp.write_text(wanted)
    return next(folder.glob("*.whl"))


def tag(image: Image, base: str) -> str:
    """The tag by content: the Dockerfile, what is copied in, and the base."""
    paths = [ROOT / image.dockerfile, *(ROOT / each for each in image.inputs if each != "wheel")]
    return digest([*paths, *(wheel_inputs() if "wheel" in image.inputs else [])], base, image.target)


def shown(what: str, work: Callable[[], object]) -> None:
    """Does a long step and says how long it took."""
    print(f"{what} ...", flush=True)
    began = time.monotonic()
    work()
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def values(tags: dict[str, str], images: Sequence[Image]) -> str:
    """The chart's values that name these images. JSON is YAML."""
    tree: dict[str, object] = {}
    for image in images:
        if not image.value:
            continue
        node = tree
        for word in image.value.split("."):
            node = node.setdefault(word, {})  # type: ignore[assignment]
        node |= {"repository": image.repository, "tag": tags[image.name]}
    return json.dumps(tree, indent=2) + "\n"


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
