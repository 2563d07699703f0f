"""The spool: one server appends frames, its writer reads them back, and delivered segments are deleted.

Offsets are places in one endless sequence. Each run of a server begins at `run << 40`, so a place is never
used twice, even if a machine's crash took the end of a segment that the database has already seen. `folder`
says which files there are.

A run begins a file of its own and never appends to its predecessor's, whose last frame may be torn. Frames
carry checksums; what is damaged is reported with its place, and reading goes on behind it.

Appending and reading happen in one event loop, so the sizes kept here are true between two calls: a reader
sees whole writes or none. A write that the volume takes in part is cut off again. On a full volume a new
segment is begun, although nothing fits: the newest segment is never deleted, since its name carries the
numbering, and would otherwise keep the space that its delivered rows take.

Deleting needs no sync. A segment that comes back after a crash lies before the database's position and is
released again.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftlead_formats.baseline import Baseline
from driftlead_inference.recorder import folder as files
from driftlead_inference.recorder.drops import DropLedger
from driftlead_inference.recorder.folder import Segment
from driftlead_inference.recorder.types import MIB
from driftlead_log.delivery import Source
from driftlead_log.frames import Damage, Frame, scan
from driftlead_log.row_tuples import Identity
from driftlead_log.segments import dump_source

RUN_BITS: Final = 40
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class NoSpace(Exception):  # noqa: N818 - a state, decided upon by the recorder
    """The frames do not fit: `reason` is spool-full (our bound) or disk-full (the volume's)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Chunk:
    """What was read: `source` says whose it is, `end` where to read on."""

    source: Source
    frames: list[Frame]
    damage: list[Damage]
    end: int


class Spool:
    """An open spool. `next_seq` is where numbering goes on; `size` and `limit` are bytes of all segments.

    Raises SpoolUnusable when the folder cannot be written or belongs to a server that runs.
    """

    def __init__(
        self,
        folder: Path,
        limit: int,
        identity: Identity,
        baseline: Baseline | None = None,
        redacted: Sequence[int] = (),
    ) -> None:
        self.folder, self.limit = folder, limit
        self._segment_bytes = max(64 * 1024, min(8 * MIB, limit // 16))
        self._lock = files.locked(folder)
        self.id = files.identifier_of(folder)
        self.segments = files.segments_of(folder)
        self.size = sum(segment.size for segment in self.segments)
        self.ledger = DropLedger(folder / "drops")
        runs = [int(path.stem.removeprefix("run-")) for path in folder.glob("run-*.json")]
        self.run = 1 + max(runs + [segment.start >> RUN_BITS for segment in self.segments], default=0)
        self.next_seq = 1 + max(self._last_seq(), self.ledger.last_seq)
        self._sources: dict[int, Source] = {}
        self._describe(Source(self.id, identity, baseline, tuple(redacted)))
        self._fd = self._begin(self.run << RUN_BITS)

    @property
    def current(self) -> Source:
        """Whose rows are appended."""
        return self._current

    @property
    def end(self) -> int:
        """The offset behind the newest byte."""
        return self.segments[-1].end

    def write(self, buffers: Sequence[bytes]) -> None:
        """Appends frames, all or none. Raises NoSpace."""
        active = self.segments[-1]
        length = sum(map(len, buffers))
        if self.size + length > self.limit:
            raise NoSpace("spool-full", f"the spool {self.folder} holds {self.size} of {self.limit} bytes")
        try:
            if active.size >= self._segment_bytes:
                active = self._roll()
            written = os.writev(self._fd, buffers)
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            self._give_way()
            raise NoSpace("disk-full", f"{self.folder}: {error.strerror}") from error
        if written != length:
            os.ftruncate(self._fd, active.size)
            self._give_way()
            raise NoSpace("disk-full", f"{self.folder}: only {written} of {length} bytes could be written")
        active.size += length
        self.size += length

    def read(self, offset: int, most: int) -> Chunk | None:
        """Frames from `offset` on, some `most` bytes of one segment; None when there is nothing."""
        for segment in self.segments:
            place = max(offset, segment.start)
            if place < segment.end:
                return self._read(segment, place, most)
        return None

    def holds(self, offset: int) -> bool:
        """Whether there is anything from `offset` on."""
        return any(max(offset, segment.start) < segment.end for segment in self.segments)

    def contents(self, offset: int) -> Iterator[tuple[Source, int, int, bytes]]:
        """Everything from `offset` on, by segments: whose, where it begins, the first number, the bytes."""
        for segment in self.segments:
            place, source = max(offset, segment.start), self.source(segment.start)
            if place < segment.end and source is not None:
                yield source, place, segment.first_seq, segment.path.read_bytes()[place - segment.start :]

    def release(self, offset: int) -> None:
        """Deletes segments that lie before `offset`; the newest stays, for its name carries the numbering."""
        while len(self.segments) > 1 and self.segments[0].end <= offset:
            gone = self.segments.pop(0)
            self.size -= gone.size
            gone.path.unlink(missing_ok=True)
            run = gone.start >> RUN_BITS
            if run != self.segments[0].start >> RUN_BITS:
                files.run_path(self.folder, run).unlink(missing_ok=True)
                self._sources.pop(run, None)

    def source(self, offset: int) -> Source | None:
        """Whose rows the bytes at `offset` are; None when the description of that run is damaged."""
        run = offset >> RUN_BITS
        if run not in self._sources:
            described = files.source_of(self.folder, run)
            if described is None:
                return None
            self._sources[run] = described
        return self._sources[run]

    def close(self) -> None:
        """Closes the files and frees the folder."""
        self.ledger.close()
        os.close(self._fd)
        os.close(self._lock)

    def _read(self, segment: Segment, place: int, most: int) -> Chunk:
        source = self.source(segment.start)
        if source is None:  # rows of nobody: all that is left of the segment is damage
            return Chunk(self.current, [], [Damage(place, segment.end)], segment.end)
        while True:
            buffer = files.bytes_of(segment, place, most)
            whole = place + len(buffer) >= segment.end
            found = list(scan(buffer, base=place, whole=whole or not buffer))
            if found or whole or not buffer:
                break
            most *= 2  # one frame is longer than that
        if not buffer:  # the file is shorter than it was, or gone
            found = [Damage(place, segment.end)]
        frames = [part for part in found if isinstance(part, Frame)]
        damage = [part for part in found if isinstance(part, Damage)]
        return Chunk(source, frames, damage, found[-1].end)

    def skip_to(self, offset: int) -> None:
        """Goes on behind `offset`, which this folder never wrote: a copy of it was used elsewhere."""
        self.run = (offset >> RUN_BITS) + 1
        self._describe(self.current)
        old, self._fd = self._fd, self._begin(self.run << RUN_BITS)
        os.close(old)

    def _give_way(self) -> None:
        """On a full disk: begins a new segment, so that the present one is deleted once it is delivered."""
        if self.segments[-1].size:
            with suppress(OSError):
                self._roll()

    def _roll(self) -> Segment:
        old, self._fd = self._fd, self._begin(self.end)
        os.close(old)
        return self.segments[-1]

    def _begin(self, start: int) -> int:
        path = self.folder / f"{start:020d}-{self.next_seq:020d}.seg"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self.segments.append(Segment(path, start, self.next_seq, 0))
        return fd

    def _last_seq(self) -> int:
        """The last sequence number in use, from the newest segments that still say one."""
        last = 0
        for segment in reversed(self.segments):
            last = max(last, segment.first_seq - 1)
            for part in scan(segment.path.read_bytes()):
                if isinstance(part, Frame):
                    last = max(last, part.last_seq)
                elif part.first_seq is not None:
                    last = max(last, part.first_seq + part.count - 1)
            if segment.size:
                break
        return last

    def _describe(self, source: Source) -> None:
        """Writes down whose rows this run's are, and forgets the baselines of runs that are delivered."""
        if source.baseline is not None:
            files.write_whole(
                files.baseline_path(self.folder, source.baseline_sha), source.baseline.to_json()
            )
        files.write_whole(files.run_path(self.folder, self.run), dump_source(source))
        self._sources[self.run] = self._current = source
        described = [path.read_bytes() for path in self.folder.glob("run-*.json")]
        for path in self.folder.glob("baseline-*.json"):
            if not any(path.stem.removeprefix("baseline-").encode() in text for text in described):
                path.unlink()
