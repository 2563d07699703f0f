"""A version that a person gives up by annotation, where it is on its way or is the canary.

It is held as a rejected version is, but by every generation of spec: whoever scales prod does not ask for it
again. A newer target or driftlead.dev/requestedAt does. What prod serves on all its pods is not given up,
nor is all that prod has: to leave such a version is to promote another one.
"""

from collections.abc import Mapping
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts
from driftlead_operator.decisions.reasons import EventReason
from driftlead_operator.decisions.spec import Spec
from driftlead_operator.decisions.stage.rollout import (
    Rejection,
    StageDecision,
    good_replica_set,
    served_version,
)
from driftlead_operator.decisions.stage.stage_view import StageView


def wish(facts: Facts, spec: Spec) -> str | None:
    """The version that a person asks to give up, and that was not given up for this annotation yet."""
    asked = objects.annotations(facts.resource).get(names.ABORT)
    handled = objects.dig(facts.resource, "status", "handled", "abort")
    return str(asked) if asked and asked != handled and not spec.suspend else None


def handled(facts: Facts, spec: Spec) -> str | None:
    """The annotation that status echoes. Taking it away and setting it again is another wish."""
    before = objects.dig(facts.resource, "status", "handled", "abort")
    return before if spec.suspend else objects.annotations(facts.resource).get(names.ABORT)


def decide(
    view: StageView,
    before: Mapping[str, Any],
    *,
    wanted: str,
    wish: str | None,
    generation: int,
    asked_again: bool,
) -> Rejection | None:
    """Whether the version that a stage is to serve is given up by a person, now or before."""
    given_up = Rejection(version=wanted, generation=generation, aborted=True, heard=True)
    if wish == wanted and (view.name == "canary" or _may_leave(view, before, given_up)):
        return given_up
    held = objects.mapping(before.get("rejected"))
    if asked_again or not held.get("aborted") or held.get("version") != wanted:
        return None
    return Rejection(version=wanted, generation=objects.whole(held.get("generation")), aborted=True)


def _may_leave(view: StageView, before: Mapping[str, Any], given_up: Rejection) -> bool:
    """Whether prod does not serve the version yet, and does not lose its last pods with it."""
    last_good = objects.mapping(before.get("lastGood"))
    served = served_version(view, given_up.version, objects.dig(before, "version"))
    if given_up.version in (served, last_good.get("version")):
        return False
    answers = any(pod.version == given_up.version for pod in view.ready)
    return not answers or good_replica_set(view, last_good, given_up) is not None


def events(facts: Facts, spec: Spec, *stages: StageDecision | None) -> list[Event]:
    """That a wish came to nothing, and why."""
    asked = wish(facts, spec)
    if asked is None or any(each and each.rejection and each.rejection.heard for each in stages):
        return []
    words = f"annotation {names.ABORT} asks to give up version {asked[:40]!r}, {_why_not(asked, stages)}"
    return [Event(reason=EventReason.ABORT_STALE, message=words, type="Warning")]


def _why_not(asked: str, stages: tuple[StageDecision | None, ...]) -> str:
    if any(each and each.wanted == asked for each in stages):
        return "which prod serves and has nothing else to serve, or serves on all pods; promote another one"
    return "which is not on its way to prod and is not the canary"
