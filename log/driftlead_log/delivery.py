"""The transaction that moves a piece of a spool into the database, exactly once.

The spool's row in `log_spools` is locked, the rows are copied, and the position moves from the place that
was read to the end of the piece, all in one transaction. So a crash on either side, a commit whose
acknowledgement is lost and a predecessor that wakes up late all end the same way: whoever comes next reads
the position.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import asyncpg

from driftlead_formats.baseline import Baseline
from driftlead_formats.histograms import (
    Counts,
    pack,
    unpack,
    unpack_latency,
)
from driftlead_log import row_tuples
from driftlead_log import statements as sql
from driftlead_log.counting import count, count_forwarded
from driftlead_log.frames import Damage, Frame, Kind, Mark
from driftlead_log.row_tuples import Identity


class Moved(Exception):  # noqa: N818 - no failure: somebody else has delivered this piece
    """The position is not where the piece begins: go on from `off`."""

    def __init__(self, off: int, seq: int) -> None:
        super().__init__(f"the spool's position is {off} now")
        self.off, self.seq = off, seq


@dataclass(frozen=True)
class Source:
    """What all frames of a piece share."""

    spool_id: uuid.UUID
    identity: Identity
    baseline: Baseline | None = None
    redacted: tuple[int, ...] = ()

    @property
    def baseline_sha(self) -> str:
        """Names the bins; empty without a baseline."""
        return self.baseline.sha256 if self.baseline else ""

    def place(self) -> tuple[str, str, str, str]:
        """Cluster, namespace, resource, pod."""
        identity = self.identity
        return identity.cluster, identity.namespace, identity.resource, identity.pod


@dataclass(frozen=True)
class Drop:
    """Rows that were answered and are lost: at most all of `first_seq..last_seq`, times in epoch seconds."""

    first_seq: int
    last_seq: int
    rows: int
    reason: str
    since: float
    until: float
    bytes: int = 0


@dataclass(frozen=True)
class Piece:
    """What one transaction delivers: everything between `start` (the position) and `end` of a spool."""

    source: Source
    start: int
    end: int
    frames: Sequence[Frame] = ()
    damage: Sequence[Damage] = ()
    drops: Sequence[Drop] = ()
    everything_before: float | None = None  # the acceptance time before which nothing is left to deliver


@dataclass
class Delivered:
    """What a transaction did."""

    seq: int
    rows: int = 0
    rejected: int = 0
    corrupt_rows: int = 0
    corrupt_bytes: int = 0
    last_ts: float | None = None


@dataclass
class Minutes:
    """Counts as they stand in the database, so that a minute is read once. Forget them after any failure."""

    known: dict[tuple[int, str, str, str], Counts] = field(default_factory=dict)

    def forget(self, keep: int = 0) -> None:
        """Drops all but the `keep` newest minutes."""
        newest = sorted(self.known, reverse=True)[:keep]
        self.known = {key: self.known[key] for key in newest}


async def register(connection: asyncpg.Connection, source: Source, start: int, seq: int) -> tuple[int, int]:
    """The spool's position and last delivered sequence number.

    `start` and `seq` become those of a spool that this database does not know yet.
    """
    async with connection.transaction():  # a pooler keeps the session for us no longer than that
        await connection.execute(sql.REGISTER, source.spool_id, *source.place(), start, seq)
        row = await connection.fetchrow(sql.POSITION, source.spool_id)
    if row is None:
        raise Moved(-1, 0)
    return row["off"], row["seq"]


async def deliver(connection: asyncpg.Connection, piece: Piece, minutes: Minutes) -> Delivered:
    """Delivers a piece in one transaction.

    Raises Moved when the position is elsewhere (nothing was written), or what the database or network raised:
    then only the position says whether it was committed, and the connection should be closed.
    """
    try:
        await connection.execute(sql.BEGIN)
        delivered = await _write(connection, piece, minutes)
        await connection.execute("COMMIT")
    except BaseException as error:
        minutes.forget()
        if isinstance(error, Moved):
            await connection.execute("ROLLBACK")
        raise
    minutes.forget(keep=3)
    return delivered


def poison(error: asyncpg.PostgresError) -> bool:
    """Whether the row itself is at fault: its data (22) or a constraint (23), not a missing partition."""
    state = str(error.sqlstate)
    return state[:2] in {"22", "23"} and "no partition" not in str(error)


async def _write(connection: asyncpg.Connection, piece: Piece, minutes: Minutes) -> Delivered:
    row = await connection.fetchrow(sql.LOCK, piece.source.spool_id)
    if row is None:
        raise Moved(-1, 0)
    if row["off"] != piece.start:
        raise Moved(row["off"], row["seq"])
    delivered = Delivered(seq=row["seq"])
    rows, columns = _rows(piece.frames)
    if rows:
        delivered.rejected = await _copy(connection, piece.source, rows, columns)
        delivered.rows = len(rows) - delivered.rejected
        delivered.last_ts = float(row_tuples.numbers(rows[-1:]).ts[0])
    await _losses(connection, piece, delivered)
    for minute, counts in count(piece.frames, piece.source.baseline, piece.source.redacted).items():
        await _count(connection, piece.source, minute, counts, minutes)
    for (minute, version, deployment), counts in count_forwarded(piece.frames).items():
        of_canary = _of_canary(piece.source, version, deployment)
        await _count(connection, of_canary, minute, counts, minutes)
    until = piece.everything_before or delivered.last_ts
    moved = await connection.execute(
        sql.MOVE, piece.source.spool_id, piece.start, piece.end, delivered.seq, delivered.rows, _time(until)
    )
    if moved != "UPDATE 1":
        raise Moved(-1, 0)
    return delivered


def _rows(frames: Sequence[Frame]) -> tuple[list[bytes], Sequence[str]]:
    """The rows and their columns; with marked ones among them all say how they came."""
    of_rows = [frame for frame in frames if frame.kind == Kind.ROWS]
    if all(frame.mark is Mark.NONE for frame in of_rows):
        return [row for frame in of_rows for row in frame.rows()], row_tuples.COLUMNS
    rows = [row_tuples.marked(row, frame.mark) for frame in of_rows for row in frame.rows()]
    return rows, row_tuples.MARKED_COLUMNS


def _of_canary(source: Source, version: str, deployment: str) -> Source:
    """The same pod's spool, for what it counts of a canary: no bins, and the canary's names."""
    names = replace(source.identity, model_version=version, deployment=deployment)
    return replace(source, identity=names, baseline=None)


async def _copy(
    connection: asyncpg.Connection, source: Source, rows: Sequence[bytes], columns: Sequence[str]
) -> int:
    """Copies rows; those that the database refuses for their data go to the table of rejected rows.

    Returns how many were rejected. A thousand rows with one bad one take some twenty copies.
    """
    await connection.execute("SAVEPOINT piece")
    try:
        await connection.copy_to_table(
            "inference_logs",
            source=_whole(row_tuples.copy_data(rows, source.identity.columns())),
            columns=columns,
            format="binary",
        )
    except asyncpg.PostgresError as error:
        if not poison(error):
            raise
        await connection.execute("ROLLBACK TO SAVEPOINT piece")
        if len(rows) == 1:
            await _reject(connection, source, rows[0], error)
            return 1
        half = len(rows) // 2
        halves = rows[:half], rows[half:]
        return sum([await _copy(connection, source, part, columns) for part in halves])
    return 0


async def _reject(
    connection: asyncpg.Connection, source: Source, row: bytes, error: asyncpg.PostgresError
) -> None:
    identity = source.identity
    await connection.execute(
        sql.REJECT,
        source.spool_id,
        row_tuples.seq_of(row),
        identity.model_name,
        identity.model_version,
        identity.deployment,
        *source.place(),
        str(error.sqlstate),
        str(error).replace("\x00", "?")[:1000],
        row_tuples.copy_data([row], identity.columns()),
    )


async def _losses(connection: asyncpg.Connection, piece: Piece, delivered: Delivered) -> None:
    """Writes down what is lost: dropped rows, damaged bytes, and every hole in the sequence numbers."""
    for drop in piece.drops:
        await _drop(connection, piece.source, drop)
    pieces: list[Frame | Damage] = sorted([*piece.frames, *piece.damage], key=lambda part: part.start)
    for part in pieces:
        if isinstance(part, Damage):
            await _damage(connection, piece.source, part, delivered)
        elif part.kind == Kind.ROWS:
            if part.first_seq > delivered.seq + 1:
                await _hole(connection, piece, delivered, part.first_seq - 1)
            delivered.seq = max(delivered.seq, part.last_seq)
    for drop in piece.drops:
        if drop.first_seq <= delivered.seq + 1:
            delivered.seq = max(delivered.seq, drop.last_seq)


async def _damage(
    connection: asyncpg.Connection, source: Source, damage: Damage, delivered: Delivered
) -> None:
    first = damage.first_seq or delivered.seq + 1
    last = first + damage.count - 1
    now = datetime.now(UTC).timestamp()
    await _drop(connection, source, Drop(first, last, damage.count, "corrupt", now, now, damage.length))
    delivered.seq = max(delivered.seq, last)
    delivered.corrupt_bytes += damage.length
    delivered.corrupt_rows += damage.count


async def _hole(connection: asyncpg.Connection, piece: Piece, delivered: Delivered, last: int) -> None:
    """Sequence numbers up to `last` are skipped: whatever of them was not dropped is missing, and is said."""
    first = delivered.seq + 1
    known = await connection.fetchval(sql.KNOWN, piece.source.spool_id, first, last)
    missing = last - first + 1 - int(known)
    if missing > 0:
        reason, now = ("corrupt" if piece.damage else "missing"), datetime.now(UTC).timestamp()
        await _drop(connection, piece.source, Drop(first, last, missing, reason, now, now))
        delivered.corrupt_rows += missing


async def _drop(connection: asyncpg.Connection, source: Source, drop: Drop) -> None:
    await connection.execute(
        sql.DROPPED,
        source.spool_id,
        drop.first_seq,
        drop.last_seq,
        drop.rows,
        drop.bytes,
        drop.reason,
        _time(drop.since),
        _time(drop.until),
        *source.place(),
    )


async def _count(
    connection: asyncpg.Connection, source: Source, minute: int, added: Counts, minutes: Minutes
) -> None:
    """Adds to a minute's histogram; only the holder of the lock writes it, so it is replaced whole."""
    identity = source.identity
    key = (minute, identity.model_version, identity.deployment, source.baseline_sha)
    start = _time(minute)
    if key not in minutes.known:
        row = await connection.fetchrow(sql.HISTOGRAM, start, source.spool_id, *key[1:])
        minutes.known[key] = _stored(row) if row else Counts()
    counts = minutes.known[key]
    counts.add(added)
    await connection.execute(
        sql.COUNT,
        start,
        source.spool_id,
        *key[1:],
        identity.model_name,
        *source.place(),
        counts.rows,
        counts.requests,
        counts.failed_4xx,
        counts.failed_5xx,
        pack(counts.features),
        pack(counts.prediction),
        pack(counts.latency),
    )


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _stored(row: asyncpg.Record) -> Counts:
    return Counts(
        row["rows"],
        row["requests"],
        row["failed_4xx"],
        row["failed_5xx"],
        unpack(row["features"]),
        unpack(row["prediction"]),
        unpack_latency(row["latency"]),
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
