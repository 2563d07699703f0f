"""DriftDetected and DriftCheckFailed: what the last check found, and whether it could judge or even start.

They are two, because a check that fails says nothing of the traffic: the failure must not hide drift, nor
look like it. Both exist while spec asks for checks, and neither touches Ready. A verdict that a later check
left standing is said with the time that it is of, and how long before that check; not with its age of now,
since status is not written by the passing of time.
"""

from datetime import UTC, timedelta

from driftlead_formats.durations import in_words
from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.memory.loop import DriftCheck
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report import pod_failures, unmade_children
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.report.chain import Chain, Polarity

_NO_CHECK = DriftCheck()


def _last(assessment: Assessment) -> DriftCheck:
    memory = assessment.drift.memory
    return memory.last if memory else _NO_CHECK


def _standing(assessment: Assessment) -> DriftCheck:
    memory = assessment.drift.memory
    return memory.standing if memory else _NO_CHECK


def _said(assessment: Assessment, otherwise: str) -> str:
    """What the check said whose verdict stands; of an older one also when, and what the last check did."""
    standing, last = _standing(assessment), _last(assessment)
    words = standing.message or otherwise
    if standing is last or standing.last_run is None or last.last_run is None:
        return words
    at, gap = standing.last_run.astimezone(UTC), last.last_run - standing.last_run
    later = in_words(gap - gap % timedelta(minutes=1) or gap)
    did = "failed" if last.verdict is DriftVerdict.ERROR else "could not tell"
    why = f": {last.message}" if last.message else ""
    return f"as of {at:%Y-%m-%d %H:%M} UTC: {words.rstrip('.')}. The last check, {later} later, {did}{why}"


def _checks_are_wanted(assessment: Assessment) -> bool:
    return assessment.spec.drift is not None


def no_check_has_judged(assessment: Assessment) -> ConditionValue | None:
    """There is no verdict."""
    if _standing(assessment).verdict not in (None, DriftVerdict.ERROR):
        return None
    words = "no check of the version that serves has given a verdict yet"
    return ConditionValue(Reason.NOT_CHECKED_YET, words, "Unknown")


def another_version_was_checked(assessment: Assessment) -> ConditionValue | None:
    """The verdict is about a version that serves no longer."""
    checked, served = _standing(assessment).version, assessment.prod.served
    if not served or checked == served:
        return None
    words = f"the last verdict is of version {checked or '(unknown)'}; {served} serves now"
    return ConditionValue(Reason.NOT_CHECKED_YET, words, "Unknown")


def it_drifts(assessment: Assessment) -> ConditionValue | None:
    """Traffic is unlike the training data."""
    verdict = _standing(assessment).verdict
    if verdict is None or not verdict.is_drift:
        return None
    return ConditionValue(Reason.DRIFT_FOUND, _said(assessment, f"verdict {verdict}"), "True")


def there_is_too_little_data(assessment: Assessment) -> ConditionValue | None:
    """Too few rows, or too short a time."""
    if _standing(assessment).verdict is not DriftVerdict.INSUFFICIENT:
        return None
    words = _said(assessment, "too little data to judge").rstrip(".") + _earlier(assessment)
    return ConditionValue(Reason.NOT_ENOUGH_DATA, words, "Unknown")


def _earlier(assessment: Assessment) -> str:
    """The last verdict before a check that could not tell."""
    memory = assessment.drift.memory
    kept = memory.kept if memory and memory.standing is memory.last else None
    if kept is None or kept.last_run is None:
        return ""
    return f"; the last verdict was {kept.verdict}, at {kept.last_run.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def it_does_not_drift(assessment: Assessment) -> ConditionValue:
    """Traffic is like the training data, or differs too little to matter."""
    words = _said(assessment, f"verdict {_standing(assessment).verdict}")
    return ConditionValue(Reason.NO_DRIFT, words, "False")


DRIFT_DETECTED = Chain(
    condition=Condition.DRIFT_DETECTED,
    polarity=Polarity.FALSE_IS_GOOD,
    checks=(no_check_has_judged, another_version_was_checked, it_drifts, there_is_too_little_data),
    otherwise=it_does_not_drift,
    exists=_checks_are_wanted,
)


def no_check_can_be_made(assessment: Assessment) -> ConditionValue | None:
    """A stranger has the name of the CronJob, or the API server refuses it."""
    trouble = unmade_children.of(assessment, "drift")
    return trouble and trouble._replace(status="True")


def the_check_cannot_start(assessment: Assessment) -> ConditionValue | None:
    """The pod of the check under way does not run, for a reason that Kubernetes tells."""
    failure = pod_failures.of_job(assessment, assessment.drift.waiting)
    return failure and failure._replace(status="True")


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
    """The last check came to its end."""
    last = _last(assessment)
    did = "could not tell" if last.verdict is DriftVerdict.INSUFFICIENT else "gave a verdict"
    words = f"the check of {objects.stamp(last.last_run) if last.last_run else None} {did}"
    return ConditionValue(Reason.CHECKED, words, "False")


DRIFT_CHECK_FAILED = Chain(
    condition=Condition.DRIFT_CHECK_FAILED,
    polarity=Polarity.FALSE_IS_GOOD,
    checks=(no_check_can_be_made, the_check_cannot_start, no_check_has_run, the_check_failed),
    otherwise=the_check_judged,
    exists=_checks_are_wanted,
)
