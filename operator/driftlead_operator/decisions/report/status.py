"""The whole status: one place computes it, and it is written only when it is another one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts
from driftlead_operator.decisions.memory.loop import UNCHECKED, DriftMemory, PromotionSource
from driftlead_operator.decisions.memory.stages import (
    LoadState,
    Rejected,
    StageMemory,
    TargetMemory,
)
from driftlead_operator.decisions.memory.status import HistoryEntry, Memory, RolloutMemory
from driftlead_operator.decisions.reasons import Condition, EventReason, Reason
from driftlead_operator.decisions.render import pod_template
from driftlead_operator.decisions.report import conditions, pod_failures, rejections
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue, Progress
from driftlead_operator.decisions.stage.rollout import StageDecision

LONGEST_HISTORY = 20
LONGEST_EVIDENCE = 300
# Reasons of Ready that have an event of their own, or that are no more than a rollout on its way.
NOT_TOLD = frozenset(
    {
        Reason.ROLLING_OUT,
        Reason.REPLICAS_NOT_READY,
        Reason.WAITING_FOR_MODEL,
        Reason.VERSION_REJECTED,
        Reason.ABORTED,
        Reason.SUSPENDED,
    }
)

CANNOT_RUN = frozenset(map(str, (*pod_failures.ANY_FAILURE, Reason.APPLY_REFUSED, Reason.NAME_TAKEN)))


def of(assessment: Assessment, ready: ConditionValue) -> Memory:
    """The status wanted."""
    canary, context = assessment.canary, assessment.context
    history = [*_new_history(assessment), *assessment.memory.history]
    return Memory(
        observed_generation=objects.generation(assessment.facts.resource),
        url=_url(assessment, names.stable(context.name)),
        prod=_stage(assessment, assessment.prod),
        canary=_stage(assessment, canary) if canary and canary.manifest else None,
        promotion=assessment.promotion.record,
        drift=_drift(assessment) if assessment.spec.drift else None,
        retraining=assessment.retraining.last,
        undelivered=assessment.undelivered.shown,
        rollout=RolloutMemory(
            phase=_phase(assessment, ready),
            message=objects.one_line(ready.message, conditions.LONGEST_MESSAGE),
        ),
        handled=assessment.handled,
        history=tuple(history[:LONGEST_HISTORY]),
        conditions=conditions.of(assessment, ready),
    )


def of_unreadable(memory: Memory, facts: Facts, faults: Sequence[str]) -> Memory:
    """The status of a resource whose spec cannot be read: what was known, and what is wrong."""
    value = ConditionValue(Reason.INVALID_SPEC, "; ".join(faults), progress=Progress.STALLED)
    changed = {Condition.READY: value, Condition.STALLED: value._replace(status="True")}
    kept = [each for each in memory.conditions if each.type not in {*changed, Condition.RECONCILING}]
    generation = objects.generation(facts.resource)
    settled = conditions.settle(memory.conditions, changed, generation, facts.now)
    return replace(memory, observed_generation=generation, conditions=(*settled, *kept))


def _drift(assessment: Assessment) -> DriftMemory | None:
    """The checks; what was said of another version is not shown as this one's."""
    memory, judged = assessment.drift.memory, assessment.prod.judged
    if memory is None:
        return None
    standing, last = memory.standing, memory.last
    display = str(standing.verdict or "")
    if standing.version and judged and standing.version != judged:
        display = UNCHECKED
    elif standing is not last:
        display = f"{standing.verdict}, then {last.verdict}"
    return memory if memory.display == display else replace(memory, display=display)


def _url(assessment: Assessment, service: str) -> str:
    return f"http://{service}.{assessment.context.namespace}.svc"


