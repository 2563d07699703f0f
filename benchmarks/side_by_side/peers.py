"""Programs that we are measured against or with, each in a virtualenv of its own; none is a dependency of
ours.

`benchmarks/peers/<name>.in` says what is wanted, `<name>.txt` what that came to; the first line of the latter
says how it is made anew.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack"))

from tools import cache  # noqa: E402

LOCKS = ROOT / "benchmarks/peers"


class NotInstalled(Exception):  # noqa: N818 - a state of the peer, said in the table
    """A peer's virtualenv could not be made; the message is the installer's last words."""


def lock_of(name: str) -> Path:
    """The file with a peer's pinned packages."""
    return LOCKS / f"{name}.txt"


def version_of(name: str, package: str) -> str:
    """A package's pinned version."""
    pins = dict(line.split("==") for line in lock_of(name).read_text().splitlines() if "==" in line)
    return pins[package]


def folder_of(name: str) -> Path:
    """Where a peer's programs are; installed at the first use. Raises NotInstalled."""
    lock = lock_of(name)
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache() / f"peer-{name}-{key}"
    if not folder.exists():
        print(f"installing {name} (once, up to 2 minutes)", file=sys.stderr, flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as scratch:
            fresh = Path(scratch) / "venv"
            # Relocatable, so that it can be made aside and is never half there.
            uv("venv", "--relocatable", "--python", sys.executable, fresh)
            uv("pip", "install", "--python", fresh / "bin/python", "--requirements", lock)
            fresh.rename(folder)
    return folder / "bin"


def uv(*words: str | Path) -> None:
    """Runs uv. Raises NotInstalled with what it said."""
    program = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise NotInstalled("uv is missing; run: make setup")
    done = subprocess.run([program, "--quiet", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise NotInstalled(said[-300:] or f"uv ended with {done.returncode}")
