"""The writer: the one task that moves the spool into the database, and goes on whatever happens to either.

The database alone knows how far the spool is delivered: each transaction moves the position with the rows.
`Progress.off` remembers it between transactions, and every failure forgets it, with the connection and the
counts that were read: a commit whose acknowledgement was lost looks like one that never happened, so the
position is asked again. Health and metrics use `floor` and `seq`, which never go back.

Three things that are not failures:

- `Moved`: somebody else delivered a part, an importer of uploaded segments by example. It goes on from there.
- The position's row is locked. We hold the lock of the folder, so the holder is a predecessor of ours that
  stands still (a node that came back, a frozen container): its connection is ended, by the name that carries
  the spool's id.
- The position is beyond the spool's end: a copy of this folder was used elsewhere. The spool begins a new
  run, so that its new rows are not taken for delivered ones.

Waking: `_wake` is cleared before the spool is read, never after, so a row that is appended during a
transaction is seen either by it or by the flush after it. After a failure it is cleared too, or the requests
that wait for a commit would turn the pause between two attempts into a busy loop; a new one still shortens
it.

`run` catches everything. A connection that breaks in the middle of a COPY ends in a CancelledError of
asyncpg's own; `cancelling` tells that from a cancellation of this task.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
import structlog

from driftlead_inference.recorder.spool import Spool
from driftlead_inference.recorder.types import RecorderSettings
from driftlead_log.delivery import (
    Delivered,
    Minutes,
    Moved,
    Piece,
    deliver,
    register,
)
from driftlead_log.segments import import_segments, prefix
from driftlead_log.store import StoreUnreachable

HEARTBEAT_SECONDS = 60.0
MARGIN_SECONDS = 10.0  # from a row's acceptance to its append at most, prediction included
BACKOFF_SECONDS = (0.1, 10.0)
UNREACHABLE = (
    OSError, TimeoutError, ValueError,
    asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
)  # fmt: skip
EVICT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()
"""

log = structlog.get_logger(__name__)


@dataclass
class Progress:
    """What the writer has done, for health and metrics."""

    off: int | None = None  # the position, as the database said last; None: it must be asked
    floor: int = 0  # the highest position known
    seq: int = 0  # everything up to here is delivered
    rows: int = 0
    rejected: int = 0
    corrupt_rows: int = 0
    corrupt_bytes: int = 0
    imported: int = 0
    transactions: int = 0
    failures: int = 0
    error: str = ""  # why it does not get on at the moment; empty while it does
    last_ts: float | None = None


