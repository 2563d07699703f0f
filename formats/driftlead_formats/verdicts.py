"""The words in which a check, a comparison and a retraining end: one enum for each, for writer and reader.

A member is its own text, so that it may stand in JSON, SQL and a metric's label as it is.
"""

from enum import IntEnum, StrEnum


class DriftVerdict(StrEnum):
    """What a check found in a window, or in one of its features; docs/explanation/drift.md defines each."""

    STABLE = "stable"
    CHANGED = "changed"
    DRIFT = "drift"
    SEVERE = "severe"
    INSUFFICIENT = "insufficient"
    ERROR = "error"

    @property
    def is_drift(self) -> bool:
        """Whether it raises an alarm and may start a retraining."""
        return self in (DriftVerdict.DRIFT, DriftVerdict.SEVERE)

    @property
    def is_judgement(self) -> bool:
        """Whether it says something of the traffic: a check that could not tell, or failed, does not."""
        return self not in (DriftVerdict.INSUFFICIENT, DriftVerdict.ERROR)


class CanaryVerdict(StrEnum):
    """What a comparison says of a canary's errors, latency or quality, or of all of them together."""

    WORSE = "worse"
    NON_INFERIOR = "non-inferior"
    UNDECIDED = "undecided"


class PredictionShift(StrEnum):
    """What a comparison says of a canary's predictions. It informs, unless a largest shift is set."""

    SAME = "same"
    DIFFERENT = "different"
    UNDECIDED = "undecided"
    NOT_TESTED = "not tested"


class RetrainingResult(StrEnum):
    """How a retraining ended that could say so itself."""

    REGISTERED = "Registered"
    NOT_BETTER = "NotBetter"
    FAILED = "Failed"


class CommandExit(IntEnum):
    """The exit codes of `driftlead-drift`: scripts and CronJobs branch on them.

    Python's own 2 for a wrong argument is mapped to CANNOT_JUDGE, because 2 starts a retraining.
    """

    NO_DRIFT = 0
    CANNOT_JUDGE = 1
    DRIFT = 2
