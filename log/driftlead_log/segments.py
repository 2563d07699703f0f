"""Segments that a pod which must go uploads to S3, and how anybody delivers them exactly once.

Key: `driftlead/spool/<cluster>/<namespace>/<resource>/<spool id>/<offset>.seg`. An object is one line of
JSON (whose rows, offsets, checksum), then the bytes of the spool from `start` to `end`. Importing is the
same guarded transaction that the pod's own writer uses, from the position on: whatever of it the pod had
delivered after all, or another importer delivers at the same time, is not delivered again.
"""

import asyncio
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import structlog

from driftlead_formats.baseline import Baseline
from driftlead_log.delivery import (
    Drop,
    Minutes,
    Moved,
    Piece,
    Source,
    deliver,
    register,
)
from driftlead_log.frames import Damage, Frame, scan
from driftlead_log.row_tuples import Identity
from driftlead_log.store import Store

ROOT: Final = "driftlead/spool"
PIECE_BYTES: Final = 1024 * 1024

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Segment:
    """A part of a spool, as it is uploaded.

    `previous`: the position from which on this is the next part; `seq`: the last sequence number before it.
    """

    source: Source
    previous: int
    start: int
    seq: int
    content: bytes
    drops: tuple[Drop, ...] = ()

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.start + len(self.content)


@dataclass
class Imported:
    """What an import did: objects delivered and deleted, rows written, sentences on what was left alone."""

    segments: int = 0
    rows: int = 0
    left: list[str] = field(default_factory=list)


def dump_source(source: Source) -> bytes:
    """JSON of whose rows these are; the baseline is named by its digest and kept beside."""
    return json.dumps(_source_document(source)).encode()


def parse_source(text: bytes, baseline: Callable[[str], bytes | None]) -> Source:
    """The source that `dump_source` wrote; `baseline` returns the file of a digest, or None to do without.

    Raises ValueError, TypeError or KeyError when the text is something else.
    """
    return _source(json.loads(text), baseline)


def prefix(cluster: str, namespace: str, resource: str) -> str:
    """Where the segments of a resource lie."""
    return "/".join([ROOT, *(quote(part, safe="") or "-" for part in (cluster, namespace, resource))]) + "/"


def key_of(segment: Segment) -> str:
    """The object's key."""
    return f"{_folder(segment.source)}{segment.start:020d}.seg"


def upload_segment(store: Store, segment: Segment) -> None:
    """Uploads a segment together with the baseline it is counted by. Raises StoreUnreachable."""
    source = segment.source
    head = {
        **_source_document(source),
        "baseline_json": source.baseline.to_json().decode() if source.baseline else None,
        "previous": segment.previous,
        "start": segment.start,
        "seq": segment.seq,
        "sha256": hashlib.sha256(segment.content).hexdigest(),
        "drops": [asdict(drop) for drop in segment.drops],
    }
    store.put(key_of(segment), json.dumps(head).encode() + b"\n" + segment.content)


def parse(body: bytes) -> Segment:
    """The segment in an object. Raises ValueError when it is not whole."""
    line, _, content = body.partition(b"\n")
    head = json.loads(line)
    if hashlib.sha256(content).hexdigest() != head["sha256"]:
        raise ValueError("its content does not have the checksum that its first line says")
    drops = tuple(Drop(**drop) for drop in head["drops"])
    source = _source(head, lambda _: head["baseline_json"])
    return Segment(source, head["previous"], head["start"], head["seq"], content, drops)


async def import_segments(connection: asyncpg.Connection, store: Store, where: str) -> Imported:
    """Delivers every segment below the prefix `where`, in order, and deletes what is delivered.

    Raises StoreUnreachable, or what the database raised; what was delivered until then stays delivered.
    """
    done = Imported()
    by_spool: dict[str, list[str]] = {}
    for key in await asyncio.to_thread(store.list, where):
        spool, _, name = key.removeprefix(where).partition("/")
        if name.endswith(".seg"):
            by_spool.setdefault(spool, []).append(key)
    for keys in by_spool.values():
        for key in sorted(keys):
            if not await _import_one(connection, store, key, done):
                break  # what comes after it cannot be delivered before it
    return done


async def _import_one(connection: asyncpg.Connection, store: Store, key: str, done: Imported) -> bool:
    """Whether the object is delivered now."""
    body = await asyncio.to_thread(store.get, key)
    if body is None:
        return True  # another importer was faster
    try:
        segment = await asyncio.to_thread(parse, body)
    except (ValueError, KeyError, TypeError) as error:
        done.left.append(f"{key} is not a whole segment: {error}; it is left alone")
        return False
    try:
        done.rows += await deliver_segment(connection, segment)
    except Moved as moved:
        done.left.append(
            f"{key} does not follow the spool's position {moved.off}; the segment before it must come first"
        )
        return False
    await asyncio.to_thread(store.delete, key)
    done.segments += 1
    log.info("uploaded segment delivered", key=key, rows=done.rows)
    return True


async def deliver_segment(connection: asyncpg.Connection, segment: Segment) -> int:
    """Delivers what of a segment is not delivered yet; the number of rows.

    Raises Moved when the position is before the segment's predecessor's end.
    """
    position, _ = await register(connection, segment.source, segment.previous, segment.seq)
    minutes, rows, tries = Minutes(), 0, 0
    while position < segment.end:
        if position < segment.previous:
            raise Moved(position, 0)
        piece = next(pieces(segment, position))
        try:
            rows += (await deliver(connection, piece, minutes)).rows
            position = piece.end
        except Moved as moved:
            tries += 1
            if tries > 100:
                raise
            position = moved.off
    return rows


def pieces(segment: Segment, position: int) -> Iterator[Piece]:
    """The segment from `position` on, in pieces of a transaction's size."""
    skip = max(position - segment.start, 0)
    parts = list(scan(segment.content[skip:], base=segment.start + skip))
    start, drops = position, segment.drops
    while parts:
        size, chosen = 0, 0
        while chosen < len(parts) and size < PIECE_BYTES:
            size += parts[chosen].end - parts[chosen].start
            chosen += 1
        taken, parts = parts[:chosen], parts[chosen:]
        yield _piece(segment.source, start, taken, drops)
        start, drops = taken[-1].end, ()
    if start == position and drops:
        yield _piece(segment.source, start, [], drops)


def _piece(source: Source, start: int, parts: Sequence[Frame | Damage], drops: tuple[Drop, ...]) -> Piece:
    frames = [part for part in parts if isinstance(part, Frame)]
    damage = [part for part in parts if isinstance(part, Damage)]
    return Piece(source, start, parts[-1].end if parts else start, frames, damage, drops)


def _folder(source: Source) -> str:
    identity = source.identity
    return f"{prefix(identity.cluster, identity.namespace, identity.resource)}{source.spool_id}/"


def _source_document(source: Source) -> dict[str, Any]:
    return {
        "spool": str(source.spool_id),
        "identity": asdict(source.identity),
        "baseline": source.baseline_sha,
        "redacted": list(source.redacted),
    }


def _source(head: dict[str, Any], baseline: Callable[[str], bytes | str | None]) -> Source:
    stored = baseline(head["baseline"]) if head["baseline"] else None
    return Source(
        uuid.UUID(head["spool"]),
        Identity(**head["identity"]),
        Baseline.from_json(stored) if stored else None,
        tuple(head["redacted"]),
    )
