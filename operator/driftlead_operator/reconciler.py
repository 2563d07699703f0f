"""Reconciles each key: observe, plan, carry out. The same for every cause.

A reconcile does not know why it was queued. It reads what is true now, decides purely, and carries out what
differs; so events may come late, twice or in any order, and a restart of the operator needs no special path.

The queue gives a key to one worker at a time, so two reconciles of a resource never overlap, while many
resources are worked on at once. A reconcile raises nothing: whatever happens becomes a `Result` and a time to
try again, and the worker goes on with the next key. Only cancellation passes through, and it too gives the
key back. Each reconcile is bounded in time, so that a request that hangs costs one worker one
`reconcile_seconds` and no more.

When a key comes back:

- Something was written: at once, since what was written may make the next step possible, and because the echo
  of our own write is not news to the cache. A plan that never settles would spin like this, so after
  `WRITES_AT_ONCE` writing reconciles in a row it waits longer and longer. One that writes nothing ends the
  row.
- Conflict: the world moved on between observing and writing. The resource is read again right away (the watch
  may be behind), then the key backs off; the first pause is a tenth of a second or two.
- Unreachable: backs off up to two minutes. A 404 counts as this, since it is a namespace or CRD on its way
  out.
- Refused: the API server understood and said no. No sooner than `REFUSED_SECONDS`, unless its words are new:
  then after the usual backoff, so that status soon shows them to the person who must act.
- Lost leadership: no failure of the key, whose count of failures stays as it was.
- Held: its namespace cannot be read, so nothing is decided. It is queued again when its namespace is
  released (`cluster.namespaces`).
- Any other exception is a fault of ours: it is logged with its traceback, and an event says so on the
  resource, once in a row of failures.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

import structlog

from driftlead_operator import metrics
from driftlead_operator.carry_out import CarryOut, Outcome
from driftlead_operator.decisions.facts import Event, Facts, Plan
from driftlead_operator.decisions.memory.status import Memory
from driftlead_operator.decisions.reasons import Condition
from driftlead_operator.errors import (
    ConflictError,
    LostLeadershipError,
    NotFoundError,
    OperatorError,
    UnreachableError,
)
from driftlead_operator.events import Events
from driftlead_operator.kinds import Key
from driftlead_operator.observe import Observer
from driftlead_operator.uncancelled import uncancelled
from driftlead_operator.workqueue import WorkQueue, backoff

log = structlog.get_logger(__name__)

REFUSED_SECONDS = 15.0
"""What the API server refused is tried again no sooner, since a person must change something first."""
LOST_LEADERSHIP_SECONDS = 1.0
WRITES_AT_ONCE = 6
"""Writing reconciles in a row that follow one another at once; a plan that goes on writing is slowed down."""


class Result(StrEnum):
    """How a reconcile ended: the label of `driftlead_operator_reconciles_total`."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    CONFLICT = "conflict"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    LOST_LEADERSHIP = "lost_leadership"
    FAILED = "failed"
    DELETED = "deleted"
    HELD = "held"


