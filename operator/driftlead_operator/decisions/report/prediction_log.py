"""PredictionLogHealthy: how the prediction log does, by what the pods say of their spools.

Amounts are rounded, so that status stands still.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Facts
from driftlead_operator.decisions.loop import undelivered
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.report.chain import Chain, Polarity
from driftlead_operator.decisions.stage.rollout import StageDecision

# Delivery takes seconds; two minutes mean that Postgres does not take rows. It is one of health.LAG_STEPS.
LAG_SECONDS = 120
SAID_BY_PODS = (Reason.DELIVERING, Reason.LAGGING, Reason.DROPPING)


def the_log_is_off(assessment: Assessment) -> ConditionValue | None:
    """Spec asks for no log."""
    if assessment.spec.inference.prediction_log.mode != "off":
        return None
    return ConditionValue(Reason.LOG_OFF, "spec.inference.predictionLog.mode is off", "True")


def a_pod_took_rows_with_it(assessment: Assessment) -> ConditionValue | None:
    """A pod vanished within the last day with rows that it had not delivered."""
    if not assessment.undelivered.shown:
        return None
    words = "; ".join(map(undelivered.words, assessment.undelivered.shown))
    return ConditionValue(Reason.ROWS_UNDELIVERED, words)


def no_pod_has_said_anything(assessment: Assessment) -> ConditionValue | None:
    """Pods have not been asked yet; what was said before stands as long as pods serve."""
    if assessment.logs:
        return None
    before = assessment.memory.condition(Condition.PREDICTION_LOG_HEALTHY)
    reason = next((each for each in SAID_BY_PODS if before and each == before.reason), None)
    if before is None or reason is None or not assessment.prod.view.ready:
        return ConditionValue(Reason.UNKNOWN, "no pod has said anything of its log yet", "Unknown")
    return ConditionValue(reason, before.message, before.status)


def a_pod_drops_rows(assessment: Assessment) -> ConditionValue | None:
    """Predictions were answered and not logged."""
    counts = {pod: _number(log.get("dropped")) for pod, log in assessment.logs.items()}
    dropped = [f"{pod} dropped {_rounded(count)}" for pod, count in counts.items() if count]
    if not dropped:
        return None
    words = f"{'; '.join(dropped)} since it started; see spec.inference.predictionLog"
    return ConditionValue(Reason.DROPPING, words)


def rows_wait_too_long(assessment: Assessment) -> ConditionValue | None:
    """Spools are not emptied."""
    logs = assessment.logs.items()
    late = [pod for pod, log in logs if _number(log.get("lag_seconds")) > LAG_SECONDS]
    if not late:
        return None
    words = f"rows wait longer than {LAG_SECONDS // 60} minutes in {', '.join(late)}; is Postgres there?"
    return ConditionValue(Reason.LAGGING, words)


def pods_deliver(_: Assessment) -> ConditionValue:
    """Every pod that was asked delivers."""
    return ConditionValue(Reason.DELIVERING, "every pod that was asked delivers", "True")


PREDICTION_LOG_HEALTHY = Chain(
    condition=Condition.PREDICTION_LOG_HEALTHY,
    polarity=Polarity.TRUE_IS_GOOD,
    checks=(
        the_log_is_off,
        a_pod_took_rows_with_it,
        no_pod_has_said_anything,
        a_pod_drops_rows,
        rows_wait_too_long,
    ),
    otherwise=pods_deliver,
)


def logs_of(facts: Facts, stages: Sequence[StageDecision]) -> Mapping[str, Mapping[str, Any]]:
    """What the pods of both stages say of their logs, by their names."""
    if not facts.health:
        return {}
    pods = sorted(pod.name for stage in stages for pod in stage.view.pods)
    logs = {pod: objects.mapping(objects.dig(facts.health.get(pod), "log")) for pod in pods}
    return {pod: log for pod, log in logs.items() if log}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _rounded(count: float) -> str:
    """The order of magnitude, which changes rarely."""
    digits = len(str(int(count)))
    return f"{10 ** (digits - 1):,} rows or more"
