"""What is remembered of the loop beyond serving: promotions, checks, retrainings, rows that were lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from driftlead_formats.summaries import TopFeature
from driftlead_formats.untrusted import word
from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Undelivered
from driftlead_operator.decisions.memory.values import number, text, time

# What DriftMemory.display says while no check of the version that serves has given a verdict.
UNCHECKED = "unchecked"


class PromotionOutcome(StrEnum):
    """What became of a promotion that the registry was to be told of."""

    PENDING = "Pending"
    WRITTEN = "Written"
    SUPERSEDED = "Superseded"
    FORBIDDEN = "Forbidden"
    STALE = "Stale"
    ABORTED = "Aborted"


class PromotionSource(StrEnum):
    """How a person asked for a promotion."""

    ANNOTATION = "annotation"
    PIN = "pin"


class RetrainingState(StrEnum):
    """How far the last retraining is: the results of a Job, and what the operator alone knows of it."""

    STARTING = "Starting"
    PENDING = "Pending"
    RUNNING = "Running"
    REGISTERED = "Registered"
    NOT_BETTER = "NotBetter"
    FAILED = "Failed"
    LOST = "Lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRecord:
    """A promotion that the registry is, or was, to be told of.

    `from_version` is what the registry said when it was asked for, "" for nothing: only while it still says
    so the promotion is told, because a move by a person in between wins.
    """

    version: str
    from_version: str
    source: PromotionSource
    outcome: PromotionOutcome
    at: str
    told_at: datetime | None = None

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where a later release wrote what cannot be understood here."""
        found = objects.mapping(value)
        source = word(PromotionSource, found.get("by"))
        outcome = word(PromotionOutcome, found.get("outcome"))
        if source is None or outcome is None:
            return None
        return cls(
            version=text(found.get("version")),
            from_version=text(found.get("from")),
            source=source,
            outcome=outcome,
            at=text(found.get("at")),
            told_at=time(found.get("toldAt")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {
            "version": self.version,
            "from": self.from_version,
            "by": str(self.source),
            "outcome": str(self.outcome),
            "at": self.at,
        }
        return {**fields, "toldAt": objects.stamp(self.told_at)} if self.told_at else fields


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftCheck:
    """What one check said. Figures are None where it left no summary."""

    last_run: datetime | None = None
    report: str = ""
    version: str = ""
    verdict: DriftVerdict | None = None
    exit_code: int | None = None
    consecutive: int | None = None
    rows: int | None = None
    message: str = ""
    report_uri: str = ""
    top_features: tuple[TopFeature, ...] = ()
    independence_assumed: bool = False

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """From status. A verdict of another release is an error."""
        verdict = text(found.get("verdict"))
        return cls(
            last_run=time(found.get("lastRunTime")),
            report=text(found.get("report")),
            version=text(found.get("version")),
            verdict=word(DriftVerdict, verdict) or (DriftVerdict.ERROR if verdict else None),
            exit_code=number(found.get("exitCode")),
            consecutive=number(found.get("consecutive")),
            rows=number(found.get("rows")),
            message=text(found.get("message")),
            report_uri=text(found.get("reportURI")),
            top_features=tuple(map(_read_feature, objects.items(found.get("topFeatures")))),
            independence_assumed=found.get("independenceAssumed") is True,
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        return objects.without_empty(
            {
                "lastRunTime": self.last_run and objects.stamp(self.last_run),
                "report": self.report,
                "version": self.version,
                "verdict": self.verdict and str(self.verdict),
                "exitCode": self.exit_code,
                "consecutive": self.consecutive,
                "rows": self.rows,
                "message": self.message,
                "reportURI": self.report_uri,
                "topFeatures": list(map(_write_feature, self.top_features)),
                "independenceAssumed": self.independence_assumed or None,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftMemory:
    """The last check, and the verdict that stays beside it where it gave none; `display` is for people.

    A check that failed says nothing of the traffic, so what was said before stands. One that could not tell
    (insufficient) ends an all-clear, but no alarm: too little data is no sign that drift is over.
    """

    last: DriftCheck
    kept: DriftCheck | None = None
    display: str = ""

    @property
    def standing(self) -> DriftCheck:
        """The check whose verdict holds now."""
        if self.kept is None or self.last.verdict is None or self.last.verdict.is_judgement:
            return self.last
        alarm = self.kept.verdict is not None and self.kept.verdict.is_drift
        return self.kept if alarm or self.last.verdict is DriftVerdict.ERROR else self.last

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where there is nothing."""
        found = objects.mapping(value)
        if not found:
            return None
        kept = objects.mapping(found.get("lastVerdict"))
        return cls(
            last=DriftCheck.read(found),
            kept=DriftCheck.read(kept) if kept else None,
            display=text(found.get("display")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        since = self.standing.last_run
        more = {
            "lastVerdict": self.kept and self.kept.write(),
            "lastVerdictTime": since and objects.stamp(since),
            "display": self.display,
        }
        return {**self.last.write(), **objects.without_empty(more)}


def _read_feature(found: Mapping[str, Any]) -> TopFeature:
    name, value, low, high = (text(found.get(key)) for key in ("name", "psi", "low", "high"))
    return TopFeature(name=name, value=value, low=low, high=high)


def _write_feature(feature: TopFeature) -> dict[str, Any]:
    fields = {"name": feature.name, "psi": feature.value, "low": feature.low, "high": feature.high}
    return objects.without_empty(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingMemory:
    """The last retraining, and what limits the next: `attempts_today` count on `day` (UTC, ISO 8601).

    A report that ended before `not_before` starts nothing.
    """

    last_job: str = ""
    last_report: str = ""
    state: RetrainingState | None = None
    last_version: str = ""
    message: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    day: str = ""
    attempts_today: int = 0
    not_before: datetime | None = None

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where there is nothing. A state of another release is a failure."""
        found = objects.mapping(value)
        if not found:
            return None
        state = text(found.get("lastResult"))
        return cls(
            last_job=text(found.get("lastJob")),
            last_report=text(found.get("lastReport")),
            state=word(RetrainingState, state) or (RetrainingState.FAILED if state else None),
            last_version=text(found.get("lastVersion")),
            message=text(found.get("message")),
            created_at=time(found.get("createdAt")),
            started_at=time(found.get("startedAt")),
            day=text(found.get("day")),
            attempts_today=objects.whole(found.get("attemptsToday")),
            not_before=time(found.get("notBefore")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        return objects.without_empty(
            {
                "lastJob": self.last_job,
                "lastReport": self.last_report,
                "lastResult": self.state and str(self.state),
                "lastVersion": self.last_version,
                "message": self.message,
                "createdAt": self.created_at and objects.stamp(self.created_at),
                "startedAt": self.started_at and objects.stamp(self.started_at),
                "day": self.day,
                "attemptsToday": self.attempts_today or None,
                "notBefore": self.not_before and objects.stamp(self.not_before),
            }
        )


def read_undelivered(value: Any) -> tuple[Undelivered, ...]:
    """The losses whose time can be told; the others are older than anything shown."""
    found = [(each, time(each.get("at"))) for each in objects.items(value)]
    return tuple(
        Undelivered(pod=text(each.get("pod")), rows=objects.whole(each.get("rows")), at=at)
        for each, at in found
        if at is not None
    )


def write_undelivered(loss: Undelivered) -> dict[str, Any]:
    """As status."""
    return {"pod": loss.pod, "rows": loss.rows, "at": objects.stamp(loss.at)}
