"""The status of a ModelDeployment as frozen values: what is remembered from one reconcile to the next.

The operator has no other memory than this one, the registry and its children, and anybody may take it away:
restores and re-creation by GitOps bring a resource back without status, people edit it, an older release
wrote it. So reading never raises, takes what has the right type, and calls the rest absent; every decision
must then do no more than try once more (docs/reference/memory.md says what each loss costs). The API server
prunes what the CRD does not know, so nothing is lost by keeping only what is named here.

`Memory.read` is called once for each reconcile and `write` gives the whole status wanted, which is written
only when it differs from the one that was read. Values that say nothing are left out, so that equal memories
write equal mappings. Keys of status are spelled in this file and in the CRD. Times are cut to whole seconds
when they are written; those that nothing is decided by stay text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

from driftlead_formats.summaries import TopFeature
from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Manifest, StageName, Undelivered

_Word = TypeVar("_Word", bound=StrEnum)


class LoadState(StrEnum):
    """How far the wanted version of a stage is."""

    LOADING = "Loading"
    LOADED = "Loaded"
    FAILED_TO_LOAD = "FailedToLoad"
    ABSENT = "Absent"


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
    RUNNING = "Running"
    REGISTERED = "Registered"
    NOT_BETTER = "NotBetter"
    FAILED = "Failed"
    LOST = "Lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMemory:
    """What a stage is to serve: the version, who says so, and the run that made it."""

    version: str = ""
    source: str = ""
    run_id: str = ""

    @classmethod
    def read(cls, value: Any) -> Self:
        """From status."""
        found = objects.mapping(value)
        return cls(
            version=_text(found.get("version")),
            source=_text(found.get("source")),
            run_id=_text(found.get("runID")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"version": self.version, "source": self.source, "runID": self.run_id}
        return objects.without_empty(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """The template to go back to, by its pod-template-hash, and the version that it serves."""

    version: str
    template: str

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no template is named."""
        found = objects.mapping(value)
        template = _text(found.get("template"))
        return cls(version=_text(found.get("version")), template=template) if template else None

    def write(self) -> dict[str, Any]:
        """As status."""
        return {"version": self.version, "template": self.template}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A version given up: for one generation of spec, or, by a person, for every one until a retry."""

    version: str
    generation: int
    aborted: bool = False

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no version is named."""
        found = objects.mapping(value)
        version = _text(found.get("version"))
        if not version:
            return None
        generation = objects.whole(found.get("generation"))
        return cls(version=version, generation=generation, aborted=found.get("aborted") is True)

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"version": self.version, "generation": self.generation}
        return {**fields, "aborted": True} if self.aborted else fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a version failed that was given up: the reason in one word, and the loader's words."""

    version: str
    reason: str
    message: str
    exit_code: int | None = None
    at: str = ""

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no version is named."""
        found = objects.mapping(value)
        version = _text(found.get("version"))
        if not version:
            return None
        return cls(
            version=version,
            reason=_text(found.get("reason")),
            message=_text(found.get("message")),
            exit_code=_number(found.get("exitCode")),
            at=_text(found.get("at")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"version": self.version, "reason": self.reason, "message": self.message}
        return objects.without_empty({**fields, "exitCode": self.exit_code, "at": self.at})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The version to which spec pins prod, since which generation, and whether the registry says the same."""

    version: str
    generation: int
    written: bool

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no version is named."""
        found = objects.mapping(value)
        version = _text(found.get("version"))
        if not version:
            return None
        generation = objects.whole(found.get("generation"))
        return cls(version=version, generation=generation, written=found.get("written") is True)

    def write(self) -> dict[str, Any]:
        """As status."""
        return {"version": self.version, "generation": self.generation, "written": self.written}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMemory:
    """One stage. `version` is what every ready pod serves, None for none; `url`, `display` are for people."""

    target: TargetMemory = TargetMemory()
    version: str | None = None
    display: str = ""
    run_id: str = ""
    replicas: int = 0
    ready_replicas: int = 0
    selector: str = ""
    outdated: bool = False
    load_state: LoadState | None = None
    url: str = ""
    ambiguous: tuple[str, ...] = ()
    last_failure: Failure | None = None
    rejected: Rejected | None = None
    last_good: LastGood | None = None
    pin: Pin | None = None

    @property
    def last_served(self) -> str | None:
        """What the stage serves, or served before its pods fell silent."""
        return self.version or (self.last_good.version or None if self.last_good else None)

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where there is nothing."""
        found = objects.mapping(value)
        if not found:
            return None
        return cls(
            target=TargetMemory.read(found.get("target")),
            version=_text(found.get("version")) or None,
            display=_text(found.get("display")),
            run_id=_text(found.get("runID")),
            replicas=objects.whole(found.get("replicas")),
            ready_replicas=objects.whole(found.get("readyReplicas")),
            selector=_text(found.get("selector")),
            outdated=found.get("outdated") is True,
            load_state=_word(LoadState, found.get("loadState")),
            url=_text(found.get("url")),
            ambiguous=tuple(filter(None, map(_text, _list(found.get("ambiguous"))))),
            last_failure=Failure.read(found.get("lastFailure")),
            rejected=Rejected.read(found.get("rejected")),
            last_good=LastGood.read(found.get("lastGood")),
            pin=Pin.read(found.get("pin")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        return objects.without_empty(
            {
                "target": self.target.write(),
                "version": self.version,
                "display": self.display,
                "runID": self.run_id,
                "replicas": self.replicas,
                "readyReplicas": self.ready_replicas,
                "selector": self.selector,
                "outdated": self.outdated or None,
                "loadState": self.load_state and str(self.load_state),
                "url": self.url,
                "ambiguous": list(self.ambiguous),
                "lastFailure": self.last_failure and self.last_failure.write(),
                "rejected": self.rejected and self.rejected.write(),
                "lastGood": self.last_good and self.last_good.write(),
                "pin": self.pin and self.pin.write(),
            }
        )


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
        source = _word(PromotionSource, found.get("by"))
        outcome = _word(PromotionOutcome, found.get("outcome"))
        if source is None or outcome is None:
            return None
        return cls(
            version=_text(found.get("version")),
            from_version=_text(found.get("from")),
            source=source,
            outcome=outcome,
            at=_text(found.get("at")),
            told_at=_time(found.get("toldAt")),
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
class DriftMemory:
    """The last check. Figures are None where it left no summary; `display` is its verdict for people."""

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
    display: str = ""

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where there is nothing. A verdict of another release is an error."""
        found = objects.mapping(value)
        if not found:
            return None
        verdict = _text(found.get("verdict"))
        return cls(
            last_run=_time(found.get("lastRunTime")),
            report=_text(found.get("report")),
            version=_text(found.get("version")),
            verdict=_word(DriftVerdict, verdict) or (DriftVerdict.ERROR if verdict else None),
            exit_code=_number(found.get("exitCode")),
            consecutive=_number(found.get("consecutive")),
            rows=_number(found.get("rows")),
            message=_text(found.get("message")),
            report_uri=_text(found.get("reportURI")),
            top_features=tuple(map(_read_feature, objects.items(found.get("topFeatures")))),
            independence_assumed=found.get("independenceAssumed") is True,
            display=_text(found.get("display")),
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
                "display": self.display,
            }
        )


def _read_feature(found: Mapping[str, Any]) -> TopFeature:
    name, value, low, high = (_text(found.get(key)) for key in ("name", "psi", "low", "high"))
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
        state = _text(found.get("lastResult"))
        return cls(
            last_job=_text(found.get("lastJob")),
            last_report=_text(found.get("lastReport")),
            state=_word(RetrainingState, state) or (RetrainingState.FAILED if state else None),
            last_version=_text(found.get("lastVersion")),
            message=_text(found.get("message")),
            started_at=_time(found.get("startedAt")),
            day=_text(found.get("day")),
            attempts_today=objects.whole(found.get("attemptsToday")),
            not_before=_time(found.get("notBefore")),
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
                "startedAt": self.started_at and objects.stamp(self.started_at),
                "day": self.day,
                "attemptsToday": self.attempts_today or None,
                "notBefore": self.not_before and objects.stamp(self.not_before),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """The annotations of people that were acted upon, as they were then; "" for none."""

    promote: str = ""
    requested_at: str = ""
    abort: str = ""

    @classmethod
    def read(cls, value: Any) -> Self:
        """From status."""
        found = objects.mapping(value)
        return cls(
            promote=_text(found.get("promote")),
            requested_at=_text(found.get("requestedAt")),
            abort=_text(found.get("abort")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"promote": self.promote, "requestedAt": self.requested_at, "abort": self.abort}
        return objects.without_empty(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutMemory:
    """Where the rollout of prod stands, for people: a word and a sentence."""

    phase: str
    message: str

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where there is nothing."""
        found = objects.mapping(value)
        phase, message = _text(found.get("phase")), _text(found.get("message"))
        return cls(phase=phase, message=message) if phase else None

    def write(self) -> dict[str, Any]:
        """As status."""
        return {"phase": self.phase, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """That a stage came to serve another version, or gave one up: when, on whose word, on which evidence."""

    at: str
    stage: str
    from_version: str = ""
    to_version: str = ""
    by: str = ""
    evidence: str = ""

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """From status."""
        return cls(
            at=_text(found.get("at")),
            stage=_text(found.get("stage")),
            from_version=_text(found.get("from")),
            to_version=_text(found.get("to")),
            by=_text(found.get("by")),
            evidence=_text(found.get("evidence")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"at": self.at, "stage": self.stage, "from": self.from_version, "to": self.to_version}
        return objects.without_empty({**fields, "by": self.by, "evidence": self.evidence})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCondition:
    """A condition as Kubernetes defines it; the generation is None in what the CRD gives by default."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int | None = None

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """From status."""
        return cls(
            type=_text(found.get("type")),
            status=_text(found.get("status")),
            reason=_text(found.get("reason")),
            message=_text(found.get("message")),
            last_transition_time=_text(found.get("lastTransitionTime")),
            observed_generation=_number(found.get("observedGeneration")),
        )

    def write(self) -> dict[str, Any]:
        """As status; the API server asks for each field but the generation."""
        fields: dict[str, Any] = {"type": self.type, "status": self.status}
        if self.observed_generation is not None:
            fields["observedGeneration"] = self.observed_generation
        fields["reason"], fields["message"] = self.reason, self.message
        fields["lastTransitionTime"] = self.last_transition_time
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The whole status of a resource; without one, nothing at all."""

    observed_generation: int | None = None
    url: str = ""
    prod: StageMemory | None = None
    canary: StageMemory | None = None
    promotion: PromotionRecord | None = None
    drift: DriftMemory | None = None
    retraining: RetrainingMemory | None = None
    undelivered: tuple[Undelivered, ...] = ()
    rollout: RolloutMemory | None = None
    handled: Handled = Handled()
    history: tuple[HistoryEntry, ...] = ()
    conditions: tuple[StatusCondition, ...] = ()

    def stage(self, name: StageName) -> StageMemory:
        """What is remembered of one stage, perhaps nothing."""
        return (self.prod if name == "prod" else self.canary) or StageMemory()

    def condition(self, type_: str) -> StatusCondition | None:
        """The condition of that type."""
        return next((each for each in self.conditions if each.type == type_), None)

    @classmethod
    def read(cls, status: Any) -> Self:
        """From a status, whatever is in there."""
        found = objects.mapping(status)
        return cls(
            observed_generation=_number(found.get("observedGeneration")),
            url=_text(found.get("url")),
            prod=StageMemory.read(found.get("prod")),
            canary=StageMemory.read(found.get("canary")),
            promotion=PromotionRecord.read(found.get("promotion")),
            drift=DriftMemory.read(found.get("drift")),
            retraining=RetrainingMemory.read(found.get("retraining")),
            undelivered=_read_undelivered(found.get("undelivered")),
            rollout=RolloutMemory.read(found.get("rollout")),
            handled=Handled.read(found.get("handled")),
            history=tuple(map(HistoryEntry.read, objects.items(found.get("history")))),
            conditions=tuple(map(StatusCondition.read, objects.items(found.get("conditions")))),
        )

    def write(self) -> dict[str, Any]:
        """The whole status, as it is sent to the API server."""
        return objects.without_empty(
            {
                "observedGeneration": self.observed_generation,
                "url": self.url,
                "prod": self.prod and self.prod.write(),
                "canary": self.canary and self.canary.write(),
                "promotion": self.promotion and self.promotion.write(),
                "drift": self.drift and self.drift.write(),
                "retraining": self.retraining and self.retraining.write(),
                "undelivered": list(map(_write_undelivered, self.undelivered)),
                "rollout": self.rollout and self.rollout.write(),
                "handled": self.handled.write(),
                "history": [each.write() for each in self.history],
                "conditions": [each.write() for each in self.conditions],
            }
        )


def last_job(resource: Manifest) -> str:
    """The last retraining Job that a resource's status names, without reading the rest."""
    return _text(objects.dig(resource, "status", "retraining", "lastJob"))


def _read_undelivered(value: Any) -> tuple[Undelivered, ...]:
    """The losses whose time can be told; the others are older than anything shown."""
    found = [(each, _time(each.get("at"))) for each in objects.items(value)]
    return tuple(
        Undelivered(pod=_text(each.get("pod")), rows=objects.whole(each.get("rows")), at=at)
        for each, at in found
        if at is not None
    )


def _write_undelivered(loss: Undelivered) -> dict[str, Any]:
    return {"pod": loss.pod, "rows": loss.rows, "at": objects.stamp(loss.at)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(words: type[_Word], value: Any) -> _Word | None:
    # The members by value, since to call the enum and catch its error takes ten times as long.
    found = words._value2member_map_.get(value) if isinstance(value, str) else None
    return found if isinstance(found, words) else None


def _time(value: Any) -> datetime | None:
    """A time in UTC and whole seconds, None for what is none or lies at the ends of the calendar."""
    moment = objects.moment(value)
    try:
        return moment and moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
