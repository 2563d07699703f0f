"""From what was seen to what is to be done: the whole decision about one resource, at one time.

Every reconcile decides everything again from facts and status; there is no step that counts on the one
before. So a plan may be carried out in part, twice, or by an operator that is killed in the middle: the next
one sees what came of it and asks for the rest. Two rules keep that safe. What must not happen twice (a
registry write, a retraining) is saved in status as an intent first, and `Plan` is carried out status first.
And the facts may be old, since caches lag: each write names the version or the uid of the object that it was
decided upon, so that the API server refuses it when the world has moved on, and the resource is reconciled
once more.

A new operator has no answer of the registry yet. It changes nothing before the first one, but for a registry
that does not answer at all: then it goes by the target that status remembers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from driftlead_operator.decisions import cron, names, objects
from driftlead_operator.decisions.facts import Deletion, Facts, Manifest, Plan, Ref
from driftlead_operator.decisions.loop import comparison, drift, promotion, retraining, undelivered
from driftlead_operator.decisions.memory.comparison import ComparisonMemory
from driftlead_operator.decisions.memory.status import Handled, Memory
from driftlead_operator.decisions.reasons import Condition
from driftlead_operator.decisions.render import apply_diff, manifests
from driftlead_operator.decisions.render.foreign_fields import foreign_fields
from driftlead_operator.decisions.render.pod_template import Context
from driftlead_operator.decisions.report import pod_failures, prediction_log, status
from driftlead_operator.decisions.report.assessment import Assessment
from driftlead_operator.decisions.report.ready import READY
from driftlead_operator.decisions.spec import Spec, parse
from driftlead_operator.decisions.stage import abort, rollout, stage_view, stages
from driftlead_operator.decisions.stage.rollout import StageDecision
from driftlead_operator.decisions.stage.stage_view import Children

# Seconds after which the registry's answer is looked at again while it is to be told something.
REGISTRY_WRITE_SECONDS = 10.0
# The registry's first answer is an event; this is for the case that it gets lost.
FIRST_ANSWER_SECONDS = 10.0


def plan(facts: Facts) -> Plan:
    """What to do. Deciding again on what this brings about asks for nothing."""
    if objects.terminating(facts.resource):
        return Plan()
    spec, faults = parse(facts.resource)
    if spec is not None and _awaits_first_answer(facts):
        return Plan(retry_after=FIRST_ANSWER_SECONDS)
    memory = Memory.read(facts.resource.get("status"))
    if spec is None:
        return Plan(status=_if_new(facts, memory, status.of_unreadable(memory, facts, faults)))
    assessment, writes = _assess(facts, spec, faults, memory)
    ready = READY.value(assessment)
    after = status.of(assessment, ready)
    frozen = spec.suspend
    return Plan(
        status=_if_new(facts, memory, after),
        registry_writes=assessment.promotion.writes,
        apply=() if frozen else writes.apply,
        create=() if frozen else assessment.retraining.create,
        delete=() if frozen else writes.delete,
        events=status.events(assessment, ready, after),
        retry_after=_retry_after(assessment),
    )


def _awaits_first_answer(facts: Facts) -> bool:
    """Whether the registry's first answer is under way: a new operator changes nothing before it is there."""
    registry = facts.registry
    usable = registry.declared and registry.namespace_allowed
    return usable and registry.answered_at is None and registry.unreachable_since is None


def _if_new(facts: Facts, before: Memory, after: Memory) -> Mapping[str, Any] | None:
    """The status where it is another one than now; at rest it need not even be written out."""
    if after == before:
        return None
    wanted = after.write()
    return wanted if wanted != objects.mapping(facts.resource.get("status")) else None


class Writes:
    """The children as wanted against those that are: what to apply and what to delete.

    `retained` stay as they are, whatever is wanted; of `refs`, all names that are ours to give, only what is
    wanted or retained stays. A Deployment that nobody could reach, since a stranger has the name of its
    Service, is not created; one that serves stays.
    """

    def __init__(
        self, children: Children, wanted: Sequence[Manifest], retained: set[Ref], refs: Sequence[Ref]
    ) -> None:
        unreachable = manifests.without_service(wanted, children.taken) - children.ours.keys()
        hashed = {objects.ref(each): apply_diff.with_applied_hash(each) for each in wanted}
        free = {ref: each for ref, each in hashed.items() if ref not in children.taken}
        self.apply = tuple(
            apply_diff.at_version(each, children.ours.get(ref))
            for ref, each in sorted(free.items())
            if ref not in unreachable
            and not objects.terminating(children.ours.get(ref))
            and apply_diff.needs_apply(each, children.ours.get(ref))
        )
        self.delete = tuple(
            Deletion(ref=ref, uid=objects.uid(live))
            for ref, live in sorted(children.ours.items())
            if ref in refs and ref not in hashed and ref not in retained and not objects.terminating(live)
        )
        going = {ref for ref in free if objects.terminating(children.ours.get(ref))}
        self.out_of_sync = frozenset({objects.ref(each) for each in self.apply} | going | unreachable)
        self.taken = [ref for ref in children.taken if ref in hashed]
        self.foreign = {
            ref: found
            for ref, each in free.items()
            if ref in children.ours and (found := foreign_fields(children.ours[ref], each))
        }


