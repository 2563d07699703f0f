"""The conditions, with the time since when each is as it is."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.loop.drift import DRIFTED, ERROR
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report import checks, prediction_log
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue, Progress

LONGEST_MESSAGE = 2048


def of(assessment: Assessment, ready: ConditionValue) -> Sequence[Mapping[str, Any]]:
    """All conditions of a resource; Reconciling and Stalled only while they are true."""
    generation = objects.generation(assessment.facts.resource)
    before = objects.items(objects.dig(assessment.facts.resource, "status", "conditions"))
    return settle(before, dict(_values(assessment, ready)), generation, assessment.facts.now)


def _values(assessment: Assessment, ready: ConditionValue) -> Iterator[tuple[Condition, ConditionValue]]:
    yield Condition.READY, ready
    yield Condition.AVAILABLE, checks.availability(assessment)
    if ready.progress is Progress.IN_PROGRESS:
        yield Condition.RECONCILING, ready._replace(status="True")
    if ready.progress is Progress.STALLED:
        yield Condition.STALLED, ready._replace(status="True")
    if canary := checks.canary_health(assessment):
        yield Condition.CANARY_HEALTHY, canary
    if assessment.spec.drift:
        yield Condition.DRIFT_DETECTED, drift_detected(assessment)
        yield Condition.DRIFT_CHECK_FAILED, drift_check_failed(assessment)
    yield Condition.PREDICTION_LOG_HEALTHY, prediction_log.value(assessment)


def settle(
    before: Sequence[Mapping[str, Any]],
    values: Mapping[Condition, ConditionValue],
    generation: int,
    now: datetime,
) -> list[Mapping[str, Any]]:
    """Verdicts as conditions; the time moves only when a condition's status does."""
    known = {each.get("type"): each for each in before}
    return [
        {
            "type": str(condition),
            "status": verdict.status,
            "observedGeneration": generation,
            "reason": str(verdict.reason),
            "message": verdict.message[:LONGEST_MESSAGE],
            "lastTransitionTime": _since(known.get(str(condition)), verdict, now),
        }
        for condition, verdict in values.items()
    ]


def _since(before: Mapping[str, Any] | None, verdict: ConditionValue, now: datetime) -> str:
    since = objects.mapping(before).get("lastTransitionTime")
    same = before is not None and before.get("status") == verdict.status and since
    return str(since) if same else objects.stamp(now)


def drift_detected(assessment: Assessment) -> ConditionValue:
    """What the last check of the version that serves found."""
    status = objects.mapping(assessment.drift.status)
    verdict, message = status.get("verdict"), str(status.get("message") or "")
    if verdict is None or verdict == ERROR:
        return ConditionValue(Reason.NOT_CHECKED_YET, "no check has given a verdict yet", "Unknown")
    if assessment.prod.served and status.get("version") != assessment.prod.served:
        words = f"the last check was of version {status.get('version')}; {assessment.prod.served} serves now"
        return ConditionValue(Reason.NOT_CHECKED_YET, words, "Unknown")
    if verdict in DRIFTED:
        return ConditionValue(Reason.DRIFT_FOUND, message or f"verdict {verdict}", "True")
    if verdict == "insufficient":
        return ConditionValue(Reason.NOT_ENOUGH_DATA, message or "too little data to judge", "Unknown")
    return ConditionValue(Reason.NO_DRIFT, message or f"verdict {verdict}", "False")


def drift_check_failed(assessment: Assessment) -> ConditionValue:
    """Whether the last check could judge."""
    status = objects.mapping(assessment.drift.status)
    if not status.get("verdict"):
        return ConditionValue(Reason.NOT_CHECKED_YET, "no check has run yet", "False")
    if status.get("verdict") == ERROR:
        return ConditionValue(
            Reason.CHECK_FAILED, str(status.get("message") or "the check gave no verdict"), "True"
        )
    return ConditionValue(Reason.CHECKED, f"the check of {status.get('lastRunTime')} gave a verdict", "False")