class Reconciler:
    """Workers over one queue. `plan` is pure; all that it decides on is in the facts."""

    def __init__(
        self,
        *,
        queue: WorkQueue[Key],
        observer: Observer,
        plan: Callable[[Facts], Plan],
        carry_out: CarryOut,
        events: Events,
        refresh: Callable[[Key], Awaitable[None]],
        is_held: Callable[[str], bool],
        workers: int,
        seconds: float,
    ) -> None:
        self._queue, self._observer, self._plan, self._carry_out = queue, observer, plan, carry_out
        self._events, self._is_held = events, is_held
        self._refresh, self._workers, self._seconds = refresh, workers, seconds
        self._writes_in_a_row: dict[Key, int] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(uncancelled(self._work))

    async def _work(self) -> None:
        while True:
            key, waited = await self._queue.get()
            metrics.REACTION_SECONDS.observe(waited)
            started = time.monotonic()
            try:
                result = await self.reconcile_once(key)
            except asyncio.CancelledError:
                self._queue.add(key)  # whether by a stray one or at the end: the work on it is not finished
                raise
            finally:
                self._queue.done(key)
            metrics.RECONCILES.labels(result).inc()
            metrics.RECONCILE_SECONDS.observe(time.monotonic() - started)

    async def reconcile_once(self, key: Key) -> Result:
        """One reconcile, bounded in time, that raises nothing."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._reconcile(key)
        except ConflictError as error:
            log.info("conflict", resource=str(key), seen=str(error))
            await self._refresh_resource(key)
            self._queue.add_failed(key)
            return Result.CONFLICT
        except LostLeadershipError:
            # The key did not fail: it is reconciled again once this process leads again, or is late no more.
            self._queue.add_after(key, LOST_LEADERSHIP_SECONDS)
            return Result.LOST_LEADERSHIP
        except (UnreachableError, NotFoundError, TimeoutError) as error:
            seconds = self._queue.add_failed(key)
            log.warning(
                "cannot finish", resource=str(key), error=str(error) or "too slow", again_in=round(seconds, 1)
            )
            return Result.UNREACHABLE
        except OperatorError as error:
            seconds = self._queue.add_failed(key, at_least=REFUSED_SECONDS)
            log.warning("refused", resource=str(key), error=str(error), again_in=round(seconds, 1))
            return Result.REFUSED
        except Exception as error:
            seconds = self._queue.add_failed(key, at_least=1.0)
            log.exception("reconcile failed", resource=str(key), again_in=round(seconds, 1))
            await self._report_fault(key, error)
            return Result.FAILED

    async def _reconcile(self, key: Key) -> Result:
        if self._is_held(key.namespace):
            self._queue.succeed(key)
            return Result.HELD
        facts = await self._observer.observe(key)
        if facts is None:
            self._observer.forget(key)
            self._writes_in_a_row.pop(key, None)
            self._queue.succeed(key)
            return Result.DELETED
        plan = self._plan(facts)
        notes = self._observer.notes(key)
        known = dict(notes.refused)
        outcome = await self._carry_out(key, facts, plan, notes)
        if outcome.refused:
            # Refused in other words than before: again soon, so that status can show them.
            soon = 0.0 if notes.refused != known else REFUSED_SECONDS
            self._queue.add_failed(key, at_least=soon)
            self._log_decision(key, plan, outcome)
            return Result.REFUSED
        self._queue.succeed(key)
        if plan.retry_after is not None:
            self._queue.add_after(key, plan.retry_after)
        if not outcome.done:
            self._writes_in_a_row.pop(key, None)
            return Result.UNCHANGED
        self._log_decision(key, plan, outcome)
        self._requeue_after_write(key)
        return Result.CHANGED

    def _requeue_after_write(self, key: Key) -> None:
        """Queues the key at once, or later where it has written again and again."""
        row = self._writes_in_a_row[key] = self._writes_in_a_row.get(key, 0) + 1
        if row <= WRITES_AT_ONCE:
            self._queue.add(key)
            return
        seconds = backoff(row - WRITES_AT_ONCE, first=1.0, longest=60.0, jitter=0.5)
        log.warning("does not settle", resource=str(key), reconciles=row, again_in=round(seconds, 1))
        self._queue.add_after(key, seconds)

    def _log_decision(self, key: Key, plan: Plan, outcome: Outcome) -> None:
        """One line for each decision: whose, what was done, and why."""
        ready = Memory.read(plan.status).condition(Condition.READY)
        why = {"status": ready.status, "reason": ready.reason, "message": ready.message} if ready else {}
        events = [event.reason for event in plan.events]
        more = {name: value for name, value in (("events", events), ("refused", outcome.refused)) if value}
        log.info(
            "decided",
            resource=str(key),
            did=outcome.done,
            **{f"ready_{k}": v for k, v in why.items()},
            **more,
        )

    async def _refresh_resource(self, key: Key) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._refresh(key)
        except (OperatorError, TimeoutError) as error:
            log.warning("cannot read the resource again", resource=str(key), error=str(error))

    async def _report_fault(self, key: Key, error: Exception) -> None:
        """Has an event on the resource say that the operator failed, once in a row of failures."""
        if self._queue.failures(key) != 1:
            return
        try:
            async with asyncio.timeout(self._seconds):
                if facts := await self._observer.observe(key):
                    words = f"the operator failed on this: {type(error).__name__}: {error}. Please report it."
                    self._events.post(
                        facts.resource, Event(reason="ReconcileFailed", message=words, type="Warning")
                    )
        except Exception:
            log.exception("cannot report a fault", resource=str(key))