def _assess(facts: Facts, spec: Spec, faults: Sequence[str], memory: Memory) -> tuple[Assessment, Writes]:
    context = Context.of(facts, spec)
    refs = manifests.fixed_refs(context.name)
    inputs = _inputs(facts, context, memory, refs)
    prod = stages.prod(inputs)
    canary_stage = stages.canary(inputs, prod)
    retained = _retained(facts, context)
    wanted = list(_children(context, prod, canary_stage, retained))
    writes = Writes(inputs.children, wanted, retained, refs)
    promoted = promotion.decide(facts, spec, memory, prod.target, serves=prod.serves, aborted=inputs.abort)
    check = _check(inputs)
    assessment = Assessment(
        facts=facts,
        context=context,
        memory=memory,
        faults=faults,
        prod=prod,
        canary=canary_stage,
        out_of_sync=writes.out_of_sync,
        taken=writes.taken,
        foreign=writes.foreign,
        promotion=promoted,
        drift=check,
        retraining=retraining.decide(
            facts,
            context,
            memory.retraining,
            served=prod.served,
            report=check.memory.standing if check.memory else None,
        ),
        logs=prediction_log.logs_of(facts, [each for each in (prod, canary_stage) if each]),
        comparison=_comparison(facts, memory, canary_stage),
        undelivered=undelivered.decide(facts, memory.undelivered),
        handled=_handled(facts, spec, memory.handled, promoted.handled, stages=(prod, canary_stage)),
        stale_requests=abort.events(inputs.abort, prod, canary_stage),
    )
    return assessment, writes


def _inputs(facts: Facts, context: Context, memory: Memory, refs: Sequence[Ref]) -> stages.Inputs:
    return stages.Inputs(
        facts=facts,
        context=context,
        memory=memory,
        children=stage_view.sort_children(facts, refs),
        abort=abort.abort_request(facts, context.spec, memory.handled),
        retry=_retry_requested(facts, context.spec, memory),
    )


def _check(inputs: stages.Inputs) -> drift.DriftDecision:
    """What the drift checks said, and the one that waits."""
    return drift.decide(
        inputs.facts,
        inputs.memory.drift,
        inputs.child("CronJob", names.drift_check(inputs.context.name)),
        said=pod_failures.said(inputs.memory, Condition.DRIFT_CHECK_FAILED),
    )


def _comparison(facts: Facts, memory: Memory, canary_stage: StageDecision | None) -> ComparisonMemory | None:
    """How far the comparison of the canary's version with prod's is."""
    version = canary_stage.served or canary_stage.wanted if canary_stage else None
    return comparison.decide(facts.canary_verdict, memory.stage("canary").comparison, version)


def _handled(
    facts: Facts, spec: Spec, before: Handled, promoted: str, *, stages: Sequence[StageDecision | None]
) -> Handled:
    """The annotations that status echoes. To take one off and set it again is another request."""
    if spec.suspend:
        return replace(before, promote=promoted)
    waits = any(each and each.rejection and each.rejection.waits for each in stages)
    requested = objects.annotation(facts.resource, names.REQUESTED_AT)
    return Handled(
        promote=promoted,
        requested_at=before.requested_at if waits else requested,
        abort=objects.annotation(facts.resource, names.ABORT),
    )


def _retry_requested(facts: Facts, spec: Spec, memory: Memory) -> bool:
    """Whether a person asks to try again what was given up."""
    requested = objects.annotation(facts.resource, names.REQUESTED_AT)
    return bool(requested) and not spec.suspend and requested != memory.handled.requested_at


def _children(
    context: Context, prod: StageDecision, canary_stage: StageDecision | None, retained: set[Ref]
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
    if context.spec.drift and Ref("CronJob", names.drift_check(context.name)) not in retained:
        yield manifests.drift_cronjob(context, context.spec.drift, version=prod.judged)


def _is_judged(context: Context, prod: StageDecision, canary_stage: StageDecision) -> bool:
    """Whether there are two versions that serve and are logged, to be compared."""
    logged = context.spec.inference.prediction_log.mode != "off"
    both = prod.served is not None and canary_stage.served is not None and canary_stage.manifest is not None
    wanted = context.spec.canary is not None and context.spec.canary.judge.enabled
    return both and logged and prod.served != canary_stage.served and wanted


def _retained(facts: Facts, context: Context) -> set[Ref]:
    """Children that cannot be made as they should be, and so stay as they are."""
    unusable = not (facts.registry.declared and facts.registry.namespace_allowed and context.tracking_uri)
    schedule = context.spec.drift.schedule if context.spec.drift else None
    if schedule is not None and (unusable or cron.fault(schedule)):
        return {Ref("CronJob", names.drift_check(context.name))}
    return set()


def _retry_after(assessment: Assessment) -> float | None:
    """When time alone may change the decision."""
    now = assessment.facts.now
    moments = [each.retry_at for each in (assessment.drift, assessment.retraining, assessment.undelivered)]
    if assessment.spec.inference.image_update == "Rolling" and assessment.prod.outdated:
        opens = rollout.slot_opens(assessment.context)
        # In its slot and not rolled all the same: something else holds it, and the next round is soon enough.
        moments.append(opens if opens > now else opens + rollout.ROUND)
    waits = [_until(moment, now) for moment in moments if moment is not None]
    return min([*waits, *([REGISTRY_WRITE_SECONDS] if assessment.promotion.retry else [])], default=None)


def _until(moment: datetime, now: datetime) -> float:
    return max(1.0, (moment - now).total_seconds())
