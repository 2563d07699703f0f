"""What a condition is made of: checks in an order, of which the first that finds something speaks.

Read a chain as a table of contents: what stands above hides what stands below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from driftlead_operator.decisions.reasons import Condition
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue

Check = Callable[[Assessment], ConditionValue | None]


class Polarity(Enum):
    """Which status of a condition is the good one; Unknown is neither."""

    TRUE_IS_GOOD = "True"
    FALSE_IS_GOOD = "False"


def always(_: Assessment) -> bool:
    """For conditions that every resource has."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One condition: `otherwise` speaks where no check does, and the condition is there while it `exists`."""

    condition: Condition
    polarity: Polarity
    checks: tuple[Check, ...]
    otherwise: Callable[[Assessment], ConditionValue]
    exists: Callable[[Assessment], bool] = always

    def value(self, assessment: Assessment) -> ConditionValue:
        """What the condition says."""
        values = (check(assessment) for check in self.checks)
        return next((value for value in values if value), None) or self.otherwise(assessment)
