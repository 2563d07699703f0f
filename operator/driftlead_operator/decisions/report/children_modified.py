"""ChildrenModified: that others set fields of our children which we do not set; only while it is so.

Pods then differ from what spec says, and neither a rollout nor an upgrade takes that back. It is no failure,
and does not touch Ready: a person may have meant it.
"""

from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.report.chain import Chain, Polarity

MOST = 8
LONGEST_FIELD = 120
LONGEST_MANAGER = 40


def _somebody_set_fields(assessment: Assessment) -> bool:
    return bool(assessment.foreign)


def they_are_named(assessment: Assessment) -> ConditionValue:
    """Object, field and manager of each, as many as a sentence can hold."""
    found = [
        f"{ref.kind} {ref.name}: {each.path[:LONGEST_FIELD]} by {each.manager[:LONGEST_MANAGER]}"
        for ref, fields in sorted(assessment.foreign.items())
        for each in fields
    ]
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    words = (
        f"others set fields that the operator does not set, so they stay: {'; '.join(found[:MOST])}{more}. "
        "Say the same in spec (spec.inference.overlay), or take it back with the tool that set it"
    )
    return ConditionValue(Reason.FOREIGN_FIELDS, words, "True")


CHILDREN_MODIFIED = Chain(
    condition=Condition.CHILDREN_MODIFIED,
    polarity=Polarity.FALSE_IS_GOOD,
    checks=(),
    otherwise=they_are_named,
    exists=_somebody_set_fields,
)
