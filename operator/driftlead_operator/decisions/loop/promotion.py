"""Promotions that the operator tells the registry, each once: by a pin that changed, or by annotation.

A pin is told once its version serves on all pods, so that the registry never names a version as production's
that does not load. An intent is saved in status with what the registry said at that time, before the registry
is written. It is acted upon only as long as the registry still says that; a move by a person in between wins.
Without a status (a new resource, a restored one, one whose status was wiped) nothing is ever written: what is
found is taken for what was already so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts, RegistryWrite
from driftlead_operator.decisions.reasons import EventReason
from driftlead_operator.decisions.spec import Spec
from driftlead_operator.decisions.stage.targets import Target, find

# Times in status are cut to whole seconds.
ONE_SECOND = timedelta(seconds=1)
PENDING, WRITTEN, SUPERSEDED, FORBIDDEN = "Pending", "Written", "Superseded", "Forbidden"
STALE, ABORTED = "Stale", "Aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What is remembered of pins and promotions, and what is to be told now."""

    pin: Mapping[str, Any] | None = None
    record: Mapping[str, Any] | None = None
    handled: str | None = None
    writes: Sequence[RegistryWrite] = ()
    events: Sequence[Event] = ()
    again: bool = False


def decide(
    facts: Facts, spec: Spec, target: Target, *, serves: bool = False, aborted: str | None = None
) -> Promotion:
    """What becomes of the pin, of the annotation, and of what is still to be told.

    `serves` says that prod serves its target on all pods, `aborted` which version a person gives up now.
    """
    status = objects.mapping(facts.resource.get("status"))
    before = Promotion(
        pin=objects.dig(status, "prod", "pin"),
        record=status.get("promotion"),
        handled=objects.dig(status, "handled", "promote"),
    )
    if (
        spec.suspend
        or facts.registry.answered_at is None
        or not facts.registry.declared
        or not facts.registry.namespace_allowed
    ):
        return before
    after = _annotated(_pinned(before, facts, spec, target), facts, spec, target)
    if objects.dig(after.record, "outcome") != PENDING:
        return after
    settled = _settled(after, facts, spec, target, aborted=aborted)
    due = serves or objects.dig(after.record, "by") != "pin"
    return settled or (_tell(after, facts, spec) if due else after)


def _intent(facts: Facts, version: str, by: str, target: Target, outcome: str) -> dict[str, Any]:
    return {
        "version": version,
        "from": target.followed or "",
        "by": by,
        "outcome": outcome,
        "at": objects.stamp(facts.now),
    }


def _forbidden(facts: Facts, version: str, spec: Spec) -> Event:
    words = (
        f"registry {facts.registry.name} is declared with allowWrite: false, so it is not told that "
        f"version {version} of "
        f"{spec.model} is promoted; move it there yourself"
    )
    return Event(reason=EventReason.PROMOTION_FORBIDDEN, message=words, type="Warning")


def _pinned(before: Promotion, facts: Facts, spec: Spec, target: Target) -> Promotion:
    version = spec.prod.version
    if version is None:
        return replace(before, pin=None)
    if objects.dig(before.pin, "version") == version or find(facts.registry, version) is None:
        return before
    told = target.followed == version
    pin = {"version": version, "generation": objects.generation(facts.resource), "written": told}
    if told or not spec.prod.followed or not _has_served(facts):
        return replace(before, pin=pin)
    return _intend(replace(before, pin=pin), facts, spec, target, version=version, by="pin")


def _has_served(facts: Facts) -> bool:
    """Whether this resource served before: only then has a pin *changed*."""
    prod = objects.dig(facts.resource, "status", "prod")
    return bool(objects.dig(prod, "version") or objects.dig(prod, "lastGood"))


def _intend(
    before: Promotion, facts: Facts, spec: Spec, target: Target, *, version: str, by: str
) -> Promotion:
    if not facts.registry.allow_write:
        record = _intent(facts, version, by, target, FORBIDDEN)
        return replace(before, record=record, events=(*before.events, _forbidden(facts, version, spec)))
    words = (
        f"version {version} of {spec.model} is to be promoted to {spec.prod.followed} in registry "
        f"{facts.registry.name}{', once it serves on all pods of prod' if by == 'pin' else ''}"
    )
    event = Event(reason=EventReason.PROMOTION_PENDING, message=words)
    record = _intent(facts, version, by, target, PENDING)
    return replace(before, record=record, events=(*before.events, event))


