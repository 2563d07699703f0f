"""Frames: the format of a spool. Pure.

A spool is a sequence of frames, each written by one call. A frame is a header of 28 bytes (little-endian:
magic, kind, flags, row count, payload length, first sequence number, CRC-32 of the payload, CRC-32 of the
header before it) and a payload. Both checksums must hold before anything of a frame is believed. With an
intact header and a damaged payload it is known exactly what was lost; with a damaged header the next frame
is searched for.

Payloads: `ROWS` and `COUNTED` hold the lengths of the rows (uint32 each), then the rows (see `row_tuples`);
`FAILED` holds (acceptance time, status class, latency in ms) of failed requests; `FORWARDED` the same of one
request that a canary was asked, then the canary's version and deployment. Only `ROWS` use up sequence
numbers. The flags of rows say how their requests came (`Mark`); whoever reads frames of before finds 0.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAGIC: Final = b"DLS1"
HEADER: Final = struct.Struct("<4sBBHIQII")
FAILED: Final = struct.Struct("<dBd")
_LENGTHS: Final = struct.Struct("<HH")
MAX_ROWS: Final = 4096
MAX_PAYLOAD: Final = 64 * 1024 * 1024  # a longer one is a damaged length


class Kind(IntEnum):
    """What a frame holds."""

    ROWS = 1  # rows of the log
    COUNTED = 2  # rows left out by sampling: they count in the histograms only
    FAILED = 3  # failed requests
    FORWARDED = 4  # what became of a request that a canary was asked


class Mark(IntEnum):
    """How the request of rows came, where not from a user who got just this answer."""

    NONE = 0
    FORWARDED = 1  # another server forwarded it, and answers by itself where this answer comes too late
    COPIED = 2  # a copy of a request that another server has answered
    FALLBACK = 3  # a canary was asked first, and gave no good answer in time


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was read whole: `start` and `end` are places in the buffer or the spool."""

    kind: Kind
    first_seq: int
    count: int
    payload: bytes
    start: int
    end: int
    mark: Mark = Mark.NONE

    @property
    def last_seq(self) -> int:
        """The last sequence number used up so far."""
        return self.first_seq + self.count - 1 if self.kind == Kind.ROWS else self.first_seq - 1

    def rows(self) -> list[bytes]:
        """The rows of a `ROWS` or `COUNTED` frame."""
        lengths = struct.unpack_from(f"<{self.count}I", self.payload)
        place, found = 4 * self.count, []
        for length in lengths:
            found.append(self.payload[place : place + length])
            place += length
        return found

    def failures(self) -> list[tuple[float, int, float]]:
        """(acceptance time in epoch seconds, status class, latency in ms) of a `FAILED` frame."""
        return list(FAILED.iter_unpack(self.payload))

    def forwarded(self) -> tuple[float, int, float, str, str]:
        """Of a `FORWARDED` frame: acceptance time, status class, latency in ms, version, deployment."""
        ts, status, latency = FAILED.unpack_from(self.payload)
        place = FAILED.size + _LENGTHS.size
        version, deployment = _LENGTHS.unpack_from(self.payload, FAILED.size)
        text = self.payload[place : place + version + deployment]
        names = text[:version].decode(errors="replace"), text[version:].decode(errors="replace")
        return ts, status, latency, *names


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that do not make a frame. Where the header was intact, also which rows they were."""

    start: int
    end: int
    first_seq: int | None = None
    count: int = 0

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.end - self.start


def header(kind: Kind, first_seq: int, count: int, payload: bytes, mark: Mark = Mark.NONE) -> bytes:
    """The header that stands before a payload: whoever writes hands both to one call."""
    head = HEADER.pack(MAGIC, kind, mark, count, len(payload), first_seq, zlib.crc32(payload), 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little")


def forwarded(ts: float, status_class: int, latency_ms: float, version: str, deployment: str) -> bytes:
    """The payload of a `FORWARDED` frame."""
    names = version.encode()[:0xFFFF], deployment.encode()[:0xFFFF]
    return b"".join((FAILED.pack(ts, status_class, latency_ms), _LENGTHS.pack(*map(len, names)), *names))


def scan(buffer: bytes, *, base: int = 0, whole: bool = True) -> Iterator[Frame | Damage]:
    """Frames and damages of `buffer` in order; together they cover it without a gap.

    `base` is the buffer's place in the spool. `whole`: the buffer ends where the writer stopped, so a frame
    that is cut off is damaged; otherwise scanning stops before it (read on from the last `end`).
    """
    place, size = 0, len(buffer)
    while place < size:
        head = _header(buffer, place)
        end = place + HEADER.size + (head[4] if head else 0)
        if not whole and (end > size if head else size - place < HEADER.size):
            return
        if head is None:
            found = _next(buffer, place + 1)
            if not whole and found == size:
                found = size - HEADER.size + 1  # the next header may begin in the bytes still to come
            yield Damage(base + place, base + found)
            place = found
            continue
        _, kind, flags, count, _, first_seq, checksum, _ = head
        payload = buffer[place + HEADER.size : end]
        if end <= size and zlib.crc32(payload) == checksum:
            mark = Mark(flags) if flags in set(Mark) else Mark.NONE
            yield Frame(Kind(kind), first_seq, count, payload, base + place, base + end, mark)
        else:
            end = min(end, size)
            rows = count if kind == Kind.ROWS else 0
            yield Damage(base + place, base + end, first_seq if rows else None, rows)
        place = end


def _header(buffer: bytes, place: int) -> tuple[bytes, int, int, int, int, int, int, int] | None:
    """The fields of an intact header at `place`, or None."""
    if buffer[place : place + 4] != MAGIC or len(buffer) - place < HEADER.size:
        return None
    fields: tuple[bytes, int, int, int, int, int, int, int] = HEADER.unpack_from(buffer, place)
    intact = zlib.crc32(buffer[place : place + HEADER.size - 4]) == fields[7]
    return fields if intact and fields[1] in set(Kind) and fields[4] <= MAX_PAYLOAD else None


def _next(buffer: bytes, place: int) -> int:
    """Where the next intact header begins, or the end."""
    while (place := buffer.find(MAGIC, place)) >= 0:
        if _header(buffer, place):
            return place
        place += 1
    return len(buffer)
