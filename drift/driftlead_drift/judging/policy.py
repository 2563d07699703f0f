"""The rule of the drift check: every threshold with its default and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Rule = Literal["corrected", "psi"]
DAY: Final = 86_400.0


REASONS: Final = {
    "rule": "`psi` is the plain rule PSI > psi_threshold, whose false alarms depend on rows",
    "q": "chance of any alarm in a window in which nothing drifted: about one in two years of weeks",
    "tau": "PSI of a mean shift of a third of a standard deviation: smaller ones rarely harm a model",
    "tau_prediction": "as tau, for the model's own answers",
    "class_ratio": "a rare class that surely comes more than twice as often is twice the work for somebody",
    "severe": "PSI of half a standard deviation; where it is surely larger, one window is enough",
    "persistence": "windows in a row, not overlapping: what passes by itself retrains nothing",
    "confidence": "of the interval for the true PSI, whose lower end decides `severe`",
    "broad_share": "share of features changed at once that makes many small shifts a large one",
    "broad_psi": "sum of the corrected PSI that a broad shift must reach",
    "psi_threshold": "the plain rule's constant, as commonly quoted",
    "period": "season of traffic: a window that sees only part of it always differs; None: it has none",
    "window": "length taken for a window whose rows carry no time",
    "min_rows": "None: as many as make a PSI of tau significant, from the rows of both sides",
    "assume_independent": "True: the user says that rows do not depend on one another",
}
"""Why each threshold has its default, by name."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Thresholds of a check, the reasons for their defaults in `REASONS`. Times are in seconds.

    Raises ValueError with a sentence when a value makes no sense.
    """

    rule: Rule = "corrected"
    q: float = 0.01
    tau: float = 0.10
    tau_prediction: float = 0.10
    class_ratio: float = 2.0
    severe: float = 0.25
    persistence: int = 2
    confidence: float = 0.90
    broad_share: float = 0.5
    broad_psi: float = 0.3
    psi_threshold: float = 0.2
    period: float | None = 7 * DAY
    window: float = 7 * DAY
    min_rows: int | None = None
    assume_independent: bool = False

    def __post_init__(self) -> None:
        for name in ("q", "confidence", "broad_share"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, it is {getattr(self, name)}")
        for name in ("tau", "tau_prediction", "severe", "broad_psi", "psi_threshold", "window"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, it is {getattr(self, name)}")
        self._check_bounds()

    def _check_bounds(self) -> None:
        if not self.class_ratio > 1:
            raise ValueError(f"class_ratio must be above 1, it is {self.class_ratio}")
        if self.severe < self.tau:
            raise ValueError(f"severe ({self.severe}) must not be below tau ({self.tau})")
        if self.persistence < 1:
            raise ValueError(f"persistence must be 1 window or more, it is {self.persistence}")
        if self.rule not in ("corrected", "psi"):
            raise ValueError(f"rule must be 'corrected' or 'psi', it is {self.rule!r}")
        if self.period is not None and not self.period > 0:
            raise ValueError(f"period must be above 0 seconds or none, it is {self.period}")
        if self.min_rows is not None and self.min_rows < 0:
            raise ValueError(f"min_rows must not be negative, it is {self.min_rows}")
