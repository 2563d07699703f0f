"""Promotions that the operator tells the registry, each once: by a pin that changed, or by annotation.

An intent is saved in status with what the registry said at that time, before the registry is written. It is
acted upon only as long as the registry still says that; a move by a person in between wins. Without a status
(a new resource, a restored one, one whose status was wiped) nothing is ever written: what is found is taken
for what was already so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from driftlead_operator import objects
from driftlead_operator.facts import Event, Facts, RegistryWrite
from driftlead_operator.reasons import Happening
from driftlead_operator.spec import Spec
from driftlead_operator.targets import Target, find

# Times in status are cut to whole seconds.
ONE_SECOND = timedelta(seconds=1)
PROMOTE = "driftlead.dev/promote"
PENDING, WRITTEN, SUPERSEDED, FORBIDDEN, STALE = "Pending", "Written", "Superseded", "Forbidden", "Stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What is remembered of pins and promotions, and what is to be told now."""

    pin: Mapping[str, Any] | None = None
    record: Mapping[str, Any] | None = None
    handled: str | None = None
    writes: Sequence[RegistryWrite] = ()
    events: Sequence[Event] = ()
    message: str = ""


def decide(facts: Facts, spec: Spec, target: Target) -> Promotion:
    """What becomes of the pin, of the annotation, and of what is still to be told."""
    status = objects.mapping(facts.resource.get("status"))
    before = Promotion(
        pin=objects.dig(status, "prod", "pin"),
        record=status.get("promotion"),
        handled=objects.dig(status, "handled", "promote"),
    )
    if (
        spec.suspend
        or facts.registry.asked is None
        or not facts.registry.declared
        or not facts.registry.namespace_allowed
    ):
        return before
    after = _annotated(_pinned(before, facts, spec, target), facts, spec, target)
    return _told(after, facts, spec, target)


def _intent(facts: Facts, version: str, by: str, target: Target, outcome: str) -> dict[str, Any]:
    return {
        "version": version,
        "from": target.followed or "",
        "by": by,
        "outcome": outcome,
        "at": objects.stamp(facts.now),
    }


def _forbidden(facts: Facts, version: str, spec: Spec) -> tuple[str, Event]:
    words = (
        f"registry {facts.registry.name} is declared with allowWrite: false, so it is not told that "
        f"version {version} of "
        f"{spec.model} is promoted; move it there yourself"
    )
    return words, Event(reason=Happening.PROMOTION_FORBIDDEN, message=words, type="Warning")


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
        words, event = _forbidden(facts, version, spec)
        record = _intent(facts, version, by, target, FORBIDDEN)
        return replace(before, record=record, events=(*before.events, event), message=words)
    words = (
        f"version {version} of {spec.model} is to be promoted to {spec.prod.followed} in registry "
        f"{facts.registry.name}"
    )
    event = Event(reason=Happening.PROMOTION_PENDING, message=words)
    record = _intent(facts, version, by, target, PENDING)
    return replace(before, record=record, events=(*before.events, event))


def _annotated(before: Promotion, facts: Facts, spec: Spec, target: Target) -> Promotion:
    asked = objects.annotations(facts.resource).get(PROMOTE)
    if not asked or asked == before.handled:
        return before
    after = replace(before, handled=str(asked))
    if not objects.dig(facts.resource, "status", "observedGeneration"):
        return after  # an annotation that came with the manifest is no wish of now
    wrong = _why_stale(str(asked), facts, spec, target)
    if wrong:
        event = Event(reason=Happening.PROMOTION_STALE, message=wrong, type="Warning")
        return replace(
            after,
            record=_intent(facts, str(asked)[:12], "annotation", target, STALE),
            events=(*before.events, event),
        )
    return _intend(after, facts, spec, target, version=str(asked), by="annotation")


def _why_stale(asked: str, facts: Facts, spec: Spec, target: Target) -> str:
    if find(facts.registry, asked) is None:
        return (
            f"annotation {PROMOTE} asks for version {asked[:40]!r}, which {spec.model} does not have in "
            f"registry {facts.registry.name}"
        )
    if not spec.prod.followed:
        return (
            f"annotation {PROMOTE} asks for version {asked}, but prod follows neither a stage nor an alias; "
            "change spec.prod.version instead"
        )
    if target.followed == asked:
        return f"annotation {PROMOTE} asks for version {asked}, which is {spec.prod.followed} already"
    return ""


def _told(before: Promotion, facts: Facts, spec: Spec, target: Target) -> Promotion:
    """What becomes of an intent, by what the registry says now."""
    record = before.record
    if objects.dig(record, "outcome") != PENDING or record is None:
        return before
    version, followed = str(record.get("version")), target.followed or ""
    if followed == version:
        return _concluded(
            before,
            WRITTEN,
            Happening.PROMOTED,
            f"{spec.prod.followed} of {spec.model} is version {version} now",
        )
    if followed != (record.get("from") or "") or (record.get("by") == "pin" and spec.prod.version != version):
        words = (
            f"{spec.prod.followed} of {spec.model} moved to {followed or 'nothing'} meanwhile, so version "
            f"{version} is not promoted"
        )
        return _concluded(before, SUPERSEDED, Happening.PROMOTION_SUPERSEDED, words, warn=True)
    refused = "" if _is_new(record, facts) else facts.registry.write_refused
    if not facts.registry.allow_write or refused:
        words, event = _forbidden(facts, version, spec)
        if refused:
            words = f"registry {facts.registry.name} refused the promotion of version {version}: {refused}"
            event = replace(event, message=words)
        return replace(
            before, record={**record, "outcome": FORBIDDEN}, events=(*before.events, event), message=words
        )
    return _tell(before, facts, spec, version)


def _is_new(record: Mapping[str, Any], facts: Facts) -> bool:
    return record != objects.mapping(objects.dig(facts.resource, "status", "promotion"))


def _tell(before: Promotion, facts: Facts, spec: Spec, version: str) -> Promotion:
    """Tells the registry now, unless it was told and has not been asked since."""
    record = objects.mapping(before.record)
    told_at, asked = objects.moment(record.get("at")), facts.registry.asked
    answered_since = told_at is None or (asked is not None and asked > told_at + ONE_SECOND)
    if facts.registry.away_since is not None or not (_is_new(record, facts) or answered_since):
        return before
    write = RegistryWrite(model=spec.model, version=version, stage=spec.prod.stage, alias=spec.prod.alias)
    return replace(before, record={**record, "at": objects.stamp(facts.now)}, writes=(write,))


def _concluded(
    before: Promotion, outcome: str, happening: Happening, words: str, *, warn: bool = False
) -> Promotion:
    record = {**objects.mapping(before.record), "outcome": outcome}
    pin = before.pin
    if pin and outcome == WRITTEN and pin.get("version") == record.get("version"):
        pin = {**pin, "written": True}
    event = Event(reason=happening, message=words, type="Warning" if warn else "Normal")
    return replace(before, record=record, pin=pin, events=(*before.events, event))
