"""Micro-batching: what arrives within a few passes of the event loop is predicted together.

There is no timer that anybody waits for. The first request schedules the prediction some passes of the event
loop later. On an idle server those passes have nothing to do, and a batch of one is answered at once; on a
busy one each pass reads requests and writes replies, so batches grow with the load and shrink with it.

Where: `Pace`, measured at load, says how long a batch will take. A short prediction runs in the event loop; a
long one in one worker thread, `busy` meanwhile, and the next batch gathers until it returns. There is never
more than one prediction under way: the model's libraries use the other processors themselves.

Re-entrance: answering a job may submit another one before `finish` returns, because a connection that has
held a pipelined request sends it on as soon as its predecessor is replied to. So `take` empties the queue
before the engine is asked, and whoever ends a batch looks once more whether something waits.

Neighbours: rows that the model must not see are refused before the batch is made. Where the engine raises
nevertheless, each job of the batch is predicted again by itself, in front of the queue: one bad request costs
its neighbours time, never their answer. The bound on waiting rows counts what waits, so a single request that
is larger than the bound still passes on an idle server.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from driftlead_formats.baseline.binning import to_float32
from driftlead_inference.engines.base import Engine, Matrix
from driftlead_inference.engines.outputs import Outputs
from driftlead_inference.jobs import Job
from driftlead_inference.metrics import Metrics
from driftlead_inference.problems import SPOOL_FULL, Problem, Refused, too_many_waiting
from driftlead_inference.recorder.types import SpoolFull
from driftlead_inference.rows.validation import RowValidator

log = structlog.get_logger()
SHORT = 0.004  # seconds; a shorter prediction may hold up the event loop
# By ASGI a request needs a pass for its task behind the one that read it: with one pass, those that are read
# together were predicted in halves, each with its own append to the log.
PASSES = 3


@dataclass(frozen=True)
class Pace:
    """How long the model takes, measured at load: seconds for one row, and for each further one."""

    first: float
    further: float

    def seconds(self, rows: int) -> float:
        """The expected duration of a batch."""
        return self.first + self.further * (rows - 1)


@dataclass(frozen=True)
class Batch:
    """Jobs that are predicted together, and their rows. `packed`: the matrix as little-endian float32; both
    are None where a feature is not a number."""

    jobs: list[Job]
    rows: list[list[Any]]
    matrix: Matrix | None
    packed: bytes | None

    @property
    def probabilities(self) -> bool:
        """Whether any of them asks for probabilities."""
        return any(job.probabilities for job in self.jobs)


class Batcher:
    """Gathers jobs, asks the engine, hands the answered batch to `answered` (which logs and replies)."""

    def __init__(
        self,
        engine: Engine,
        validator: RowValidator,
        pace: Pace,
        metrics: Metrics,
        answered: Callable[[Batch, Outputs], None],
        *,
        batch_rows: int = 256,
        waiting_rows: int = 50_000,
        probabilities: bool = False,
    ) -> None:
        self.engine = engine
        self.validator = validator
        self.pace = pace
        self.metrics = metrics
        self.answered = answered
        self.batch_rows = batch_rows
        self.waiting_rows = waiting_rows
        self.probabilities = probabilities  # of every batch, for the log
        self.numeric = validator.numeric
        self.pending: list[Job] = []
        self.waiting = 0
        self.scheduled = False
        self.busy = False
        self.since = 0.0  # monotonic start of the prediction under way, for the watchdog; 0: none
        self.loop = asyncio.get_running_loop()
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="predict")

    def submit(self, job: Job) -> None:
        """Takes a job; its `done` is called once it is answered. Raises `Refused` when too many rows wait."""
        count = len(job.rows)
        if self.waiting and self.waiting + count > self.waiting_rows:
            raise Refused(too_many_waiting(self.waiting, self.waiting_rows))
        self.waiting += count
        self.pending.append(job)
        if not self.scheduled and not self.busy:
            self.scheduled = True
            self.loop.call_soon(self.linger, PASSES - 1)

    def linger(self, passes: int) -> None:
        """Predicts after `passes` more passes of the event loop."""
        if passes:
            self.loop.call_soon(self.linger, passes - 1)
        else:
            self.flush()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self.pending and not self.busy

    def flush(self) -> None:
        """Predicts what has gathered, up to the cap; what is left goes next."""
        self.scheduled = False
        jobs = self.take()
        if not jobs:
            return
        try:
            batch = self.gather(jobs)
        except Exception as error:
            self.failed(jobs, error)
            batch = None
        if batch is not None:
            if self.pace.seconds(len(batch.rows)) <= SHORT:
                self.finish(batch, self.attempt(batch))
            else:
                self.busy = True
                future = self.loop.run_in_executor(self.worker, self.attempt, batch)
                future.add_done_callback(lambda done: self.returned(batch, done.result()))
        self.schedule_next()

    def schedule_next(self) -> None:
        """Schedules the next batch where something waits."""
        if self.pending and not self.scheduled and not self.busy:
            self.scheduled = True
            self.loop.call_soon(self.flush)

    def take(self) -> list[Job]:
        """The next jobs, together at most `batch_rows` rows, but at least one job."""
        pending = self.pending
        if self.waiting <= self.batch_rows and not (pending and pending[0].alone):
            self.pending, self.waiting = [], 0
            return pending
        count = taken = 0
        for job in pending:
            if taken and (job.alone or count + len(job.rows) > self.batch_rows):
                break
            count += len(job.rows)
            taken += 1
            if job.alone:
                break
        self.waiting -= count
        jobs, self.pending = pending[:taken], pending[taken:]
        return jobs

    def gather(self, jobs: list[Job]) -> Batch | None:
        """One batch of the jobs whose rows the model may see; the others are refused here."""
        rows = list(chain.from_iterable([job.rows for job in jobs]))
        if not self.numeric:
            return Batch(jobs, rows, None, None)
        matrix = np.array(rows, dtype=np.float64)
        packed = self.validator.packed(rows[0]) if len(rows) == 1 else None
        if packed is not None:
            return Batch(jobs, rows, matrix, packed)
        singles = to_float32(matrix)
        if self.validator.usual(matrix, singles):
            return Batch(jobs, rows, matrix, little_endian(singles))
        good = [job for job in jobs if not self.refused(job)]
        if not good:
            return None
        rows = list(chain.from_iterable([job.rows for job in good]))
        matrix = np.array(rows, dtype=np.float64)
        return Batch(good, rows, matrix, little_endian(to_float32(matrix)))

    def refused(self, job: Job) -> bool:
        """Refuses a job with a row that the model must not see."""
        problem = self.problem_of_rows(job.rows)
        if problem is not None:
            job.refuse(problem)
        return problem is not None

    def problem_of_rows(self, rows: list[list[Any]]) -> Problem | None:
        """Why the model must not see the first of these rows that it must not see."""
        if not self.numeric:
            return None
        matrix = np.array(rows, dtype=np.float64)
        if self.validator.usual(matrix, to_float32(matrix)):
            return None
        problems = (
            self.validator.fault(row, index if len(matrix) > 1 else None) for index, row in enumerate(matrix)
        )
        return next((problem for problem in problems if problem is not None), None)

    def attempt(self, batch: Batch) -> Outputs | Exception:
        """The engine's answer, or what it raised; safe in the worker thread."""
        self.since = time.monotonic()
        wanted = self.probabilities or batch.probabilities
        try:
            return self.engine.predict(batch.rows, batch.matrix, probabilities=wanted)
        except Exception as error:
            return error
        finally:
            self.since = 0.0

    def returned(self, batch: Batch, answer: Outputs | Exception) -> None:
        """The worker thread is free again. The next batch is scheduled first: it comes whatever follows."""
        self.busy = False
        if self.pending:
            self.scheduled = True
            self.loop.call_soon(self.flush)
        self.finish(batch, answer)

    def finish(self, batch: Batch, answer: Outputs | Exception) -> None:
        """Counts and hands on; a failed batch of several is predicted again job by job, so that only one
        fails."""
        if isinstance(answer, Exception):
            if len(batch.jobs) == 1:
                self.failed(batch.jobs, answer)
            else:
                self.requeue_alone(batch.jobs)
            return
        self.metrics.predictions += len(batch.rows)
        self.metrics.batches.observe(len(batch.rows))
        now, start = time.perf_counter(), 0
        for job in batch.jobs:
            job.outputs = answer
            job.start = start
            job.latency_ms = (now - job.parsed) * 1e3
            start += len(job.rows)
        try:
            self.answered(batch, answer)
        except Exception as error:
            self.failed(batch.jobs, error)

    def requeue_alone(self, jobs: list[Job]) -> None:
        """Puts jobs in front of the queue again, each to be predicted alone."""
        for job in jobs:
            job.alone = True
            self.waiting += len(job.rows)
        self.pending = [*jobs, *self.pending]
        self.schedule_next()

    def failed(self, jobs: list[Job], error: Exception) -> None:
        """Answers jobs whose prediction or logging raised: the model's own words, never a traceback."""
        for job in jobs:
            job.refuse(problem_of(error))

    def close(self) -> None:
        self.worker.shutdown(wait=False)


def little_endian(singles: NDArray[np.float32]) -> bytes:
    """A matrix as the log holds it."""
    return singles.astype("<f4", copy=False).tobytes()


# What libraries raise for values that they do not know or cannot compute with.
OF_VALUES = (ValueError, TypeError, LookupError, ArithmeticError)


def of_input(error: Exception) -> bool:
    """Whether an exception blames the values of a row. What is not fitted is a ValueError and an
    AttributeError."""
    return isinstance(error, OF_VALUES) and not isinstance(error, AttributeError)


def problem_of(error: Exception) -> Problem:
    """An exception as an answer: what the model refuses is the input's fault, anything else ours."""
    if isinstance(error, Refused):
        return error.problem
    if isinstance(error, SpoolFull):
        return SPOOL_FULL
    if of_input(error):
        return Problem(422, f"the model refuses this input: {first_line(error)}")
    log.error("prediction failed", exc_info=error)
    return Problem(500, f"the model failed: {type(error).__name__}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """An exception's first line, short."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
