"""The artifact cache: one folder for each (registry, name, version, source), every file's sha256 beside it.

A restarted container finds its model here while registry and S3 are unreachable. Entries are written aside
and renamed, so that a crash leaves none that is half there, and two pods on one claim cannot disturb one
another.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from driftlead_inference.model.prepared import Source

ARTIFACT = "artifact"
RECORD = "record.json"


class Damaged(Exception):  # noqa: N818 - a state of the disk, in a sentence
    """What lies in the cache is not what was downloaded."""


class Record(msgspec.Struct, frozen=True):
    """What was downloaded: every file's sha256 by relative path."""

    source: Source
    files: dict[str, str]

    @property
    def digest(self) -> str:
        """One sha256 over all files, names included."""
        return hashlib.sha256(msgspec.json.encode(sorted(self.files.items()))).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder, by relative path."""
    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as opened:
            found[str(file.relative_to(folder))] = hashlib.file_digest(opened, "sha256").hexdigest()
    return found


def remember(root: Path, source: Source, download: Callable[[Path], None]) -> Path:
    """Downloads into the cache and records the digests; the entry's folder.

    `download(folder)` fills an empty folder; what it raises passes through and leaves nothing behind.
    """
    root.mkdir(parents=True, exist_ok=True)
    entry = root / source.key
    aside = Path(tempfile.mkdtemp(prefix=".loading-", dir=root))
    try:
        folder = aside / ARTIFACT
        folder.mkdir()
        download(folder)
        record = Record(source, digests(folder))
        (aside / RECORD).write_bytes(msgspec.json.encode(record))
        if entry.exists():
            shutil.rmtree(entry)
        aside.rename(entry)
    except OSError:
        if not (entry / RECORD).exists():  # another pod on the same claim was faster
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return entry


def read(entry: Path) -> Record | None:
    """The record of an entry; None when there is none."""
    try:
        return msgspec.json.decode((entry / RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def find(root: Path, registry: str, name: str, version: str) -> Path | None:
    """The newest entry of a version, whatever its source."""
    entries = [path.parent for path in root.glob(f"*/{RECORD}")] if root.is_dir() else []
    fitting = [
        entry
        for entry in entries
        if (record := read(entry))
        and (record.source.registry, record.source.name, record.source.version) == (registry, name, version)
    ]
    return max(fitting, key=lambda entry: (entry / RECORD).stat().st_mtime, default=None)


def check(folder: Path, files: Mapping[str, str]) -> None:
    """Holds a folder against recorded digests. Raises `Damaged` with the first file that differs."""
    there = digests(folder)
    for name in sorted(set(there) | set(files)):
        if there.get(name) != files.get(name):
            state = "is gone" if name not in there else "is new" if name not in files else "has changed"
            raise Damaged(f"{folder / name} {state} since it was downloaded")


def write_whole(path: Path, content: bytes) -> None:
    """Replaces a file in one step."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)
