"""Tags by content, and the chart's values that name images by them.

A tag is a hash of everything that goes in: an image that exists is the right one, and nothing is built twice.
"""

import hashlib
import json
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

from hack import ROOT
from hack.images.definitions import Image


def digest(paths: Sequence[Path], *words: str) -> str:
    """Twelve letters that change with the content of any of the files, their names, or the words."""
    seen = hashlib.sha256("\0".join(words).encode())
    for path in sorted(paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                seen.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return seen.hexdigest()[:12]


def wheel_digest(*paths: Path, words: Sequence[str] = ()) -> str:
    """A digest of what the wheel is made of, and of further files and words.

    Of pyproject.toml only what the build reads: a change of a lint rule makes no new image.
    """
    read = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = json.dumps([read["build-system"], read["project"], read["tool"]["hatch"]], sort_keys=True)
    packages = [ROOT / each for each in read["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    return digest([*paths, ROOT / "README.md", *packages], build, *words)


def wheel() -> Path:
    """The distribution's wheel, built once for each content of its sources."""
    stamp, folder = ROOT / "dist/.content", ROOT / "dist"
    wanted = wheel_digest()
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
    words = [base, image.target, *filter(None, [image.version])]
    return wheel_digest(*paths, words=words) if "wheel" in image.inputs else digest(paths, *words)


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
