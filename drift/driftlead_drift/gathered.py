"""What a check needs before it can judge, wherever it came from."""

from collections.abc import Sequence
from dataclasses import dataclass

from driftlead_data.baseline import Baseline
from driftlead_drift.judge import WindowCounts
from driftlead_drift.report.document import Subject
from driftlead_drift.runs import Run
from driftlead_drift.windows import Traffic, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A window in the baseline's bins, and its history, oldest first.

    `traffic`: whose rows they are, None for a file. `first_window`: set where the baseline was made of it
    just now.
    """

    subject: Subject
    baseline: Baseline
    window: WindowCounts
    history: Sequence[Run] = ()
    traffic: Traffic | None = None
    first_window: Window | None = None
