"""From what was seen to what is to be done: the whole decision about one resource, at one time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from driftlead_operator.decisions import cron, names, objects
from driftlead_operator.decisions.facts import Deletion, Facts, Manifest, Plan, Ref, StageName
from driftlead_operator.decisions.loop import (
    drift,
    promotion,
    retraining,
    undelivered,
)
from driftlead_operator.decisions.render import apply_diff, manifests
from driftlead_operator.decisions.render.pod_template import Context
from driftlead_operator.decisions.report import checks, status
from driftlead_operator.decisions.report.assessment import Assessment
from driftlead_operator.decisions.spec import Spec, Stage, parse
from driftlead_operator.decisions.stage import (
    abort,
    canary,
    rollout,
    stage_view,
    targets,
)
from driftlead_operator.decisions.stage.rollout import StageDecision
from driftlead_operator.decisions.stage.stage_view import Children
from driftlead_operator.decisions.stage.targets import Target

# While the registry is to be told something, what it says is looked at again soon.
TELL_AGAIN = 10.0
# The answer itself is an event; this is for the case that it gets lost.
ASK_AGAIN = 10.0


def plan(facts: Facts) -> Plan:
    """What to do. Deciding again on what this brings about asks for nothing."""
    if objects.terminating(facts.resource):
        return Plan()
    spec, faults = parse(facts.resource)
    if spec is not None and _is_being_asked(facts):
        return Plan(retry_after=ASK_AGAIN)
    if spec is None:
        wanted = status.of_unreadable(facts.resource, faults, facts.now)
        return Plan(status=_if_new(facts, wanted))
    assessment, writes = _assess(facts, spec, faults)
    ready = checks.readiness(assessment)
    after = status.of(assessment, ready)
    frozen = spec.suspend
    return Plan(
        status=_if_new(facts, after),
        registry_writes=assessment.promotion.writes,
        apply=() if frozen else writes.apply,
        create=() if frozen else assessment.retraining.create,
        delete=() if frozen else writes.delete,
        events=status.events(assessment, ready, after),
        retry_after=_retry_after(assessment),
    )


def _is_being_asked(facts: Facts) -> bool:
    """Whether the registry's first answer is under way: a new operator changes nothing before it is there."""
    registry = facts.registry
    usable = registry.declared and registry.namespace_allowed
    return usable and registry.answered_at is None and registry.unreachable_since is None


def _if_new(facts: Facts, wanted: Mapping[str, object]) -> Mapping[str, object] | None:
    return wanted if wanted != objects.mapping(facts.resource.get("status")) else None


class Writes:
    """The children as wanted against those that are: what to apply and what to delete."""

    def __init__(
        self, children: Children, wanted: Sequence[Manifest], left_alone: set[Ref], refs: set[Ref]
    ) -> None:
        sealed = {objects.ref(each): apply_diff.sealed(each) for each in wanted}
        free = {ref: each for ref, each in sealed.items() if ref not in children.taken}
        self.apply = tuple(
            apply_diff.at_version(each, children.ours.get(ref))
            for ref, each in sorted(free.items())
            if not objects.terminating(children.ours.get(ref))
            and apply_diff.needs_apply(each, children.ours.get(ref))
        )
        self.delete = tuple(
            Deletion(ref=ref, uid=objects.uid(live))
            for ref, live in sorted(children.ours.items())
            if ref in refs - set(sealed) - left_alone and not objects.terminating(live)
        )
        going = {ref for ref in free if objects.terminating(children.ours.get(ref))}
        self.behind = frozenset({objects.ref(each) for each in self.apply} | going)
        self.taken = [ref for ref in children.taken if ref in sealed]


def _assess(facts: Facts, spec: Spec, faults: Sequence[str]) -> tuple[Assessment, Writes]:
    context = Context.of(facts, spec)
    refs = {ref for ref in manifests.child_refs(facts.resource) if ref.kind != "Job"}
    children = stage_view.sort_children(facts, sorted(refs))
    prod = _prod(facts, context, children)
    canary_stage = _canary(facts, context, children, prod)
    wanted = list(_children(facts, context, prod, canary_stage))
    writes = Writes(children, wanted, _left_alone(facts, context), refs)
    found = drift.decide(facts, children.ours.get(Ref("CronJob", names.drift_check(context.name))))
    promoted = promotion.decide(facts, spec, prod.target, serves=prod.serves, aborted=abort.wish(facts, spec))
    assessment = Assessment(
        facts=facts,
        spec=spec,
        faults=faults,
        prod=prod,
        canary=canary_stage,
        behind=writes.behind,
        taken=writes.taken,
        promotion=promoted,
        drift=found,
        retraining=retraining.decide(facts, context, served=prod.served, report=found.status),
        losses=undelivered.decide(facts),
        handled=_handled(facts, spec, promoted.handled),
        stale=abort.events(facts, spec, prod, canary_stage),
    )
    return assessment, writes


def _handled(facts: Facts, spec: Spec, promoted: str | None) -> dict[str, object]:
    before = objects.dig(facts.resource, "status", "handled", "requestedAt")
    asked = objects.annotations(facts.resource).get(names.REQUESTED_AT)
    return objects.without_empty(
        {
            "promote": promoted,
            "requestedAt": before if spec.suspend else asked,
            "abort": abort.handled(facts, spec),
        }
    )