def _stage(assessment: Assessment, stage: StageDecision) -> StageMemory:
    context, target, rejection = assessment.context, stage.target, stage.rejection
    labels = pod_template.selector(context, stage.name)
    return StageMemory(
        target=TargetMemory(
            version=target.version or "",
            source=target.source if target.version else "",
            run_id=target.run_id,
        ),
        version=stage.served,
        display=_display(stage),
        run_id=_run_id(assessment, stage),
        replicas=len(stage.view.pods),
        ready_replicas=assessment.serving(stage),
        selector=",".join(f"{key}={value}" for key, value in labels.items()),
        outdated=stage.outdated,
        load_state=_load_state(assessment, stage),
        url=_url(assessment, names.of_stage(context.name, stage.name)),
        ambiguous=tuple(target.ambiguous),
        last_failure=rejections.last_failure(assessment, stage),
        rejected=Rejected(
            version=rejection.version, generation=rejection.generation, aborted=rejection.aborted
        )
        if rejection
        else None,
        last_good=stage.last_good,
        pin=assessment.promotion.pin if stage.name == "prod" else None,
        comparison=assessment.comparison if stage.name == "canary" else None,
    )


def _display(stage: StageDecision) -> str:
    """`3` at rest, `3>4` on the way, `>4` at first; `3, not 4` once 4 was given up."""
    if stage.rejection:
        return f"{stage.served or 'none'}, not {stage.rejection.version}"
    goal = stage.target.version or stage.wanted
    if goal is None or goal == stage.served:
        return stage.served or ""
    return f"{stage.served or ''}>{goal}"


def _run_id(assessment: Assessment, stage: StageDecision) -> str:
    """The run of what serves: by the target, by the registry, or as it was known before."""
    if stage.served == stage.target.version:
        return stage.target.run_id
    versions = assessment.facts.registry.versions
    known = next((each.run_id for each in versions if each.version == stage.served), "")
    before = assessment.memory.stage(stage.name)
    if not known and stage.served and before.version == stage.served:
        return before.run_id
    return known


def _load_state(assessment: Assessment, stage: StageDecision) -> LoadState:
    if stage.rejection and not stage.rejection.aborted:
        return LoadState.FAILED_TO_LOAD
    if stage.rejection or stage.manifest is None or not stage.replicas:
        return LoadState.ABSENT
    return LoadState.LOADED if assessment.done(stage) else LoadState.LOADING


def _phase(assessment: Assessment, ready: ConditionValue) -> str:
    if assessment.spec.suspend:
        return "Suspended"
    if ready.progress is Progress.CURRENT:
        return "Idle"
    if assessment.prod.rejection:
        return "Aborted" if assessment.prod.rejection.aborted else "Rejected"
    rolling = ready.reason in (Reason.ROLLING_OUT, Reason.REPLICAS_NOT_READY)
    return "Progressing" if rolling else "Waiting"


def _new_history(assessment: Assessment) -> Iterator[HistoryEntry]:
    """What a stage came to serve, or gave up, since the status before; newest first.

    A version that is given up has not served, so an entry for it goes from what serves to what serves.
    """
    at = objects.stamp(assessment.facts.now)
    for stage in assessment.stages:
        before = assessment.memory.stage(stage.name).last_served
        if stage.rejection and stage.rejection.is_new:
            failure = rejections.failure_words(rejections.last_failure(assessment, stage))
            words = f"version {stage.rejection.version} was given up: {failure}"
            yield HistoryEntry(
                at=at,
                stage=stage.name,
                from_version=before or "",
                to_version=stage.served or "nothing",
                by="operator",
                evidence=objects.one_line(words, LONGEST_EVIDENCE),
            )
        if stage.served and stage.served != before:
            yield HistoryEntry(
                at=at,
                stage=stage.name,
                from_version=before or "",
                to_version=stage.served,
                by=_by(assessment, stage),
                evidence=_evidence(assessment, stage),
            )


def _by(assessment: Assessment, stage: StageDecision) -> str:
    record = assessment.promotion.record
    annotated = record is not None and record.source is PromotionSource.ANNOTATION
    if stage.rejection or (annotated and record is not None and record.version == stage.served):
        return "operator"
    return "spec" if stage.target.pinned else "registry"


def _evidence(assessment: Assessment, stage: StageDecision) -> str:
    count = assessment.serving(stage)
    return f"{stage.target.source}; {count} of {stage.replicas} pods answered a prediction"


