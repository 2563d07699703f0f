"""The conditions of a resource, with the time since when each is as it is.

Ready is the one to wait for: true when prod serves what is wanted on all pods. Reconciling and Stalled are
derived from it for kstatus (`kubectl wait`, Flux, Argo CD) and are there only while they are true. The others
each have a chain, with its polarity and life span written beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.memory.status import StatusCondition
from driftlead_operator.decisions.reasons import Condition
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue, Progress
from driftlead_operator.decisions.report.available import AVAILABLE
from driftlead_operator.decisions.report.canary_healthy import CANARY_HEALTHY
from driftlead_operator.decisions.report.children_modified import CHILDREN_MODIFIED
from driftlead_operator.decisions.report.drift_conditions import DRIFT_CHECK_FAILED, DRIFT_DETECTED
from driftlead_operator.decisions.report.prediction_log import PREDICTION_LOG_HEALTHY
from driftlead_operator.decisions.report.retraining_failed import RETRAINING_FAILED

LONGEST_MESSAGE = 2048
DERIVED = {Progress.IN_PROGRESS: Condition.RECONCILING, Progress.STALLED: Condition.STALLED}
CHAINS = (
    AVAILABLE,
    CANARY_HEALTHY,
    DRIFT_DETECTED,
    DRIFT_CHECK_FAILED,
    RETRAINING_FAILED,
    PREDICTION_LOG_HEALTHY,
    CHILDREN_MODIFIED,
)


def of(assessment: Assessment, ready: ConditionValue) -> tuple[StatusCondition, ...]:
    """All conditions of a resource."""
    generation = objects.generation(assessment.facts.resource)
    known, now = assessment.memory.conditions, assessment.facts.now
    return settle(known, dict(_values(assessment, ready)), generation, now)


def _values(assessment: Assessment, ready: ConditionValue) -> Iterator[tuple[Condition, ConditionValue]]:
    yield Condition.READY, ready
    if derived := DERIVED.get(ready.progress):
        yield derived, ready._replace(status="True")
    for chain in CHAINS:
        if chain.exists(assessment):
            yield chain.condition, chain.value(assessment)


def settle(
    before: Sequence[StatusCondition],
    values: Mapping[Condition, ConditionValue],
    generation: int,
    now: datetime,
) -> tuple[StatusCondition, ...]:
    """Values as conditions, in the order of the enum; the time moves only when a condition's status does."""
    known = {each.type: each for each in before}
    return tuple(
        StatusCondition(
            type=str(condition),
            status=value.status,
            observed_generation=generation,
            reason=str(value.reason),
            message=objects.one_line(value.message, LONGEST_MESSAGE),
            last_transition_time=_since(known.get(condition), value, now),
        )
        for condition in Condition
        if (value := values.get(condition)) is not None
    )


def _since(before: StatusCondition | None, value: ConditionValue, now: datetime) -> str:
    same = before is not None and before.status == value.status
    return (before.last_transition_time if before and same else "") or objects.stamp(now)
