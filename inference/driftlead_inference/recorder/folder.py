"""The files of a spool's folder.

lock                        held while a server uses the folder; a second server is refused
spool                       the spool's id, a UUID, for ever the same
run-<run>.json              whose rows the segments of a run are, and which baseline counts them
baseline-<sha256>.json
drops                       the ledger of dropped rows
<offset>-<seq>.seg          frames; offset and first sequence number of the segment
"""

import fcntl
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from driftlead_formats.baseline import BaselineError
from driftlead_inference.recorder.types import SpoolUnusable
from driftlead_log.delivery import Source
from driftlead_log.segments import parse_source


@dataclass
class Segment:
    """A file of frames: `start` is the offset of its first byte, `first_seq` the number of its first row."""

    path: Path
    start: int
    first_seq: int
    size: int

    @property
    def end(self) -> int:
        """The offset behind its last byte."""
        return self.start + self.size


def locked(folder: Path) -> int:
    """The held lock of the folder, which is made if need be. Raises SpoolUnusable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise SpoolUnusable(
            f"the spool's folder {folder} cannot be written: {error.strerror}. "
            "Mount a volume there that this user owns, or set DRIFTLEAD_SPOOL_DIR"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise SpoolUnusable(
            f"another server uses the spool's folder {folder}; give each its own by DRIFTLEAD_SPOOL_DIR"
        ) from error
    return lock


def identifier_of(folder: Path) -> uuid.UUID:
    """The spool's id, made at the first use."""
    path = folder / "spool"
    try:
        return uuid.UUID(path.read_text().strip())
    except FileNotFoundError:
        identifier = uuid.uuid4()
        write_whole(path, f"{identifier}\n".encode())
        return identifier
    except ValueError as error:
        raise SpoolUnusable(
            f"{path} holds no UUID, so it is not known what of the spool is delivered. "
            "Move the folder away to start a new spool; its segments stay readable"
        ) from error


def segments_of(folder: Path) -> list[Segment]:
    """The segments that are there, oldest first."""
    found = []
    for path in folder.glob("*.seg"):
        start, _, seq = path.stem.partition("-")
        if start.isdigit() and seq.isdigit():
            found.append(Segment(path, int(start), int(seq), path.stat().st_size))
    return sorted(found, key=lambda segment: segment.start)


def source_of(folder: Path, run: int) -> Source | None:
    """Whose rows a run's are, without the baseline where that is gone; None when nothing says it."""
    try:
        text = run_path(folder, run).read_bytes()
        try:
            return parse_source(text, lambda sha: baseline_path(folder, sha).read_bytes())
        except (OSError, BaselineError):
            return parse_source(text, lambda _: None)  # the rows count for more than their histograms
    except (OSError, ValueError, TypeError, KeyError):
        return None


def bytes_of(segment: Segment, place: int, most: int) -> bytes:
    """Bytes of a segment from the offset `place` on; none when the file is gone."""
    try:
        with segment.path.open("rb") as file:
            file.seek(place - segment.start)
            return file.read(min(most, segment.end - place))
    except FileNotFoundError:
        return b""


def run_path(folder: Path, run: int) -> Path:
    """Where a run is described."""
    return folder / f"run-{run:08d}.json"


def baseline_path(folder: Path, sha: str) -> Path:
    """Where a baseline is kept."""
    return folder / f"baseline-{sha}.json"


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all, even after a power cut."""
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise SpoolUnusable(
            f"the spool's folder {path.parent} cannot be written: {error.strerror}"
        ) from error
