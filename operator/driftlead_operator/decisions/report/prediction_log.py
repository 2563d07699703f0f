"""How the prediction log does, by what the pods say of their spools.

Amounts are rounded, so that status stands still.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.loop import undelivered
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue

# Delivery takes seconds; two minutes mean that Postgres does not take rows. It is one of health.LAG_STEPS.
LAG_SECONDS = 120
SAID_BY_PODS = (Reason.DELIVERING, Reason.LAGGING, Reason.DROPPING)


def value(assessment: Assessment) -> ConditionValue:
    """The log's condition."""
    if assessment.spec.inference.prediction_log.mode == "off":
        return ConditionValue(Reason.LOG_OFF, "spec.inference.predictionLog.mode is off", "True")
    if assessment.losses.status:
        return ConditionValue(
            Reason.ROWS_UNDELIVERED, "; ".join(map(undelivered.words, assessment.losses.status))
        )
    logs = dict(_logs(assessment))
    if not logs:
        return _as_before(assessment) or ConditionValue(
            Reason.UNKNOWN, "no pod has said anything of its log yet", "Unknown"
        )
    dropped = [
        f"{pod} dropped {_rounded(count)}"
        for pod, log in logs.items()
        if (count := _number(log.get("dropped")))
    ]
    if dropped:
        return ConditionValue(
            Reason.DROPPING, f"{'; '.join(dropped)} since it started; see spec.inference.predictionLog"
        )
    late = [pod for pod, log in logs.items() if _number(log.get("lag_seconds")) > LAG_SECONDS]
    if late:
        words = f"rows wait longer than {LAG_SECONDS // 60} minutes in {', '.join(late)}; is Postgres there?"
        return ConditionValue(Reason.LAGGING, words)
    return ConditionValue(Reason.DELIVERING, "every pod that was asked delivers", "True")


def _as_before(assessment: Assessment) -> ConditionValue | None:
    """What was said before, as long as pods serve: another leader has not asked them yet."""
    before = objects.condition(assessment.facts.resource, Condition.PREDICTION_LOG_HEALTHY)
    reason = next((each for each in SAID_BY_PODS if each == before.get("reason")), None)
    if reason is None or not assessment.prod.view.ready:
        return None
    return ConditionValue(reason, str(before.get("message")), str(before.get("status")))


def _logs(assessment: Assessment) -> Iterator[tuple[str, Mapping[str, Any]]]:
    stages = [assessment.prod, *([assessment.canary] if assessment.canary else [])]
    for pod in sorted(pod.name for stage in stages for pod in stage.view.pods):
        log = objects.mapping(objects.dig(assessment.facts.health.get(pod), "log"))
        if log:
            yield pod, log


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _rounded(count: float) -> str:
    """The order of magnitude, which changes rarely."""
    digits = len(str(int(count)))
    return f"{10 ** (digits - 1):,} rows or more"
