"""The status of a ModelDeployment as frozen values: what is remembered from one reconcile to the next.

The operator has no other memory than this one, the registry and its children, and anybody may take it away:
restores and re-creation by GitOps bring a resource back without status, people edit it, an older release
wrote it. So reading never raises, takes what has the right type, and calls the rest absent; every decision
must then do no more than try once more (docs/reference/memory.md says what each loss costs). The API server
prunes what the CRD does not know, so nothing is lost by keeping only what is named here.

`Memory.read` is called once for each reconcile and `write` gives the whole status wanted, which is written
only when it differs from the one that was read. Values that say nothing are left out, so that equal memories
write equal mappings. Keys of status are spelled in this package and in the CRD. Times are cut to whole
seconds when they are written; those that nothing is decided by stay text. What there are many of (conditions,
history) is tuples, which are made in a third of the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Manifest, StageName, Undelivered
from driftlead_operator.decisions.memory import loop
from driftlead_operator.decisions.memory.loop import DriftMemory, PromotionRecord, RetrainingMemory
from driftlead_operator.decisions.memory.stages import StageMemory
from driftlead_operator.decisions.memory.values import number, text

_NO_STAGE = StageMemory()


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
            promote=text(found.get("promote")),
            requested_at=text(found.get("requestedAt")),
            abort=text(found.get("abort")),
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
        phase, message = text(found.get("phase")), text(found.get("message"))
        return cls(phase=phase, message=message) if phase else None

    def write(self) -> dict[str, Any]:
        """As status."""
        return {"phase": self.phase, "message": self.message}


class HistoryEntry(NamedTuple):
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
            at=text(found.get("at")),
            stage=text(found.get("stage")),
            from_version=text(found.get("from")),
            to_version=text(found.get("to")),
            by=text(found.get("by")),
            evidence=text(found.get("evidence")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"at": self.at, "stage": self.stage, "from": self.from_version, "to": self.to_version}
        return objects.without_empty({**fields, "by": self.by, "evidence": self.evidence})


class StatusCondition(NamedTuple):
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
            type=text(found.get("type")),
            status=text(found.get("status")),
            reason=text(found.get("reason")),
            message=text(found.get("message")),
            last_transition_time=text(found.get("lastTransitionTime")),
            observed_generation=number(found.get("observedGeneration")),
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
        return (self.prod if name == "prod" else self.canary) or _NO_STAGE

    def condition(self, type_: str) -> StatusCondition | None:
        """The condition of that type."""
        return next((each for each in self.conditions if each.type == type_), None)

    @classmethod
    def read(cls, status: Any) -> Self:
        """From a status, whatever is in there."""
        found = objects.mapping(status)
        return cls(
            observed_generation=number(found.get("observedGeneration")),
            url=text(found.get("url")),
            prod=StageMemory.read(found.get("prod")),
            canary=StageMemory.read(found.get("canary")),
            promotion=PromotionRecord.read(found.get("promotion")),
            drift=DriftMemory.read(found.get("drift")),
            retraining=RetrainingMemory.read(found.get("retraining")),
            undelivered=loop.read_undelivered(found.get("undelivered")),
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
                "undelivered": list(map(loop.write_undelivered, self.undelivered)),
                "rollout": self.rollout and self.rollout.write(),
                "handled": self.handled.write(),
                "history": [each.write() for each in self.history],
                "conditions": [each.write() for each in self.conditions],
            }
        )


def last_job(resource: Manifest) -> str:
    """The last retraining Job that a resource's status names, without reading the rest."""
    return text(objects.dig(resource, "status", "retraining", "lastJob"))
