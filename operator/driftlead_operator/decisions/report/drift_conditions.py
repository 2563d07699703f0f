"""DriftDetected and DriftCheckFailed: what the last check found, and whether it could judge.

They are two, because a check that fails says nothing of the traffic: the failure must not hide drift, nor
look like it. Both exist while spec asks for checks, and neither touches Ready.
"""

from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.memory.loop import DriftMemory
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.report.chain import Chain, Polarity

_NO_CHECK = DriftMemory()


def _last(assessment: Assessment) -> DriftMemory:
    return assessment.drift.last or _NO_CHECK


def _checks_are_wanted(assessment: Assessment) -> bool:
    return assessment.spec.drift is not None


def no_check_has_judged(assessment: Assessment) -> ConditionValue | None:
    """There is no verdict."""
    if _last(assessment).verdict not in (None, DriftVerdict.ERROR):
        return None
    return ConditionValue(Reason.NOT_CHECKED_YET, "no check has given a verdict yet", "Unknown")


def another_version_was_checked(assessment: Assessment) -> ConditionValue | None:
    """The verdict is about a version that serves no longer."""
    checked, served = _last(assessment).version, assessment.prod.served
    if not served or checked == served:
        return None
    words = f"the last check was of version {checked or None}; {served} serves now"
    return ConditionValue(Reason.NOT_CHECKED_YET, words, "Unknown")


def it_drifts(assessment: Assessment) -> ConditionValue | None:
    """Traffic is unlike the training data."""
    last = _last(assessment)
    if last.verdict is None or not last.verdict.is_drift:
        return None
    return ConditionValue(Reason.DRIFT_FOUND, last.message or f"verdict {last.verdict}", "True")


def there_is_too_little_data(assessment: Assessment) -> ConditionValue | None:
    """Too few rows, or too short a time."""
    last = _last(assessment)
    if last.verdict is not DriftVerdict.INSUFFICIENT:
        return None
    return ConditionValue(Reason.NOT_ENOUGH_DATA, last.message or "too little data to judge", "Unknown")


def it_does_not_drift(assessment: Assessment) -> ConditionValue:
    """Traffic is like the training data, or differs too little to matter."""
    last = _last(assessment)
    return ConditionValue(Reason.NO_DRIFT, last.message or f"verdict {last.verdict}", "False")


DRIFT_DETECTED = Chain(
    condition=Condition.DRIFT_DETECTED,
    polarity=Polarity.FALSE_IS_GOOD,
    checks=(no_check_has_judged, another_version_was_checked, it_drifts, there_is_too_little_data),
    otherwise=it_does_not_drift,
    exists=_checks_are_wanted,
)


def no_check_has_run(assessment: Assessment) -> ConditionValue | None:
    """There was no check."""
    if _last(assessment).verdict is not None:
        return None
    return ConditionValue(Reason.NOT_CHECKED_YET, "no check has run yet", "False")


def the_check_failed(assessment: Assessment) -> ConditionValue | None:
    """The last check ended without a verdict."""
    last = _last(assessment)
    if last.verdict is not DriftVerdict.ERROR:
        return None
    return ConditionValue(Reason.CHECK_FAILED, last.message or "the check gave no verdict", "True")


def the_check_judged(assessment: Assessment) -> ConditionValue:
    """The last check gave a verdict."""
    ended = _last(assessment).last_run
    words = f"the check of {objects.stamp(ended) if ended else None} gave a verdict"
    return ConditionValue(Reason.CHECKED, words, "False")


DRIFT_CHECK_FAILED = Chain(
    condition=Condition.DRIFT_CHECK_FAILED,
    polarity=Polarity.FALSE_IS_GOOD,
    checks=(no_check_has_run, the_check_failed),
    otherwise=the_check_judged,
    exists=_checks_are_wanted,
)
