"""The service between fronts and model: state, request ids, log rows, health. One instance a process.

A row stands in the log's spool before its answer leaves. So an answer that a client has seen survives the end
of this process; the other way round a logged row may never have been read, where the client left meanwhile. A
log that may not lose rows refuses instead: what `append` raises becomes the batch's answer, 503.

In mode `durable` the replies of a batch wait for its commit in a task of their own, while the next batch is
predicted. The event loop keeps only weak references to tasks, so `commits` holds them, and the end of the
process waits for what is left there as long as it may. A commit that takes too long is answered 503, and its
rows are committed later nevertheless: whoever sends the request again makes a further row.

`serving` is None until the model has answered one prediction of its own; it is set once and never replaced,
for a process serves one version. While it drains, the service answers as before: leaving is the front's part.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
import structlog

from driftlead_inference.batching import Batch, Batcher
from driftlead_inference.engines.outputs import Outputs
from driftlead_inference.feedback_store import FeedbackStore
from driftlead_inference.jobs import REQUEST_ID, Job
from driftlead_inference.metrics import Metrics
from driftlead_inference.model.prepared import Prepared, Source
from driftlead_inference.model.served import ServedModel
from driftlead_inference.prediction_log import PredictionLog, dsn_of
from driftlead_inference.problems import NO_TOKEN, NOT_READY, Problem, Refused, no_answer, not_committed
from driftlead_inference.recorder.types import Row
from driftlead_inference.rows.validation import RowValidator
from driftlead_inference.settings import LogMode, Settings
from driftlead_inference.traffic.forwarder import Forwarder
from driftlead_log.frames import Mark

log = structlog.get_logger()


class Serving(ServedModel):
    """A model that answers, with what asks it batch by batch."""

    def __init__(self, known: Prepared, validator: RowValidator, batcher: Batcher, since: str) -> None:
        super().__init__(known, validator, since)
        self.batcher = batcher


class Service:
    """What fronts and protocols ask. `serving` is None until the smoke prediction was answered."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.serving: Serving | None = None
        self.log: PredictionLog | None = None
        self.draining = False
        self.token = settings.requires_token.get_secret_value().encode()
        self.logs = settings.log_mode is not LogMode.OFF
        self.logs_probabilities = self.logs and settings.log_probabilities
        self.durable = settings.log_mode is LogMode.DURABLE
        self.labels = FeedbackStore(dsn_of(settings), settings.log_pooler) if self.logs else None
        self.clock = time.time
        prefix = os.urandom(8).hex()
        self.ids = map(f"{prefix}-{{:x}}".format, count(1))
        self.published: Callable[[Source], None] = lambda source: None
        self.forwarder: Forwarder | None = None  # where the settings name a traffic file
        self.marked = False  # whether any request has met a canary, here or where it came from
        self.commits: set[asyncio.Task[None]] = set()

    def ready(self) -> Serving:
        """The model, or a refusal while there is none."""
        if self.serving is None:
            raise Refused(NOT_READY)
        return self.serving

    def request_id(self, sent: bytes) -> str:
        """The client's own id where it is one, else a new one."""
        return sent.decode() if REQUEST_ID.fullmatch(sent) else next(self.ids)

    def authorize(self, header: bytes) -> None:
        """Holds the bearer token against the setting. Raises `Refused`."""
        if self.token and not same(header, b"Bearer " + self.token):
            raise Refused(NO_TOKEN)

    async def predict(
        self,
        rows: list[list[Any]],
        raws: list[bytes] | None,
        request_id: str,
        *,
        probabilities: bool = False,
        mark: Mark = Mark.NONE,
    ) -> Job:
        """The answered job. Raises `Refused`."""
        batcher = self.ready().batcher
        if mark:
            self.marked = True
        future: asyncio.Future[None] = batcher.loop.create_future()

        # The future does not hold the job, which holds this, which holds the future: a circle for each
        # request is a tenth of the time for the garbage collector, and cold memory for everybody else.
        def done(_: Job) -> None:
            if not future.done():
                future.set_result(None)

        job = Job(rows, raws, request_id, self.clock(), time.perf_counter(), done, probabilities, mark)
        batcher.submit(job)
        await future
        if job.problem is not None:
            raise Refused(job.problem)
        return job

    def answered(self, batch: Batch, outputs: Outputs) -> None:
        """Logs an answered batch, then replies: at once, or in mode `durable` after the commit."""
        jobs = batch.jobs
        if outputs.wrong:
            jobs = [job for job in jobs if not self.wrong(job, outputs)]
        if self.forwarder is not None:
            for job in jobs:
                self.forwarder.latency.observe(job.latency_ms)
        if not self.logs or self.log is None:
            for job in jobs:
                job.done(job)
            return
        classes = self.ready().classes if self.logs_probabilities else ()
        seq = 0
        for mark, together in by_mark(jobs) if self.marked else ((Mark.NONE, jobs),):
            seq = self.log.append(log_rows(batch, together, outputs, classes), mark)
        if not self.durable:
            for job in jobs:
                job.done(job)
            return
        task = asyncio.get_running_loop().create_task(self.after_commit(self.log, seq, jobs))
        self.commits.add(task)
        task.add_done_callback(self.commits.discard)

    async def after_commit(self, prediction_log: PredictionLog, seq: int, jobs: list[Job]) -> None:
        """Replies once the rows are committed, or that they were not in time."""
        seconds = self.settings.durable_seconds
        try:
            async with asyncio.timeout(seconds):
                await prediction_log.durable(seq)
        except TimeoutError:
            for job in jobs:
                job.refuse(not_committed(seconds))
            return
        except Exception as error:
            log.error("the commit that replies waited for failed", exc_info=error)
            for job in jobs:
                job.refuse(Problem(503, "the prediction could not be committed to the log", retry_after=1))
            return
        for job in jobs:
            job.done(job)

    def wrong(self, job: Job, outputs: Outputs) -> bool:
        """Refuses a job with a row whose answer is not a number; such a row is not logged."""
        mine = outputs.wrong.intersection(range(job.start, job.start + len(job.rows)))
        if not mine:
            return False
        job.refuse(no_answer([at - job.start for at in sorted(mine)], overflow=mine <= outputs.infinite))
        return True

    def count(self, route: str, status: int, started: float, *, predicts: bool = True) -> None:
        """Counts an answer; `started` is `perf_counter` at the request's arrival.

        The log's histograms, by which a canary is judged, hold failed predictions alone (`predicts`), and not
        those of requests that a canary was asked: the server that asked it counts these.
        """
        seconds = time.perf_counter() - started
        self.metrics.route(route, status).observe(seconds)
        if predicts and status >= 400 and self.log is not None:
            self.log.count_status(status // 100, seconds * 1e3)

    def health(self) -> dict[str, object]:
        state: dict[str, object] = {"deployment": self.settings.deployment, "stage": self.settings.stage}
        if self.serving is None:
            return {"status": "loading", **state}
        known = self.serving.known
        return {
            "status": "draining" if self.draining else "ok",
            "model_name": known.source.name,
            "model_version": known.source.version,
            "run_id": known.source.run_id,
            "engine": known.engine,
            "engine_reason": known.engine_reason,
            **state,
            "since": self.serving.since,
            "warnings": list(known.warnings),
            "log": self.log.health() if self.log is not None else {"mode": "off"},
            **({} if self.forwarder is None else {"traffic": self.forwarder.health()}),
        }


def by_mark(jobs: list[Job]) -> list[tuple[Mark, list[Job]]]:
    """The jobs, those together that are logged alike."""
    groups = [(mark, [job for job in jobs if job.mark is mark]) for mark in Mark]
    return [(mark, together) for mark, together in groups if together]


def log_rows(batch: Batch, jobs: list[Job], outputs: Outputs, classes: Sequence[str] = ()) -> list[Row]:
    """The log's rows of a batch, in the order of its jobs; `classes`: whose probabilities are logged."""
    packed = batch.packed
    width = len(packed) // len(batch.rows) if packed is not None else 0
    numbers, labels, rest = outputs.numbers, outputs.labels, outputs.rest
    encode = msgspec.json.encode
    if rest is None and classes and outputs.probabilities is not None:
        rest = [
            encode({name: round(share, 6) for name, share in zip(classes, row, strict=True)})
            for row in outputs.probabilities
        ]
    rows = []
    for job in jobs:
        at = job.start
        for index, values in enumerate(job.rows):
            rows.append(
                Row(
                    job.accepted,
                    job.request_id,
                    index,
                    job.latency_ms,
                    encode(values) if job.raws is None else job.raws[index],
                    None if packed is None else packed[at * width : (at + 1) * width],
                    numbers[at],
                    None if labels is None else labels[at],
                    None if rest is None else rest[at],
                )
            )
            at += 1
    return rows


def same(one: bytes, other: bytes) -> bool:
    """Compares secrets in constant time."""
    import hmac  # noqa: PLC0415 - only where a token is set

    return hmac.compare_digest(one, other)


def now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
