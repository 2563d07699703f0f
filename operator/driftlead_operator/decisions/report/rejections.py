"""Versions that were given up, in words: why, and what serves instead."""

from collections.abc import Mapping
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.reasons import Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue, Progress
from driftlead_operator.decisions.stage.rollout import StageDecision


def value(assessment: Assessment, stage: StageDecision) -> ConditionValue | None:
    """That the version a stage is to serve was given up; None while it was not."""
    if stage.rejection is None:
        return None
    reason = Reason.ABORTED if stage.rejection.aborted else Reason.VERSION_REJECTED
    return ConditionValue(reason, words(assessment, stage), progress=Progress.STALLED)


def words(assessment: Assessment, stage: StageDecision) -> str:
    """Which version was given up, with the loader's words or by a person's wish, and what serves instead."""
    version = stage.rejection.version if stage.rejection else ""
    aborted = stage.rejection is not None and stage.rejection.aborted
    gone = f"version {version} {'was given up' if aborted else 'cannot be served'}"
    instead = f"version {stage.served} serves" if stage.served else "no other version has served yet"
    changes = "the target changes" if aborted else "the target or spec changes"
    return (
        f"{gone}: {failure_words(last_failure(assessment, stage))}; {instead}; it is tried again when {changes}, "
        f"or at annotation {names.REQUESTED_AT}"
    )


def failure_words(failure: Mapping[str, Any]) -> str:
    """How a try ended."""
    if failure.get("reason") == Reason.ABORTED:
        return str(failure.get("message"))
    return f"{failure.get('reason')} (exit code {failure.get('exitCode')}): {failure.get('message')}"


def last_failure(assessment: Assessment, stage: StageDecision) -> Mapping[str, Any]:
    """The last end that gave a version up: this one, or the remembered one."""
    rejection = stage.rejection
    if rejection is None or not rejection.is_news:
        return objects.mapping(objects.dig(assessment.facts.resource, "status", stage.name, "lastFailure"))
    ending = rejection.ending
    if ending is None:
        asked = {"reason": str(Reason.ABORTED), "message": f"annotation {names.ABORT} asks for it"}
        return {"version": rejection.version, **asked, "at": objects.stamp(assessment.facts.now)}
    return {
        "version": rejection.version,
        "reason": ending.reason,
        "message": ending.message or "no words",
        "exitCode": ending.exit_code,
        "at": objects.stamp(ending.at or assessment.facts.now),
    }
