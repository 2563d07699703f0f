"""The recorder: what the server calls, in front of the spool and the writer.

What `append` returns for is in the kernel's hands: it survives the end of this process, killed or not, and a
restarted container on the same volume delivers it. It is not synced to the disk: a node that loses power may
lose the newest rows, which mode `durable` answers by waiting for the database instead.

Every row gets the next sequence number, also the one that is dropped because the spool is full. So nothing
vanishes silently: a number was delivered, was refused by the database, stands in the ledger of drops, or was
lost with damaged bytes, and each of these is counted. A row that is refused to the client (mode `durable`, or
a full spool that refuses) takes no number: it was never answered. Rows that are counted alone, because
sampling leaves them out or because they failed, take none either.

A full spool drops until it is emptied to `DROPPING_UNTIL`. Without that distance every delivered segment
would let a few rows in, and the log would have thousands of short gaps instead of few long ones.

Whoever waits for a commit waits in the order of the numbers, because the tasks that wait begin in the order
in which rows were appended; `_settle` looks at the front of the queue alone.

At the end (`drain`) the writer delivers, for half of the time where there is a store. The rest is uploaded:
the volume of a deleted pod may go with it. A commit whose acknowledgement was lost may be uploaded all the
same, and rows that are uploaded may be delivered by a successor on the same volume: whoever delivers moves
the spool's position in the database in the same transaction, so neither makes a row twice.
"""

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from driftlead_formats.baseline import Baseline
from driftlead_inference.recorder.metrics import RecorderCollector
from driftlead_inference.recorder.spool import NoSpace, Spool
from driftlead_inference.recorder.types import RecorderSettings, Row, SpoolFull, SpoolUnusable
from driftlead_inference.recorder.writer import Writer
from driftlead_log import frames, row_tuples
from driftlead_log.frames import Kind, Mark
from driftlead_log.row_tuples import Identity
from driftlead_log.segments import Segment, key_of, upload_segment
from driftlead_log.store import Store, StoreUnreachable

DROPPING_UNTIL = 0.9  # once full, rows are dropped until the spool is emptied to this share: few, long gaps

log = structlog.get_logger(__name__)