def events(assessment: Assessment, ready: ConditionValue, after: Memory) -> list[Event]:
    """What is new, told once: by comparing with the status before."""
    new = [
        *assessment.promotion.events,
        *assessment.drift.events,
        *assessment.retraining.events,
        *assessment.undelivered.events,
        *assessment.stale_requests,
        *(event for stage in assessment.stages for event in _stage_events(assessment, stage)),
        *_not_ready(assessment.memory, ready),
        *_cannot_run(assessment.memory, after),
        *_foreign_fields(assessment.memory, after),
        *_canary_replaced(assessment),
        *_canary_ended(assessment, after),
    ]
    return [replace(each, message=objects.one_line(each.message)) for each in new]


def _stage_events(assessment: Assessment, stage: StageDecision) -> Iterator[Event]:
    before, target = assessment.memory.stage(stage.name), stage.target
    if stage.rejection and stage.rejection.is_new:
        aborted = stage.rejection.aborted
        reason = EventReason.ABORTED if aborted else EventReason.VERSION_REJECTED
        words = f"{stage.name}: {rejections.words(assessment, stage)}"
        yield Event(reason=reason, message=words, type="Normal" if aborted else "Warning")
    # Pods that fell silent for a while and answer again are nothing new.
    if stage.served and stage.served != before.last_served:
        words = f"{stage.name} serves version {stage.served} now: {_evidence(assessment, stage)}"
        yield Event(reason=EventReason.ROLLED_OUT, message=words)
    if target.ambiguous and tuple(target.ambiguous) != before.ambiguous:
        words = (
            f"{stage.name}: versions {', '.join(target.ambiguous)} stand in {target.source}; "
            "the highest is served"
        )
        yield Event(reason=EventReason.AMBIGUOUS_STAGE, message=words, type="Warning")


def _not_ready(before: Memory, ready: ConditionValue) -> Iterator[Event]:
    """Why it is not ready, where that is more than a rollout, and was not so before."""
    known = before.condition(Condition.READY)
    if known is not None and known.reason == ready.reason:
        return
    if ready.progress is not Progress.CURRENT and ready.reason not in NOT_TOLD:
        yield Event(reason=ready.reason, message=ready.message, type="Warning")


def _cannot_run(before: Memory, after: Memory) -> Iterator[Event]:
    """Why pods of the canary, the judge or a Job cannot run, once for each cause and not for each Job."""
    for condition in (Condition.CANARY_HEALTHY, Condition.DRIFT_CHECK_FAILED, Condition.RETRAINING_FAILED):
        now, known = after.condition(condition), before.condition(condition)
        if now is None or now.reason not in CANNOT_RUN or (known and known.reason == now.reason):
            continue
        # A check that was given up for that reason has told it already.
        last = before.drift.last if before.drift else None
        failed = last.message if last and last.verdict is DriftVerdict.ERROR else ""
        if condition is not Condition.DRIFT_CHECK_FAILED or f"{now.reason}: " not in failed:
            yield Event(reason=now.reason, message=now.message, type="Warning")


def _foreign_fields(before: Memory, after: Memory) -> Iterator[Event]:
    """Which fields others have set, each time that they are others."""
    now, known = (each.condition(Condition.CHILDREN_MODIFIED) for each in (after, before))
    if now is not None and (known is None or known.message != now.message):
        yield Event(reason=EventReason.FOREIGN_FIELDS, message=now.message, type="Warning")


def _canary_replaced(assessment: Assessment) -> Iterator[Event]:
    """A canary that served gives way to another version while nothing was decided about it."""
    before, canary = assessment.memory.stage("canary"), assessment.canary
    health = assessment.memory.condition(Condition.CANARY_HEALTHY)
    if canary is None or health is None or health.reason != Reason.CANARY_SERVING or not before.version:
        return
    old, new = before.version, canary.target.version
    if old == before.target.version and new not in (None, old) and assessment.prod.wanted != old:
        words = (
            f"canary version {old} is replaced by version {new} before the comparison with prod decided: "
            f"{canary.target.source} is version {new} now"
        )
        yield Event(reason=EventReason.CANARY_REPLACED, message=words, type="Warning")


def _canary_ended(assessment: Assessment, after: Memory) -> Iterator[Event]:
    version = assessment.memory.stage("canary").version
    if version and after.canary is None:
        served = assessment.prod.served
        why = f"prod serves version {version}" if served == version else "it is wanted no longer"
        yield Event(reason=EventReason.CANARY_ENDED, message=f"canary version {version} ended: {why}")
