"""Available: whether prod answers at all. It says nothing of which version, nor of what is wanted."""

from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.report.chain import Chain, Polarity


def no_pod_answers(assessment: Assessment) -> ConditionValue | None:
    """Prod has no ready pod."""
    if assessment.prod.view.ready:
        return None
    return ConditionValue(Reason.NO_READY_PODS, "no pod of prod answers")


def prod_answers(assessment: Assessment) -> ConditionValue:
    """With some version, perhaps with two during a rollout."""
    versions = ", ".join(sorted({pod.version for pod in assessment.prod.view.ready}))
    return ConditionValue(Reason.SERVING, f"prod answers with version {versions}", "True")


AVAILABLE = Chain(
    condition=Condition.AVAILABLE,
    polarity=Polarity.TRUE_IS_GOOD,
    checks=(no_pod_answers,),
    otherwise=prod_answers,
)