class Writer:
    """Delivers a spool; `delivered` is called after each commit with the number up to which rows are safe."""

    def __init__(self, spool: Spool, settings: RecorderSettings, delivered: Callable[[int], None]) -> None:
        self._spool, self._settings, self._delivered = spool, settings, delivered
        self.progress = Progress()
        self._minutes = Minutes()
        self._connection: asyncpg.Connection | None = None
        self._wake = asyncio.Event()
        self._finish = False
        self._heartbeat = 0.0
        self._import = time.monotonic() - random.uniform(0, settings.import_seconds)
        self._name = f"driftlead-log {spool.id}"

    def wake(self) -> None:
        """Delivers at once instead of at the next flush."""
        self._wake.set()

    def finish(self) -> None:
        """Makes `run` return once everything is delivered."""
        self._finish = True
        self._wake.set()

    async def run(self) -> None:
        """Delivers until cancelled, or until nothing is left after `finish`."""
        pause, high = BACKOFF_SECONDS
        while True:
            try:
                await self.flush()
                if self._finish:
                    return
                await self._idle(time.monotonic())
                pause = BACKOFF_SECONDS[0]
                await self._wait(self._settings.flush_seconds)
            except (Exception, asyncio.CancelledError) as error:
                # Whatever it is, the rows wait and it goes on. A connection that breaks in the middle of a
                # COPY ends in a CancelledError of asyncpg's own, although nobody cancelled us.
                self._lost(error)
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                self._wake.clear()
                await self._wait(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, 0.5 if self._finish else high)

    async def flush(self) -> None:
        """Delivers what is in the spool. Raises what the database or the network raises.

        What came meanwhile waits for the next flush, unless it fills a batch, somebody waits for the commit,
        or this is the end.
        """
        to_the_end = self._settings.mode == "durable"
        while True:
            began = time.monotonic()
            self._wake.clear()
            if not await self._move():
                return
            if self._spool.end - self.progress.floor > self._settings.batch_bytes:
                if not self._finish:  # far behind: the database has others to serve too
                    await asyncio.sleep((time.monotonic() - began) * (1 / self._settings.duty - 1))
            elif not (to_the_end or self._finish):
                return

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                await connection.close(timeout=2)
            except UNREACHABLE:
                connection.terminate()

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    async def _move(self) -> bool:
        """One transaction; whether there was anything to do."""
        connection = await self._connected()
        position = self.progress.off
        if position is None:
            first, done = self._spool.segments[0], self.progress
            start, last = max(first.start, done.floor), max(first.first_seq - 1, done.seq)
            position, seq = await register(connection, self._spool.current, start, last)
            self._at(position, seq)
        piece = self._next(position)
        if piece is None:  # nothing is left of all that was appended
            self.progress.error = ""
            self._at(position, self._spool.next_seq - 1)
            return False
        try:
            delivered = await deliver(connection, piece, self._minutes)
        except Moved as moved:
            log.warning("somebody else delivered a part of this spool", off=moved.off, expected=piece.start)
            self._at(moved.off if moved.off >= 0 else None, moved.seq)
            return True
        except asyncpg.LockNotAvailableError:
            # We hold the folder's lock, so whoever holds the row's is a predecessor that stands still.
            await self._evict()
            raise
        self._account(piece, delivered)
        return True

    def _next(self, off: int) -> Piece | None:
        """What to deliver next, None when there is nothing."""
        drops = self._spool.ledger.pending
        chunk = self._spool.read(off, self._settings.batch_bytes)
        settled = time.time() - MARGIN_SECONDS
        if chunk is not None:
            last = chunk.end >= self._spool.end
            reached = max((frame.last_seq for frame in chunk.frames), default=0)
            drops = [drop for drop in drops if drop.first_seq <= reached]  # in the order of the numbers
            return Piece(
                chunk.source,
                off,
                chunk.end,
                chunk.frames,
                chunk.damage,
                drops,
                everything_before=settled if last else None,
            )
        if drops or time.monotonic() - self._heartbeat > HEARTBEAT_SECONDS:
            return Piece(self._spool.current, off, off, drops=drops, everything_before=settled)
        return None

    def _account(self, piece: Piece, delivered: Delivered) -> None:
        done = self.progress
        done.error = ""
        done.rows += delivered.rows
        done.rejected += delivered.rejected
        done.corrupt_rows += delivered.corrupt_rows
        done.corrupt_bytes += delivered.corrupt_bytes
        done.transactions += 1
        done.last_ts = delivered.last_ts or done.last_ts
        self._heartbeat = time.monotonic()
        if delivered.rejected or delivered.corrupt_bytes:
            log.error("rows could not be logged", **vars(delivered))
        self._spool.ledger.forget(list(piece.drops))
        self._at(piece.end, delivered.seq)

    def _at(self, off: int | None, seq: int) -> None:
        """The position is known: everything before it, and up to `seq`, is in the database."""
        done = self.progress
        done.off, done.floor, done.seq = off, max(done.floor, off or 0), max(done.seq, seq)
        if done.floor > self._spool.end:
            log.error("a copy of this spool is used elsewhere; rows since then may be missing", off=off)
            self._spool.skip_to(done.floor)
        if off is not None:
            self._spool.release(off)
        self._delivered(done.seq)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self.progress.off = None
            self._minutes.forget()
            self._connection = await asyncpg.connect(
                self._settings.dsn(),
                timeout=10,
                command_timeout=60,
                statement_cache_size=0 if self._settings.pooler else 100,
                server_settings={"application_name": self._name},
            )
        return self._connection

    def _lost(self, error: BaseException) -> None:
        sentence = f"{type(error).__name__}: {error}".split("\n")[0]
        if not isinstance(error, (*UNREACHABLE, asyncio.CancelledError)):
            log.error("the writer of the prediction log met what it does not know", exc_info=error)
        elif not self.progress.error:
            log.warning("the prediction log is not delivered; rows wait in the spool", error=sentence)
        self.progress.error = sentence
        self.progress.failures += 1
        self.progress.off = None
        self._minutes.forget()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _evict(self) -> None:
        connection = await asyncpg.connect(self._settings.dsn(), timeout=10, statement_cache_size=0)
        try:
            async with connection.transaction():
                await connection.execute(EVICT, self._name)
        finally:
            await connection.close(timeout=2)

    async def _idle(self, now: float) -> None:
        """With nothing to do: looks for segments that other pods of this resource uploaded."""
        store = self._settings.store
        if store is None or now - self._import < self._settings.import_seconds:
            return
        self._import = now
        identity = self._spool.current.identity
        where = prefix(identity.cluster, identity.namespace, identity.resource)
        try:
            done = await import_segments(await self._connected(), store, where)
        except StoreUnreachable as error:
            log.warning("cannot look for segments of other pods", error=str(error))
            return
        self.progress.imported += done.rows
        for sentence in done.left:
            log.warning(sentence)