def _asked_again(facts: Facts, spec: Spec) -> bool:
    """Whether a person asks to try again what was given up."""
    asked = objects.annotations(facts.resource).get(names.REQUESTED_AT)
    return (
        bool(asked)
        and not spec.suspend
        and asked != objects.dig(facts.resource, "status", "handled", "requestedAt")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a stage should serve, what it serves, and what was remembered of it."""

    target: Target
    view: stage_view.StageView
    before: Mapping[str, Any]


def _seen(facts: Facts, context: Context, children: Children, stage: StageName) -> Seen:
    before = objects.mapping(objects.dig(facts.resource, "status", stage))
    return Seen(
        target=_target(facts, context.spec.stage(stage), before),
        view=stage_view.view(
            facts, stage, children.ours.get(Ref("Deployment", names.of_stage(context.name, stage)))
        ),
        before=before,
    )


def _target(facts: Facts, block: Stage | None, before: Mapping[str, Any]) -> Target:
    if block is None:
        return Target()
    usable = facts.registry.declared and facts.registry.namespace_allowed
    if usable and facts.registry.answered_at is None:
        return targets.remembered(block, before)
    return targets.resolve(block, facts.registry)


def _prod(facts: Facts, context: Context, children: Children) -> StageDecision:
    """Prod goes to its target; without one what serves goes on serving."""
    seen = _seen(facts, context, children, "prod")
    return _decide(facts, context, seen, seen.target.version or seen.view.version)


def _canary(facts: Facts, context: Context, children: Children, prod: StageDecision) -> StageDecision | None:
    if context.spec.canary is None:
        return None
    seen = _seen(facts, context, children, "canary")
    return _decide(facts, context, seen, canary.wanted(seen.target, seen.view, prod, facts.registry))


def _decide(facts: Facts, context: Context, seen: Seen, wanted: str | None) -> StageDecision:
    rejection = _rejection(facts, context.spec, seen, wanted) if wanted is not None else None
    return rollout.decide(context, seen.target, seen.view, seen.before, wanted=wanted, rejection=rejection)


def _rejection(facts: Facts, spec: Spec, seen: Seen, wanted: str) -> rollout.Rejection | None:
    """Whether the wanted version is given up: by a person, or, where it is the target, by its own end."""
    generation, again = objects.generation(facts.resource), _asked_again(facts, spec)
    wish = abort.wish(facts, spec)
    aborted = abort.decide(
        seen.view, seen.before, wanted=wanted, wish=wish, generation=generation, asked_again=again
    )
    if aborted or wanted != seen.target.version:
        return aborted
    return rollout.reject(seen.view, seen.target, seen.before, generation=generation, asked_again=again)


def _children(
    facts: Facts, context: Context, prod: StageDecision, canary_stage: StageDecision | None
) -> Iterator[Manifest]:
    """Every child as wanted. Services stand as long as their block; the rest needs something to serve."""
    yield manifests.stable_service(context)
    for stage in (prod, canary_stage):
        if stage is None:
            continue
        yield manifests.stage_service(context, stage.name)
        if stage.manifest is not None:
            yield stage.manifest
            yield from filter(None, [manifests.disruption_budget(context, stage.name)])
    if prod.manifest is not None:
        yield from filter(None, [manifests.autoscaler(context)])
    if canary_stage is not None and _is_judged(context, prod, canary_stage):
        yield manifests.judge(context, canary=str(canary_stage.served))
    cronjob = Ref("CronJob", names.drift_check(context.name))
    if context.spec.drift and cronjob not in _left_alone(facts, context):
        yield manifests.drift_cronjob(context, context.spec.drift, version=prod.judged)


def _is_judged(context: Context, prod: StageDecision, canary_stage: StageDecision) -> bool:
    """Whether there are two versions that serve and are logged, to be compared."""
    logged = context.spec.inference.prediction_log.mode != "off"
    both = prod.served is not None and canary_stage.served is not None and canary_stage.manifest is not None
    return both and logged and prod.served != canary_stage.served and canary_stage.block.judge.enabled


def _left_alone(facts: Facts, context: Context) -> set[Ref]:
    """Children that cannot be made as they should be, and so stay as they are."""
    unusable = not (facts.registry.declared and facts.registry.namespace_allowed and context.tracking_uri)
    schedule = context.spec.drift.schedule if context.spec.drift else None
    if schedule is not None and (unusable or cron.fault(schedule)):
        return {Ref("CronJob", names.drift_check(context.name))}
    return set()


def _retry_after(assessment: Assessment) -> float | None:
    """When time alone may change the decision."""
    moments = [assessment.retraining.again_at, assessment.losses.again_at]
    if assessment.spec.inference.image_update == "Rolling" and assessment.prod.outdated:
        opens = rollout.slot_opens(Context.of(assessment.facts, assessment.spec))
        # In its slot and not rolled all the same: something else holds it, and the next round is soon enough.
        moments.append(opens if opens > assessment.facts.now else opens + rollout.ROUND)
    waits = [_until(moment, assessment.facts.now) for moment in moments if moment is not None]
    return min([*waits, *([TELL_AGAIN] if assessment.promotion.again else [])], default=None)


def _until(moment: datetime, now: datetime) -> float:
    return max(1.0, (moment - now).total_seconds())