class Recorder:
    """Logs predictions: `append` before the answer, delivery behind it. Used from one event loop.

    Memory: one batch (`batch_bytes`, three times while it is sent), the ledger's 64 KiB, and a future for
    each request that waits in mode durable. Disk: `spool_bytes`, and 1 MiB beside them.
    """

    def __init__(
        self, spool: Spool, settings: RecorderSettings, registry: CollectorRegistry | None = None
    ) -> None:
        self._spool, self._settings = spool, settings
        self._writer = Writer(spool, settings, self._settle)
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._refuse = settings.spool_full == "refuse" or settings.mode == "durable"
        self._dropping = False
        self._pending_since = time.monotonic()  # since when the oldest pending row waits, as far as we know
        self._redacted = spool.current.redacted
        self._sampled = settings.sample < 1.0
        self._threshold = int(settings.sample * 2**32)
        self.dropped: dict[str, int] = {}
        for drop in spool.ledger.pending:
            self.dropped[drop.reason] = self.dropped.get(drop.reason, 0) + drop.rows
        self._writer.progress.seq = spool.segments[0].first_seq - 1
        if registry is not None:
            registry.register(RecorderCollector(self))

    @classmethod
    def open(
        cls,
        settings: RecorderSettings,
        identity: Identity,
        baseline: Baseline | None = None,
        registry: CollectorRegistry | None = None,
    ) -> "Recorder":
        """Takes the spool's folder. Raises SpoolUnusable with a sentence when that is impossible."""
        places = [place for place, name in enumerate(settings.feature_names) if name in set(settings.redact)]
        try:
            spool = Spool(settings.spool_dir, settings.spool_bytes, identity, baseline, places)
        except OSError as error:
            raise SpoolUnusable(
                f"the spool in {settings.spool_dir} cannot be opened: {error}. "
                "Is the volume full, or its content damaged? DRIFTLEAD_SPOOL_DIR names another"
            ) from error
        return cls(spool, settings, registry)

    @property
    def last_seq(self) -> int:
        """The sequence number of the newest row."""
        return self._spool.next_seq - 1

    @property
    def pending(self) -> int:
        """Rows in the spool that are not yet known to be committed."""
        seq = self._writer.progress.seq
        dropped = sum(drop.rows for drop in self._spool.ledger.pending if drop.first_seq > seq)
        return max(0, self.last_seq - seq - dropped)

    def append(self, rows: Sequence[Row], mark: Mark = Mark.NONE) -> int:
        """Puts rows into the spool, by one write; returns the last sequence number.

        When this returns, the rows survive the end of this process. Raises SpoolFull in mode refuse;
        otherwise rows that do not fit are counted, noted in the ledger, and dropped. Raises ValueError for
        a NaN prediction.
        """
        if self._redacted:
            rows = [self._without_redacted(row) for row in rows]
        if not self._sampled:
            return self._append_logged(rows, mark)
        chosen = [self._is_sampled(row.request_id) for row in rows]
        counted = [row for row, is_logged in zip(rows, chosen, strict=True) if not is_logged]
        if counted:
            self._write_unnumbered(self._framed(Kind.COUNTED, counted, mark), len(counted))
        logged = [row for row, is_logged in zip(rows, chosen, strict=True) if is_logged]
        return self._append_logged(logged, mark) if logged else self.last_seq

    def count_status(self, status_class: int, latency_ms: float) -> None:
        """Counts a failed request: `status_class` is 4 or 5. It stands in the histograms only."""
        payload = frames.FAILED.pack(time.time(), status_class, latency_ms)
        self._write_unnumbered([frames.header(Kind.FAILED, self._spool.next_seq, 1, payload), payload], 0)

    def count_forwarded(self, version: str, deployment: str, status_class: int, latency_ms: float) -> None:
        """Counts what became of a request that a canary was asked; it stands in the canary's histograms."""
        payload = frames.forwarded(time.time(), status_class, latency_ms, version, deployment)
        self._write_unnumbered([frames.header(Kind.FORWARDED, self._spool.next_seq, 1, payload), payload], 0)

    async def durable(self, seq: int) -> None:
        """Returns once every row up to `seq` is committed (or rejected, which is committed too).

        Whoever waits no longer is forgotten: a database that is unreachable for hours fills no memory.
        """
        if seq <= self._writer.progress.seq:
            return
        waiter = (seq, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._writer.wake()
        try:
            await waiter[1]
        finally:
            if not waiter[1].done() or waiter[1].cancelled():
                with suppress(ValueError):  # who gives up first waited longest, so it is found at once
                    self._waiting.remove(waiter)

    async def start(self) -> None:
        """Begins to deliver."""
        if self._task is None:
            self._task = asyncio.create_task(self._writer.run(), name="prediction log")
            self._task.add_done_callback(self._ended)

    async def drain(self, seconds: float) -> None:
        """Delivers what is left, for half the time at most when there is a store that takes the rest.

        Call it when no more rows come. Whatever remains stays in the folder; afterwards the recorder is
        closed.
        """
        deadline = time.monotonic() + seconds
        store = self._settings.store
        await self.start()
        assert self._task is not None  # noqa: S101 - it was just made
        self._writer.finish()
        await asyncio.wait([self._task], timeout=seconds if store is None else seconds / 2)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if store is not None and self._undelivered():
            await self._upload_segments(store, deadline)
        if self._undelivered():
            log.error(
                "rows stay in the spool, undelivered", rows=self.pending, folder=str(self._spool.folder),
                error=self._writer.progress.error,
            )  # fmt: skip
        for _, future in list(self._waiting):
            future.cancel()
        await self._writer.close()
        self._spool.close()

    def health(self) -> dict[str, object]:
        """The part `log` of /health."""
        done = self._writer.progress
        return {
            "mode": self._settings.mode,
            "last_seq": self.last_seq,
            "pending": self.pending,
            "lag_seconds": round(self.lag_seconds, 3),
            "dropped": sum(self.dropped.values()),
            "spool_bytes": self._spool.size,
            "spool_limit_bytes": self._spool.limit,
            "delivered_seq": done.seq,
            "rejected": done.rejected,
            "corrupt_bytes": done.corrupt_bytes,
            "error": done.error,
        }

    @property
    def lag_seconds(self) -> float:
        """How long the oldest row that is not committed has been waiting."""
        return time.monotonic() - self._pending_since if self.pending else 0.0

    @property
    def spool(self) -> Spool:
        return self._spool

    @property
    def writer(self) -> Writer:
        return self._writer

    def _append_logged(self, rows: Sequence[Row], mark: Mark) -> int:
        spool, first, count = self._spool, self._spool.next_seq, len(rows)
        if first - 1 <= self._writer.progress.seq:
            self._pending_since = time.monotonic()
        try:
            if self._dropping and spool.size > DROPPING_UNTIL * spool.limit:
                raise NoSpace("spool-full", f"the spool {spool.folder} was full and is not yet emptied")
            spool.write(self._framed(Kind.ROWS, rows, mark))
        except NoSpace as full:
            if self._refuse:
                raise SpoolFull(f"{full}; {self.pending} rows wait for the database") from full
            self._drop(first, count, full)
        else:
            self._dropping = False
        spool.next_seq = first + count
        return first + count - 1

    def _framed(self, kind: Kind, rows: Sequence[Row], mark: Mark) -> list[bytes]:
        """Frames of at most MAX_ROWS rows."""
        first, buffers = self._spool.next_seq, []
        for place in range(0, len(rows), frames.MAX_ROWS):
            part = rows[place : place + frames.MAX_ROWS]
            seq = first + place if kind == Kind.ROWS else first
            payload = row_tuples.payload(part, seq)
            buffers += [frames.header(kind, seq, len(part), payload, mark), payload]
        return buffers

    def _write_unnumbered(self, buffers: list[bytes], rows: int) -> None:
        """Writes what counts only in histograms; without space it is forgotten and counted."""
        try:
            self._spool.write(buffers)
        except NoSpace:
            self.dropped["uncounted"] = self.dropped.get("uncounted", 0) + max(rows, 1)

    def _drop(self, first: int, count: int, full: NoSpace) -> None:
        if not self._dropping:
            log.error("predictions are answered but not logged", reason=full.reason, detail=str(full))
        self._dropping = True
        self._spool.ledger.add(first, count, full.reason, time.time())
        self.dropped[full.reason] = self.dropped.get(full.reason, 0) + count

    def _is_sampled(self, request_id: str) -> bool:
        """By the request's id, so that all rows of a request share their fate, in every pod."""
        return zlib.crc32(request_id.encode()) < self._threshold

    def _without_redacted(self, row: Row) -> Row:
        features, packed = row_tuples.redacted(row.features_json, row.features_f32, self._redacted)
        return msgspec.structs.replace(row, features_json=features, features_f32=packed)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The writer never ends by itself; should it, health says so rather than nothing."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._writer.progress.error = f"the writer ended: {error!r}"
            log.error("the writer of the prediction log ended", exc_info=error)

    def _settle(self, seq: int) -> None:
        """Everything up to `seq` is committed."""
        last_ts = self._writer.progress.last_ts
        if last_ts is not None and self.pending:
            waited = max(0.0, time.time() - last_ts)
            self._pending_since = max(self._pending_since, time.monotonic() - waited)
        while self._waiting and self._waiting[0][0] <= seq:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)

    def _undelivered(self) -> bool:
        return self._spool.holds(self._writer.progress.floor)

    async def _upload_segments(self, store: Store, deadline: float) -> None:
        """Puts the undelivered segments into the store, oldest first, until the time is over."""
        previous, seq = self._writer.progress.floor, self._writer.progress.seq
        drops = tuple(self._spool.ledger.pending)
        for source, start, first_seq, content in self._spool.contents(previous):
            segment = Segment(source, previous, start, max(seq, first_seq - 1), content, drops)
            try:
                async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                    await asyncio.to_thread(upload_segment, store, segment)
            except (StoreUnreachable, TimeoutError) as error:
                log.error("the rest of the spool cannot be uploaded", error=str(error) or "no time left")
                return
            log.info("segment uploaded", key=key_of(segment), bytes=len(content))
            previous, drops = segment.end, ()
            self._writer.progress.floor = segment.end
