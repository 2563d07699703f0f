"""Programs that we are measured against or with: each in a virtualenv of its own, none a dependency.

`benchmarks/peers/<name>.in` says what is wanted, `<name>.txt` what that came to; the first line of the latter
says how it is made again.
"""

from pathlib import Path

from hack import ROOT
from hack.tools import virtualenv

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
