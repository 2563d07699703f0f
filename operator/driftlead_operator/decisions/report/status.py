"""The whole status: one place computes it, and it is written only when it is another one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Manifest
from driftlead_operator.decisions.reasons import Condition, EventReason, Reason
from driftlead_operator.decisions.render import pod_template
from driftlead_operator.decisions.report import conditions, rejections
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue, Progress
from driftlead_operator.decisions.stage.rollout import Rejection, StageDecision

LONGEST_HISTORY = 20
UNCHECKED = "unchecked"


def of(assessment: Assessment, ready: ConditionValue) -> dict[str, Any]:
    """The status wanted."""
    before = objects.mapping(assessment.facts.resource.get("status"))
    status = {
        "observedGeneration": objects.generation(assessment.facts.resource),
        "url": _url(assessment, objects.name(assessment.facts.resource)),
        "prod": _stage(assessment, assessment.prod),
        "canary": _stage(assessment, assessment.canary)
        if assessment.canary and assessment.canary.manifest
        else None,
        "promotion": assessment.promotion.record,
        "drift": _drift(assessment) if assessment.spec.drift else None,
        "retraining": assessment.retraining.status,
        "undelivered": list(assessment.losses.status),
        "rollout": {
            "phase": _phase(assessment, ready),
            "message": ready.message[: conditions.LONGEST_MESSAGE],
        },
        "handled": assessment.handled,
        "history": [*_news(assessment), *objects.items(before.get("history"))][:LONGEST_HISTORY],
        "conditions": conditions.of(assessment, ready),
    }
    return objects.without_empty(status)


def _drift(assessment: Assessment) -> Mapping[str, Any] | None:
    """The last check; what it said of another version is not shown as this one's."""
    last = objects.mapping(assessment.drift.status)
    if not last:
        return None
    other = last.get("version") and assessment.prod.judged and last["version"] != assessment.prod.judged
    return {**last, "display": UNCHECKED if other else str(last.get("verdict") or "")}


def of_unreadable(resource: Manifest, faults: Sequence[str], now: Any) -> dict[str, Any]:
    """The status of a resource whose spec cannot be read: what was known, and what is wrong."""
    verdict = ConditionValue(Reason.INVALID_SPEC, "; ".join(faults), progress=Progress.STALLED)
    before = objects.mapping(resource.get("status"))
    changed = {
        Condition.READY: verdict,
        Condition.STALLED: verdict._replace(status="True"),
    }
    known = objects.items(before.get("conditions"))
    kept = [each for each in known if each.get("type") not in {*changed, Condition.RECONCILING}]
    settled = conditions.settle(known, changed, objects.generation(resource), now)
    return {**before, "observedGeneration": objects.generation(resource), "conditions": [*settled, *kept]}


def shown(assessment: Assessment) -> Sequence[StageDecision]:
    """The stages that status speaks of: prod always, the canary while there is to be one."""
    return [
        assessment.prod,
        *([assessment.canary] if assessment.canary and assessment.canary.manifest else []),
    ]


def _url(assessment: Assessment, name: str) -> str:
    return f"http://{name}.{objects.metadata(assessment.facts.resource).get('namespace')}.svc"


def _stage(assessment: Assessment, stage: StageDecision) -> dict[str, Any]:
    name, target = objects.name(assessment.facts.resource), stage.target
    context = pod_template.Context.of(assessment.facts, assessment.spec)
    rejection = stage.rejection
    status = {
        "target": objects.without_empty(
            {
                "version": target.version,
                "source": target.source if target.version else "",
                "runID": target.run_id,
            }
        ),
        "version": stage.served,
        "display": _display(stage),
        "runID": _run_id(assessment, stage),
        "replicas": len(stage.view.pods),
        "readyReplicas": assessment.serving(stage),
        "selector": ",".join(
            f"{key}={value}" for key, value in pod_template.selector(context, stage.name).items()
        ),
        "outdated": stage.outdated or None,
        "loadState": _load_state(assessment, stage),
        "url": _url(assessment, names.of_stage(name, stage.name)),
        "ambiguous": list(target.ambiguous),
        "lastFailure": rejections.last_failure(assessment, stage),
        "rejected": rejection and _rejected(rejection),
        "lastGood": stage.last_good,
        "pin": assessment.promotion.pin if stage.name == "prod" else None,
    }
    return objects.without_empty(status)


def _rejected(rejection: Rejection) -> dict[str, Any]:
    held = {"version": rejection.version, "generation": rejection.generation}
    return {**held, "aborted": True} if rejection.aborted else held


def _display(stage: StageDecision) -> str:
    """`3` at rest, `3>4` on the way, `>4` at first."""
    goal = stage.target.version or stage.wanted
    if goal is None or goal == stage.served:
        return stage.served or ""
    return f"{stage.served or ''}>{goal}"


def _run_id(assessment: Assessment, stage: StageDecision) -> str:
    if stage.served == stage.target.version:
        return stage.target.run_id
    known = next(
        (each.run_id for each in assessment.facts.registry.versions if each.version == stage.served), ""
    )
    before = objects.dig(assessment.facts.resource, "status", stage.name)
    if not known and stage.served and objects.dig(before, "version") == stage.served:
        return str(objects.dig(before, "runID") or "")
    return known


