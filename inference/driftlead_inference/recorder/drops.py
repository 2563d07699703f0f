"""The ledger of dropped rows: kept in the spool, in space that was taken when there was some.

Each slot holds one range of sequence numbers with its reason. It is written in place, so a full disk cannot
stop it, and a kill cannot lose it.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import Final

from driftlead_log.delivery import Drop

SLOT: Final = struct.Struct("<QQQBdd")
SLOT_BYTES: Final = 64
SLOTS: Final = 1024
REASONS: Final = ("spool-full", "disk-full")


class DropLedger:
    """Ranges of rows that were answered and dropped. Bounded: 1023 ranges, then the newest grows.

    `last_seq`: the highest sequence number that was ever dropped, 0 when none was.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        missing = SLOTS * SLOT_BYTES - os.fstat(self._fd).st_size
        if missing > 0:
            # Written, not truncated: a hole would need a block later, on a disk that is full by then.
            os.pwrite(self._fd, bytes(missing), SLOTS * SLOT_BYTES - missing)
        self._slots: dict[int, Drop] = {}
        # Slot 0 keeps the highest number that was ever here: a number is never used twice.
        self.last_seq = int.from_bytes(os.pread(self._fd, 8, 0), "little")
        for place in range(1, SLOTS):
            if (drop := _decode(os.pread(self._fd, SLOT_BYTES, place * SLOT_BYTES))) is not None:
                self._slots[place] = drop
                self.last_seq = max(self.last_seq, drop.last_seq)
        self._newest = max(self._slots, key=lambda place: self._slots[place].last_seq, default=0)

    @property
    def pending(self) -> list[Drop]:
        """What is not yet written down in the database, oldest first."""
        return sorted(self._slots.values(), key=lambda drop: drop.first_seq)

    def add(self, first_seq: int, rows: int, reason: str, now: float) -> None:
        """Notes that `rows` from `first_seq` on are dropped; a range that goes on grows."""
        last_seq = first_seq + rows - 1
        place = self._newest
        old = self._slots.get(place)
        if old is None or (
            (old.reason, old.last_seq + 1) != (reason, first_seq) and len(self._slots) < SLOTS - 1
        ):
            place = next((free for free in range(1, SLOTS) if free not in self._slots), SLOTS - 1)
            drop = Drop(first_seq, last_seq, rows, reason, now, now)
        else:
            drop = Drop(old.first_seq, last_seq, old.rows + rows, old.reason, old.since, now)
        self._newest, self.last_seq = place, last_seq
        self._slots[place] = drop
        self._write(place, drop)

    def forget(self, delivered: list[Drop]) -> None:
        """Frees the slots of ranges that are written down, unless they have grown since."""
        if delivered:
            os.pwrite(self._fd, self.last_seq.to_bytes(8, "little"), 0)
        for place, drop in list(self._slots.items()):
            if drop in delivered:
                del self._slots[place]
                os.pwrite(self._fd, bytes(SLOT_BYTES), place * SLOT_BYTES)

    def close(self) -> None:
        os.close(self._fd)

    def _write(self, place: int, drop: Drop) -> None:
        body = SLOT.pack(
            drop.first_seq, drop.last_seq, drop.rows, REASONS.index(drop.reason), drop.since, drop.until
        )
        record = zlib.crc32(body).to_bytes(4, "little") + body
        os.pwrite(self._fd, record.ljust(SLOT_BYTES, b"\0"), place * SLOT_BYTES)


def _decode(record: bytes) -> Drop | None:
    body = record[4 : 4 + SLOT.size]
    first, last, rows, reason, since, until = SLOT.unpack(body)
    if not rows or zlib.crc32(body) != int.from_bytes(record[:4], "little") or reason >= len(REASONS):
        return None
    return Drop(first, last, rows, REASONS[reason], since, until)