def _annotated(before: Promotion, facts: Facts, spec: Spec, target: Target) -> Promotion:
    asked = objects.annotations(facts.resource).get(names.PROMOTE)
    if not asked or asked == before.handled:
        # Taken away and set again, the same version is another wish.
        return before if asked else replace(before, handled=None)
    after = replace(before, handled=str(asked))
    if not objects.dig(facts.resource, "status", "observedGeneration"):
        return after  # an annotation that came with the manifest is no wish of now
    wrong = _why_stale(str(asked), facts, spec, target)
    if wrong:
        event = Event(reason=EventReason.PROMOTION_STALE, message=wrong, type="Warning")
        return replace(
            after,
            record=_intent(facts, str(asked)[:12], "annotation", target, STALE),
            events=(*before.events, event),
        )
    return _intend(after, facts, spec, target, version=str(asked), by="annotation")


def _why_stale(asked: str, facts: Facts, spec: Spec, target: Target) -> str:
    if find(facts.registry, asked) is None:
        return (
            f"annotation {names.PROMOTE} asks for version {asked[:40]!r}, which {spec.model} does not "
            f"have in registry {facts.registry.name}"
        )
    if not spec.prod.followed:
        return (
            f"annotation {names.PROMOTE} asks for version {asked}, but prod follows neither a stage nor an "
            "alias; change spec.prod.version instead"
        )
    if target.followed == asked:
        return f"annotation {names.PROMOTE} asks for version {asked}, which is {spec.prod.followed} already"
    return ""


def _settled(
    before: Promotion, facts: Facts, spec: Spec, target: Target, *, aborted: str | None
) -> Promotion | None:
    """What became of an intent, by what the registry and people say now; None while it is to be told."""
    record = objects.mapping(before.record)
    version, followed, pin = str(record.get("version")), target.followed or "", record.get("by") == "pin"
    if followed == version:
        words = f"{spec.prod.followed} of {spec.model} is version {version} now"
        return _concluded(before, WRITTEN, EventReason.PROMOTED, words)
    if version == aborted and not pin:
        words = f"version {version} of {spec.model} is given up before the registry was told to promote it"
        return _concluded(before, ABORTED, EventReason.PROMOTION_SUPERSEDED, words)
    if followed != (record.get("from") or ""):
        words = (
            f"{spec.prod.followed} of {spec.model} moved to {followed or 'nothing'} meanwhile, so version "
            f"{version} is not promoted"
        )
        return _concluded(before, SUPERSEDED, EventReason.PROMOTION_SUPERSEDED, words, warn=True)
    if pin and spec.prod.version != version:
        words = f"spec pins prod to version {version} no longer, so it is not promoted"
        return _concluded(before, SUPERSEDED, EventReason.PROMOTION_SUPERSEDED, words)
    return None


def _tell(before: Promotion, facts: Facts, spec: Spec) -> Promotion:
    """Tells the registry now, unless it was told and has not been asked since, or must not be told."""
    record, registry = objects.mapping(before.record), facts.registry
    version, told_at = str(record.get("version")), objects.moment(record.get("toldAt"))
    refused = registry.write_refused if told_at else ""
    if refused or not registry.allow_write:
        event = _forbidden(facts, version, spec)
        if refused:
            words = f"registry {registry.name} refused the promotion of version {version}: {refused}"
            event = replace(event, message=words)
        return replace(before, record={**record, "outcome": FORBIDDEN}, events=(*before.events, event))
    answered_since = told_at is None or (
        registry.answered_at is not None and registry.answered_at > told_at + ONE_SECOND
    )
    if registry.unreachable_since is not None or not answered_since:
        return replace(before, again=True)
    write = RegistryWrite(model=spec.model, version=version, stage=spec.prod.stage, alias=spec.prod.alias)
    told = {**record, "toldAt": objects.stamp(facts.now)}
    return replace(before, record=told, writes=(write,), again=True)


def _concluded(
    before: Promotion, outcome: str, reason: EventReason, words: str, *, warn: bool = False
) -> Promotion:
    record = {**objects.mapping(before.record), "outcome": outcome}
    pin = before.pin
    if pin and outcome == WRITTEN and pin.get("version") == record.get("version"):
        pin = {**pin, "written": True}
    event = Event(reason=reason, message=words, type="Warning" if warn else "Normal")
    return replace(before, record=record, pin=pin, events=(*before.events, event))
