"""Programs that we are measured against or with: each in a virtualenv of its own, none a dependency.

`benchmarks/peers/<name>.in` says what is wanted, `<name>.txt` what that came to; the first line of the latter
says how it is made anew.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack"))

from tools import virtualenv  # noqa: E402

LOCKS = ROOT / "benchmarks/peers"


def lock_of(name: str) -> Path:
    """The file with a peer's pinned packages."""
    return LOCKS / f"{name}.txt"


def version_of(name: str, package: str) -> str:
    """A package's pinned version."""
    pins = dict(line.split("==") for line in lock_of(name).read_text().splitlines() if "==" in line)
    return pins[package]


def folder_of(name: str) -> Path:
    """Where a peer's programs are; installed at the first use. Raises NotInstalledError."""
    return virtualenv(f"peer-{name}", lock=lock_of(name)) / "bin"
