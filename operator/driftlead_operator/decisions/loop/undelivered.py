"""Rows that may have gone with a pod: told once, shown for a day, and never more than a sentence can hold.

A pod that must go delivers its log or hands it over, and ends with exit code 0. One that vanishes otherwise,
with its node for example, takes at most what its last answer at /health called pending.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts, Undelivered
from driftlead_operator.decisions.reasons import EventReason

SHOWN = timedelta(days=1)
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LossDecision:
    """The losses that status shows, what is new of them, and when the oldest is shown no longer."""

    status: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Event] = ()
    again_at: datetime | None = None


def decide(facts: Facts) -> LossDecision:
    """Adds what was seen to what is shown already, newest first, and drops what is older than a day."""
    before = objects.items(objects.dig(facts.resource, "status", "undelivered"))
    known = {each.get("pod") for each in before}
    new = [each for each in facts.undelivered if each.pod not in known and facts.now - each.at < SHOWN]
    told = [{"pod": each.pod, "rows": each.rows, "at": objects.stamp(each.at)} for each in new]
    fresh = [each for each in (*told, *before) if _ends(each) > facts.now]
    shown = sorted(fresh, key=lambda each: str(each.get("at")), reverse=True)[:MOST]
    return LossDecision(
        status=shown,
        events=[
            Event(reason=EventReason.ROWS_UNDELIVERED, message=words(each), type="Warning") for each in told
        ],
        again_at=min((_ends(each) for each in shown), default=None),
    )


def _ends(entry: Mapping[str, Any]) -> datetime:
    at = objects.moment(entry.get("at")) or datetime.fromtimestamp(0, tz=UTC)
    return at + SHOWN


def words(entry: Mapping[str, Any]) -> str:
    """One loss in words."""
    rows, pod, at = (entry.get(key) for key in ("rows", "pod", "at"))
    return f"up to {rows} undelivered rows of pod {pod} went with it at {at}"


def of_answer(pod: str, answer: Mapping[str, Any], at: datetime) -> Undelivered | None:
    """What a pod that vanished may have taken with it, by its last answer at /health."""
    rows = objects.whole(objects.dig(answer, "log", "pending"))
    return Undelivered(pod=pod, rows=rows, at=at) if rows > 0 else None


def drained(pod: Mapping[str, Any]) -> bool:
    """Whether the server has ended by itself with its log delivered or handed over: exit code 0."""
    statuses = objects.items(objects.dig(pod, "status", "containerStatuses"))
    server = next((each for each in statuses if each.get("name") == names.SERVER), {})
    terminated = objects.mapping(objects.dig(server, "state", "terminated"))
    return bool(terminated) and terminated.get("exitCode") == 0