def _load_state(assessment: Assessment, stage: StageDecision) -> str:
    if stage.rejection and not stage.rejection.aborted:
        return "FailedToLoad"
    if stage.rejection or stage.manifest is None or not stage.replicas:
        return "Absent"
    return "Loaded" if assessment.done(stage) else "Loading"


def _phase(assessment: Assessment, ready: ConditionValue) -> str:
    if assessment.spec.suspend:
        return "Suspended"
    if ready.progress is Progress.CURRENT:
        return "Idle"
    if assessment.prod.rejection:
        return "Aborted" if assessment.prod.rejection.aborted else "Rejected"
    rolling = ready.reason in (Reason.ROLLING_OUT, Reason.REPLICAS_NOT_READY)
    return "Progressing" if rolling else "Waiting"


def _news(assessment: Assessment) -> Iterator[dict[str, Any]]:
    """What a stage came to serve, or gave up, since the status before; newest first."""
    for stage in shown(assessment):
        before = _served_before(assessment, stage)
        at = objects.stamp(assessment.facts.now)
        if stage.rejection and stage.rejection.is_news:
            evidence = rejections.failure_words(rejections.last_failure(assessment, stage))[:300]
            instead = stage.served or "nothing"
            entry = {"from": stage.rejection.version, "to": instead, "by": "operator", "evidence": evidence}
            yield {"at": at, "stage": stage.name, **entry}
        if stage.served and stage.served != before:
            entry = {
                "from": before or "",
                "to": stage.served,
                "by": _by(assessment, stage),
                "evidence": _evidence(assessment, stage),
            }
            yield {"at": at, "stage": stage.name, **objects.without_empty(entry)}


def _served_before(assessment: Assessment, stage: StageDecision) -> str | None:
    """What a stage served last; pods that fell silent for a while and answer again are no news."""
    before = objects.dig(assessment.facts.resource, "status", stage.name)
    found = objects.dig(before, "version") or objects.dig(before, "lastGood", "version")
    return str(found) if found else None


def _by(assessment: Assessment, stage: StageDecision) -> str:
    record = objects.mapping(assessment.promotion.record)
    if stage.rejection or (record.get("by") == "annotation" and record.get("version") == stage.served):
        return "operator"
    return "spec" if stage.target.pinned else "registry"


def _evidence(assessment: Assessment, stage: StageDecision) -> str:
    return (
        f"{stage.target.source}; {assessment.serving(stage)} of {stage.replicas} pods answered a prediction"
    )


def events(assessment: Assessment, ready: ConditionValue, after: Mapping[str, Any]) -> list[Event]:
    """What is new, told once: by comparing with the status before."""
    before = objects.mapping(assessment.facts.resource.get("status"))
    return [
        *assessment.promotion.events,
        *assessment.drift.events,
        *assessment.retraining.events,
        *assessment.losses.events,
        *assessment.stale,
        *(event for stage in shown(assessment) for event in _stage_events(assessment, stage)),
        *_trouble(before, ready),
        *_canary_ended(assessment, before, after),
    ]


def _stage_events(assessment: Assessment, stage: StageDecision) -> Iterator[Event]:
    if stage.rejection and stage.rejection.is_news:
        reason = EventReason.ABORTED if stage.rejection.aborted else EventReason.VERSION_REJECTED
        words = f"{stage.name}: {rejections.words(assessment, stage)}"
        yield Event(reason=reason, message=words, type="Normal" if stage.rejection.aborted else "Warning")
    if stage.served and stage.served != _served_before(assessment, stage):
        words = f"{stage.name} serves version {stage.served} now: {_evidence(assessment, stage)}"
        yield Event(reason=EventReason.ROLLED_OUT, message=words)
    known = objects.dig(assessment.facts.resource, "status", stage.name, "ambiguous") or ()
    if stage.target.ambiguous and list(stage.target.ambiguous) != list(known):
        words = (
            f"{stage.name}: versions {', '.join(stage.target.ambiguous)} stand in {stage.target.source}; "
            "the highest is served"
        )
        yield Event(reason=EventReason.AMBIGUOUS_STAGE, message=words, type="Warning")


def _trouble(before: Mapping[str, Any], ready: ConditionValue) -> Iterator[Event]:
    """Why it is not ready, where that is more than a rollout; the rejection has an event of its own."""
    quiet = {
        Reason.ROLLING_OUT,
        Reason.REPLICAS_NOT_READY,
        Reason.WAITING_FOR_MODEL,
        Reason.VERSION_REJECTED,
        Reason.ABORTED,
        Reason.SUSPENDED,
    }
    was = objects.condition({"status": before}, "Ready").get("reason")
    if ready.progress is not Progress.CURRENT and ready.reason not in quiet and ready.reason != was:
        yield Event(reason=ready.reason, message=ready.message, type="Warning")


def _canary_ended(
    assessment: Assessment, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Event]:
    version = objects.dig(before, "canary", "version")
    if version and "canary" not in after:
        why = (
            f"prod serves version {version}"
            if assessment.prod.served == version
            else "it is wanted no longer"
        )
        yield Event(reason=EventReason.CANARY_ENDED, message=f"canary version {version} ended: {why}")
