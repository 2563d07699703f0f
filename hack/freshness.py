"""Files that are made from others: written, or with `--check` compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hack import ROOT


def write_or_check(wanted: Mapping[Path, str], arguments: Sequence[str], mend: str) -> int:
    """Writes what differs; with `--check` names it and the command that mends it instead, and returns 1."""
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if stale and "--check" in arguments:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        print(f"stale: {names}; run: {mend}")
        return 1
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    return 0
