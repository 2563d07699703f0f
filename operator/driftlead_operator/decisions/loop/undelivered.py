"""Rows that may have gone with a pod: told once, shown for a day, and never more than a sentence can hold.

A pod that must go delivers its log or uploads its segments, and ends with exit code 0. One that vanishes
otherwise, with its node for example, takes at most what its last answer at /health called pending.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from driftlead_formats.exit_codes import ExitCode
from driftlead_operator.decisions import containers, names, objects
from driftlead_operator.decisions.facts import Event, Facts, Undelivered
from driftlead_operator.decisions.reasons import EventReason

SHOWN = timedelta(days=1)
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeliveredDecision:
    """The losses that status shows, what is new of them, and when the oldest is shown no longer."""

    shown: tuple[Undelivered, ...] = ()
    events: Sequence[Event] = ()
    retry_at: datetime | None = None


def decide(facts: Facts, before: Sequence[Undelivered]) -> UndeliveredDecision:
    """Adds what was seen to what is shown already, newest first, and drops what is older than a day."""
    known = {each.pod for each in before}
    new = [each for each in facts.undelivered if each.pod not in known and facts.now - each.at < SHOWN]
    recent = [each for each in (*new, *before) if each.at + SHOWN > facts.now]
    # By whole seconds, which is what status remembers: the order is the same in the next reconcile.
    shown = sorted(recent, key=lambda each: objects.stamp(each.at), reverse=True)[:MOST]
    return UndeliveredDecision(
        shown=tuple(shown),
        events=[
            Event(reason=EventReason.ROWS_UNDELIVERED, message=words(each), type="Warning") for each in new
        ],
        retry_at=min((each.at + SHOWN for each in shown), default=None),
    )


def words(loss: Undelivered) -> str:
    """One loss in words."""
    at = objects.stamp(loss.at)
    return f"up to {loss.rows} undelivered rows of pod {loss.pod} went with it at {at}"


def of_answer(pod: str, answer: Mapping[str, Any], at: datetime) -> Undelivered | None:
    """What a pod that vanished may have taken with it, by its last answer at /health."""
    rows = objects.whole(objects.dig(answer, "log", "pending"))
    return Undelivered(pod=pod, rows=rows, at=at) if rows > 0 else None


def drained(pod: Mapping[str, Any]) -> bool:
    """Whether the server has ended by itself with its log delivered or uploaded: exit code 0."""
    found = containers.termination(pod, names.SERVER)
    return found is not None and found.exit_code == ExitCode.DRAINED
