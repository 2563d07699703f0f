"""A version that a person gives up by annotation, where it is on its way or is the canary.

It is held as a rejected version is, but by every generation of spec: whoever scales prod does not ask for it
again. A newer target or driftlead.dev/requestedAt does. What prod serves on all its pods is not given up,
nor is all that prod has: to leave such a version is to promote another one.
"""

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts
from driftlead_operator.decisions.memory.stages import StageMemory
from driftlead_operator.decisions.memory.status import Handled
from driftlead_operator.decisions.reasons import EventReason
from driftlead_operator.decisions.spec import Spec
from driftlead_operator.decisions.stage.rollout import (
    Rejection,
    StageDecision,
    good_replica_set,
    served_version,
)
from driftlead_operator.decisions.stage.stage_view import StageView


def abort_request(facts: Facts, spec: Spec, handled: Handled) -> str | None:
    """The version that a person asks to give up, and that was not given up for this annotation yet."""
    requested = objects.annotation(facts.resource, names.ABORT)
    return requested if requested and requested != handled.abort and not spec.suspend else None


def decide(
    view: StageView,
    before: StageMemory,
    *,
    wanted: str,
    requested: str | None,
    generation: int,
    retry: bool,
) -> Rejection | None:
    """Whether the version that a stage is to serve is given up by a person, now or before."""
    given_up = Rejection(version=wanted, generation=generation, aborted=True, requested=True)
    if requested == wanted and (view.name == "canary" or _may_leave(view, before, given_up)):
        return given_up
    held = before.rejected
    if retry or held is None or not held.aborted or held.version != wanted:
        return None
    return Rejection(version=wanted, generation=held.generation, aborted=True)


def _may_leave(view: StageView, before: StageMemory, given_up: Rejection) -> bool:
    """Whether prod does not serve the version yet, and does not lose its last pods with it."""
    last_good = before.last_good
    served = served_version(view, given_up.version, before.version)
    if given_up.version in (served, last_good.version if last_good else None):
        return False
    answers = any(pod.version == given_up.version for pod in view.ready)
    return not answers or good_replica_set(view, last_good, given_up) is not None


def events(requested: str | None, *stages: StageDecision | None) -> list[Event]:
    """That a request came to nothing, and why."""
    acted_upon = any(each and each.rejection and each.rejection.requested for each in stages)
    if requested is None or acted_upon:
        return []
    why = _why_not(requested, stages)
    words = f"annotation {names.ABORT} asks to give up version {requested[:40]!r}, {why}"
    return [Event(reason=EventReason.ABORT_STALE, message=words, type="Warning")]


def _why_not(requested: str, stages: tuple[StageDecision | None, ...]) -> str:
    if any(each and each.wanted == requested for each in stages):
        return "which prod serves and has nothing else to serve, or serves on all pods; promote another one"
    return "which is not on its way to prod and is not the canary"
