"""Versions that were given up, in words: why, and what serves instead."""

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.memory.stages import Failure
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
    """Which version was given up, why, and what serves instead."""
    version = stage.rejection.version if stage.rejection else ""
    aborted = stage.rejection is not None and stage.rejection.aborted
    gone = f"version {version} {'was given up' if aborted else 'cannot be served'}"
    instead = f"version {stage.served} serves" if stage.served else "no other version has served yet"
    why = failure_words(last_failure(assessment, stage))
    changes = "the target changes" if aborted else "the target or spec changes"
    return (
        f"{gone}: {why}; {instead}; it is tried again when {changes}, or at annotation {names.REQUESTED_AT}"
    )


def failure_words(failure: Failure | None) -> str:
    """How a try ended."""
    if failure is None:
        return "how it ended is not remembered"
    if failure.reason == Reason.ABORTED:
        return failure.message
    return f"{failure.reason} (exit code {failure.exit_code}): {failure.message}"


def last_failure(assessment: Assessment, stage: StageDecision) -> Failure | None:
    """The last end that gave a version up: this one, or the remembered one."""
    rejection = stage.rejection
    if rejection is None or not rejection.is_new:
        return assessment.memory.stage(stage.name).last_failure
    ended, now = rejection.termination, assessment.facts.now
    if ended is None:
        return Failure(
            version=rejection.version,
            reason=str(Reason.ABORTED),
            message=f"annotation {names.ABORT} asks for it",
            at=objects.stamp(now),
        )
    return Failure(
        version=rejection.version,
        reason=ended.reason,
        message=ended.message or "no words",
        exit_code=ended.exit_code,
        at=objects.stamp(ended.finished_at or now),
    )
