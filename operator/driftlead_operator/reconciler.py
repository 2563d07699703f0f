"""Reconciles each key: observe, plan, carry out. The same for every cause; no failure ends a worker."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

import structlog

from driftlead_operator import metrics
from driftlead_operator.carry_out import CarryOut, Outcome
from driftlead_operator.decisions.facts import Event, Facts, Plan
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
from driftlead_operator.workqueue import WorkQueue, backoff

log = structlog.get_logger(__name__)

REFUSED_SECONDS = 15.0
"""What the API server refused is tried again no sooner, since a person must change something first."""
LOST_LEADERSHIP_SECONDS = 1.0
PATIENCE = 6
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
        workers: int,
        seconds: float,
    ) -> None:
        self._queue, self._observer, self._plan, self._carry_out = queue, observer, plan, carry_out
        self._events = events
        self._refresh, self._workers, self._seconds = refresh, workers, seconds
        self._streak: dict[Key, int] = {}

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key, waited = await self._queue.get()
            metrics.REACTION_SECONDS.observe(waited)
            started = time.monotonic()
            try:
                result = await self.reconcile_once(key)
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
            await self._look_again(key)
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
            await self._tell(key, error)
            return Result.FAILED

    async def _reconcile(self, key: Key) -> Result:
        facts = await self._observer.observe(key)
        if facts is None:
            self._observer.forget(key)
            self._streak.pop(key, None)
            self._queue.succeed(key)
            return Result.DELETED
        plan = self._plan(facts)
        notes = self._observer.notes(key)
        known = dict(notes.refused)
        outcome = await self._carry_out(key, facts, plan, notes)
        if outcome.refused:
            # Refused in other words than before: at once again, so that status can say it.
            soon = 0.0 if notes.refused != known else REFUSED_SECONDS
            self._queue.add_failed(key, at_least=soon)
            self._say(key, plan, outcome)
            return Result.REFUSED
        self._queue.succeed(key)
        if plan.retry_after is not None:
            self._queue.add_after(key, plan.retry_after)
        if not outcome.done:
            self._streak.pop(key, None)
            return Result.UNCHANGED
        self._say(key, plan, outcome)
        self._again(key)
        return Result.CHANGED

    def _again(self, key: Key) -> None:
        """What was written may make the next step possible."""
        streak = self._streak[key] = self._streak.get(key, 0) + 1
        if streak <= PATIENCE:
            self._queue.add(key)
            return
        seconds = backoff(streak - PATIENCE, first=1.0, longest=60.0, jitter=0.5)
        log.warning("does not settle", resource=str(key), reconciles=streak, again_in=round(seconds, 1))
        self._queue.add_after(key, seconds)

    def _say(self, key: Key, plan: Plan, outcome: Outcome) -> None:
        """One line for each decision: whose, what was done, and why."""
        conditions = {each["type"]: each for each in (plan.status or {}).get("conditions", ())}
        ready = conditions.get("Ready", {})
        why = {name: ready[name] for name in ("status", "reason", "message") if name in ready}
        told = [event.reason for event in plan.events]
        more = {name: value for name, value in (("events", told), ("refused", outcome.refused)) if value}
        log.info(
            "decided",
            resource=str(key),
            did=outcome.done,
            **{f"ready_{k}": v for k, v in why.items()},
            **more,
        )

    async def _look_again(self, key: Key) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._refresh(key)
        except (OperatorError, TimeoutError) as error:
            log.warning("cannot look again", resource=str(key), error=str(error))

    async def _tell(self, key: Key, error: Exception) -> None:
        """A fault of ours is told on the resource too, once in a row."""
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
            log.exception("cannot tell", resource=str(key))
