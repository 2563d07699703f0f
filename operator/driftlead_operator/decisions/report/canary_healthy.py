"""CanaryHealthy: how the canary does, as long as spec has one."""

from driftlead_formats.verdicts import CanaryVerdict
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report import pod_failures, ready, rejections, unmade_children
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.report.chain import Chain, Polarity
from driftlead_operator.decisions.stage.rollout import StageDecision

# An undecided comparison does not say that the canary is unwell: it then just serves.
JUDGED = {
    CanaryVerdict.WORSE: Reason.CANARY_WORSE,
    CanaryVerdict.NON_INFERIOR: Reason.CANARY_NOT_WORSE,
}


def _has_canary(assessment: Assessment) -> bool:
    return assessment.canary is not None


def the_version_is_given_up(assessment: Assessment) -> ConditionValue | None:
    """The canary's version cannot be served, or a person gave it up."""
    value = rejections.value(assessment, assessment.canary) if assessment.canary else None
    # Without a version that a person gave up there is no canary, and nothing is wrong with that.
    return value and value._replace(status="True" if value.reason is Reason.ABORTED else "False")


def a_child_cannot_be_made(assessment: Assessment) -> ConditionValue | None:
    """A stranger has the name of a child of the canary, or the API server refuses one."""
    return unmade_children.of(assessment, "canary")


def there_is_none_to_try(assessment: Assessment) -> ConditionValue | None:
    """No version is newer than prod's."""
    if assessment.canary is not None and assessment.canary.manifest is not None:
        return None
    return ConditionValue(Reason.NO_CANARY, "there is no version newer than prod's to try", "True")


def a_pod_fails(assessment: Assessment) -> ConditionValue | None:
    """Pods of the canary cannot run, for a reason that is not the model's."""
    canary = _on_its_way(assessment)
    return pod_failures.of_stage(assessment, canary) if canary else None


def it_makes_no_progress(assessment: Assessment) -> ConditionValue | None:
    """The canary's Deployment is past its deadline."""
    canary = _on_its_way(assessment)
    if canary is None or not ready.is_past_its_deadline(canary):
        return None
    words = _how_far(assessment, canary) + ready.no_progress(assessment)
    return ConditionValue(Reason.PROGRESS_DEADLINE_EXCEEDED, words)


def it_starts(assessment: Assessment) -> ConditionValue | None:
    """Pods of the canary are being started."""
    canary = _on_its_way(assessment)
    if canary is None:
        return None
    return ConditionValue(Reason.CANARY_STARTING, _how_far(assessment, canary), "Unknown")


def _on_its_way(assessment: Assessment) -> StageDecision | None:
    canary = assessment.canary
    return canary if canary and not assessment.done(canary) else None


def _how_far(assessment: Assessment, canary: StageDecision) -> str:
    return assessment.how_far(canary, "canary pods")


def it_is_judged(assessment: Assessment) -> ConditionValue | None:
    """The judge has evidence on this version, now or when it was asked last."""
    found = assessment.comparison
    reason = JUDGED.get(found.verdict) if found else None
    if found is None or reason is None:
        return None
    status = "False" if reason is Reason.CANARY_WORSE else "True"
    return ConditionValue(reason, f"version {found.version}: {found.words}", status)


def the_judge_cannot_run(assessment: Assessment) -> ConditionValue | None:
    """The canary serves, but nothing compares it with prod."""
    failure = pod_failures.of_judge(assessment)
    if failure is None:
        return None
    serves = f"{failure.message}; {_serves(assessment)} and is not compared with prod"
    return failure._replace(message=serves, status="Unknown")


def it_serves(assessment: Assessment) -> ConditionValue:
    """Nothing says that the canary is worse than prod."""
    found = assessment.comparison
    compared = f"; compared with prod: {found.words}" if found else ""
    return ConditionValue(Reason.CANARY_SERVING, _serves(assessment) + compared, "True")


def _serves(assessment: Assessment) -> str:
    canary = assessment.canary
    count = canary.replicas if canary else 0
    pods = f"{count} canary pod{'' if count == 1 else 's'}"
    return f"version {canary.wanted} serves on {pods}" if canary else ""


CANARY_HEALTHY = Chain(
    condition=Condition.CANARY_HEALTHY,
    polarity=Polarity.TRUE_IS_GOOD,
    checks=(
        the_version_is_given_up,
        a_child_cannot_be_made,
        there_is_none_to_try,
        a_pod_fails,
        it_makes_no_progress,
        it_starts,
        it_is_judged,
        the_judge_cannot_run,
    ),
    otherwise=it_serves,
    exists=_has_canary,
)
