"""Promotions that the operator tells the registry, each once: by a pin that changed, or by annotation.

The registry and the cluster cannot be written in one transaction, and people move versions in between. So an
intent is saved in status first, with what the registry said at that time, and only then the registry is
written. Killed between the two, the next operator finds the intent and tells it; killed after the write, it
finds that the registry says so already, and concludes. An intent is acted upon only while the registry still
says what it said: a move by a person in between wins, and the promotion is superseded. Whether a write
arrived is read from an answer that was asked for after it; an older answer proves nothing.

A pin is told once its version serves on all pods, so that the registry never names a version as production's
that does not load. An annotation is told at once, because its version cannot serve before the registry names
it. Without a status (a new resource, a restored one, one whose status was wiped) nothing is ever written:
what is found is taken for what was already so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts, RegistryFacts, RegistryWrite
from driftlead_operator.decisions.memory.loop import PromotionOutcome, PromotionRecord, PromotionSource
from driftlead_operator.decisions.memory.stages import Pin
from driftlead_operator.decisions.memory.status import Memory
from driftlead_operator.decisions.reasons import EventReason
from driftlead_operator.decisions.spec import Spec
from driftlead_operator.decisions.stage.targets import Target, find

# Times in status are cut to whole seconds.
ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What is remembered of pins and promotions, and what is to be told now."""

    pin: Pin | None = None
    record: PromotionRecord | None = None
    handled: str = ""
    writes: Sequence[RegistryWrite] = ()
    events: Sequence[Event] = ()
    retry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a promotion is decided by: what is seen, wanted and remembered."""

    facts: Facts
    spec: Spec
    target: Target
    memory: Memory


def decide(
    facts: Facts,
    spec: Spec,
    memory: Memory,
    target: Target,
    *,
    serves: bool = False,
    aborted: str | None = None,
) -> Promotion:
    """What becomes of the pin, of the annotation, and of what is still to be told.

    `serves` says that prod serves its target on all pods, `aborted` which version a person gives up now.
    """
    before = Promotion(pin=memory.stage("prod").pin, record=memory.promotion, handled=memory.handled.promote)
    if (
        spec.suspend
        or facts.registry.answered_at is None
        or not facts.registry.declared
        or not facts.registry.namespace_allowed
    ):
        return before
    request = Request(facts=facts, spec=spec, target=target, memory=memory)
    after = _annotated(_pinned(before, request), request)
    record = after.record
    if record is None or record.outcome is not PromotionOutcome.PENDING:
        return after
    settled = _settled(after, record, request, aborted=aborted)
    due = serves or record.source is not PromotionSource.PIN
    return settled or (_tell(after, record, request) if due else after)


def _intent(
    request: Request, version: str, source: PromotionSource, outcome: PromotionOutcome
) -> PromotionRecord:
    return PromotionRecord(
        version=version,
        from_version=request.target.followed or "",
        source=source,
        outcome=outcome,
        at=objects.stamp(request.facts.now),
    )


def _forbidden(facts: Facts, version: str, spec: Spec) -> Event:
    words = (
        f"registry {facts.registry.name} is declared with allowWrite: false, so it is not told that "
        f"version {version} of "
        f"{spec.model} is promoted; move it there yourself"
    )
    return Event(reason=EventReason.PROMOTION_FORBIDDEN, message=words, type="Warning")


def _pinned(before: Promotion, request: Request) -> Promotion:
    facts, spec, target = request.facts, request.spec, request.target
    version = spec.prod.version
    if version is None:
        return replace(before, pin=None)
    if (before.pin and before.pin.version == version) or find(facts.registry, version) is None:
        return before
    told = target.followed == version
    pinned = Pin(version=version, generation=objects.generation(facts.resource), written=told)
    after = replace(before, pin=pinned)
    # Only where this resource served before has a pin *changed*.
    if told or not spec.prod.followed or not request.memory.stage("prod").last_served:
        return after
    return _intend(after, request, version, PromotionSource.PIN)


def _intend(before: Promotion, request: Request, version: str, source: PromotionSource) -> Promotion:
    facts, spec = request.facts, request.spec
    if not facts.registry.allow_write:
        record = _intent(request, version, source, PromotionOutcome.FORBIDDEN)
        return replace(before, record=record, events=(*before.events, _forbidden(facts, version, spec)))
    later = ", once it serves on all pods of prod" if source is PromotionSource.PIN else ""
    words = (
        f"version {version} of {spec.model} is to be promoted to {spec.prod.followed} in registry "
        f"{facts.registry.name}{later}"
    )
    event = Event(reason=EventReason.PROMOTION_PENDING, message=words)
    record = _intent(request, version, source, PromotionOutcome.PENDING)
    return replace(before, record=record, events=(*before.events, event))


def _annotated(before: Promotion, request: Request) -> Promotion:
    version = objects.annotation(request.facts.resource, names.PROMOTE)
    if not version or version == before.handled:
        # Taken off and set again, the same version is another request.
        return before if version else replace(before, handled="")
    after = replace(before, handled=version)
    wrong = _why_stale(version, request)
    if not request.memory.observed_generation:
        # It came with the manifest, and when it was meant cannot be known: it is not carried out, but told.
        if request.target.followed == version:
            return after
        wrong = wrong or (
            f"annotation {names.PROMOTE} asked for version {version} before the operator saw this resource "
            "for the first time, so it is not carried out; remove the annotation and set it again"
        )
    if wrong:
        event = Event(reason=EventReason.PROMOTION_STALE, message=wrong, type="Warning")
        record = _intent(request, version[:12], PromotionSource.ANNOTATION, PromotionOutcome.STALE)
        return replace(after, record=record, events=(*before.events, event))
    return _intend(after, request, version, PromotionSource.ANNOTATION)


def _why_stale(version: str, request: Request) -> str:
    spec, registry = request.spec, request.facts.registry
    if find(registry, version) is None:
        return (
            f"annotation {names.PROMOTE} asks for version {version[:40]!r}, which {spec.model} does not "
            f"have in registry {registry.name}"
        )
    if not spec.prod.followed:
        return (
            f"annotation {names.PROMOTE} asks for version {version}, but prod follows neither a stage nor an "
            "alias; change spec.prod.version instead"
        )
    if request.target.followed == version:
        return f"annotation {names.PROMOTE} asks for version {version}, which is {spec.prod.followed} already"
    return ""


def _settled(
    before: Promotion, record: PromotionRecord, request: Request, *, aborted: str | None
) -> Promotion | None:
    """What became of an intent, by what the registry and people say now; None while it is to be told."""
    spec, version, followed = request.spec, record.version, request.target.followed or ""
    pin = record.source is PromotionSource.PIN
    if followed == version:
        words = f"{spec.prod.followed} of {spec.model} is version {version} now"
        return _concluded(before, record, PromotionOutcome.WRITTEN, EventReason.PROMOTED, words)
    superseded = EventReason.PROMOTION_SUPERSEDED
    if version == aborted and not pin:
        words = f"version {version} of {spec.model} is given up before the registry was told to promote it"
        return _concluded(before, record, PromotionOutcome.ABORTED, superseded, words)
    if followed != record.from_version:
        words = (
            f"{spec.prod.followed} of {spec.model} moved to {followed or 'nothing'} meanwhile, so version "
            f"{version} is not promoted"
        )
        return _concluded(before, record, PromotionOutcome.SUPERSEDED, superseded, words, warn=True)
    if pin and spec.prod.version != version:
        words = f"spec pins prod to version {version} no longer, so it is not promoted"
        return _concluded(before, record, PromotionOutcome.SUPERSEDED, superseded, words)
    return None


def _tell(before: Promotion, record: PromotionRecord, request: Request) -> Promotion:
    """Tells the registry now, unless it was told and has not answered since, or must not be told."""
    spec, registry = request.spec, request.facts.registry
    refused = registry.write_refused if record.told_at else ""
    if refused or not registry.allow_write:
        event = _forbidden(request.facts, record.version, spec)
        if refused:
            words = f"registry {registry.name} refused the promotion of version {record.version}: {refused}"
            event = replace(event, message=words)
        forbidden = replace(record, outcome=PromotionOutcome.FORBIDDEN)
        return replace(before, record=forbidden, events=(*before.events, event))
    if registry.unreachable_since is not None or not _answered_since(record.told_at, registry):
        return replace(before, retry=True)
    write = RegistryWrite(
        model=spec.model, version=record.version, stage=spec.prod.stage, alias=spec.prod.alias
    )
    told = replace(record, told_at=request.facts.now)
    return replace(before, record=told, writes=(write,), retry=True)


def _answered_since(told_at: datetime | None, registry: RegistryFacts) -> bool:
    if told_at is None:
        return True
    return registry.answered_at is not None and registry.answered_at > told_at + ONE_SECOND


def _concluded(
    before: Promotion,
    record: PromotionRecord,
    outcome: PromotionOutcome,
    reason: EventReason,
    words: str,
    *,
    warn: bool = False,
) -> Promotion:
    pin = before.pin
    if pin and outcome is PromotionOutcome.WRITTEN and pin.version == record.version:
        pin = replace(pin, written=True)
    event = Event(reason=reason, message=words, type="Warning" if warn else "Normal")
    concluded = replace(record, outcome=outcome)
    return replace(before, record=concluded, pin=pin, events=(*before.events, event))
