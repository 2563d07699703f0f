"""Children that cannot be made, because a stranger has their name or the API server refuses them.

What prod needs speaks in Ready, what only the canary or the check need in their own conditions: a canary that
cannot be had must not call prod unready.
"""

from typing import Literal

from driftlead_operator.decisions import names
from driftlead_operator.decisions.facts import Ref
from driftlead_operator.decisions.reasons import Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue, Progress

Part = Literal["prod", "canary", "drift"]


def of(assessment: Assessment, part: Part) -> ConditionValue | None:
    """The first trouble of a part's children."""
    return name_taken(assessment, part) or refused(assessment, part)


def name_taken(assessment: Assessment, part: Part) -> ConditionValue | None:
    """A stranger holds a name that a child needs."""
    taken = [ref for ref in assessment.taken if _part_of(assessment, ref) == part]
    if not taken:
        return None
    found = ", ".join(f"{ref.kind} {ref.name}" for ref in taken)
    words = (
        f"{found} belongs to somebody else and is left alone; delete it, or give this resource another name"
    )
    return ConditionValue(Reason.NAME_TAKEN, words, progress=Progress.STALLED)


def refused(assessment: Assessment, part: Part) -> ConditionValue | None:
    """The API server refuses a child as it is wanted."""
    found = sorted(
        (ref, words)
        for ref, words in assessment.facts.refused.items()
        if ref in assessment.out_of_sync and _part_of(assessment, ref) == part
    )
    if not found:
        return None
    words = "; ".join(f"{ref.kind} {ref.name}: {each}" for ref, each in found)
    return ConditionValue(Reason.APPLY_REFUSED, f"the API server refuses {words}", progress=Progress.STALLED)


def _part_of(assessment: Assessment, ref: Ref) -> Part:
    name = assessment.context.name
    if ref.name in (names.of_stage(name, "canary"), names.judge(name)):
        return "canary"
    return "drift" if ref.name == names.drift_check(name) else "prod"
