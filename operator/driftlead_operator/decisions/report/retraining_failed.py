"""RetrainingFailed: whether the last retraining came to a result, as long as spec asks for retraining.

It does not touch Ready: the champion goes on serving, whatever becomes of its challenger.
"""

from driftlead_operator.decisions.facts import Ref
from driftlead_operator.decisions.loop.retraining import UNDER_WAY
from driftlead_operator.decisions.memory.loop import RetrainingMemory, RetrainingState
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report import pod_failures
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.report.chain import Chain, Polarity

_NOTHING = RetrainingMemory()


def _last(assessment: Assessment) -> RetrainingMemory:
    return assessment.retraining.last or _NOTHING


def _retraining_is_wanted(assessment: Assessment) -> bool:
    return assessment.spec.retraining is not None


def no_job_was_created(assessment: Assessment) -> ConditionValue | None:
    """No report has asked for a retraining, or each was held."""
    if _last(assessment).state is not None:
        return None
    return ConditionValue(Reason.NOT_RETRAINED_YET, "no retraining Job was created yet")


def the_job_is_refused(assessment: Assessment) -> ConditionValue | None:
    """The API server does not take the Job."""
    last = _last(assessment)
    refused = assessment.facts.refused.get(Ref("Job", last.last_job))
    if last.state is not RetrainingState.STARTING or not refused:
        return None
    words = f"the API server refuses Job {last.last_job}: {refused}"
    return ConditionValue(Reason.APPLY_REFUSED, words, "True")


def the_job_cannot_start(assessment: Assessment) -> ConditionValue | None:
    """The Job's pod does not run, for a reason that Kubernetes tells."""
    failure = pod_failures.of_job(assessment, assessment.retraining.waiting)
    return failure and failure._replace(status="True")


def it_is_under_way(assessment: Assessment) -> ConditionValue | None:
    """The Job waits or runs."""
    last = _last(assessment)
    if last.state not in UNDER_WAY:
        return None
    return ConditionValue(Reason.RETRAINING, f"Job {last.last_job} trains a challenger")


def it_failed(assessment: Assessment) -> ConditionValue | None:
    """The Job ended without a result, or was deleted."""
    last = _last(assessment)
    if last.state not in (RetrainingState.FAILED, RetrainingState.LOST):
        return None
    return ConditionValue(Reason.RETRAINING_FAILED, f"Job {last.last_job}: {last.message}", "True")


def it_came_to_a_result(assessment: Assessment) -> ConditionValue:
    """The challenger was registered, or was not better."""
    last = _last(assessment)
    version = f", version {last.last_version}" if last.last_version else ""
    return ConditionValue(Reason.RETRAINED, f"Job {last.last_job}: {last.state}{version}. {last.message}")


RETRAINING_FAILED = Chain(
    condition=Condition.RETRAINING_FAILED,
    polarity=Polarity.FALSE_IS_GOOD,
    checks=(no_job_was_created, the_job_is_refused, the_job_cannot_start, it_is_under_way, it_failed),
    otherwise=it_came_to_a_result,
    exists=_retraining_is_wanted,
)
