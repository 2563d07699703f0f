"""All that the verdict on a window rests on, and what it says of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driftlead_drift.judging import words
from driftlead_drift.judging.facts import WindowCounts
from driftlead_drift.judging.features import FEWEST, FeatureJudgement, Measured
from driftlead_drift.judging.policy import Policy
from driftlead_drift.judging.reference import Reference, below_period
from driftlead_formats.baseline import Baseline
from driftlead_formats.verdicts import DriftVerdict


@dataclass(frozen=True)
class WindowFindings:
    """Everything that the conclusion rests on. `judged` ends with the prediction if `with_prediction`."""

    baseline: Baseline
    window: WindowCounts
    policy: Policy
    reference: Reference
    measured: Sequence[Measured]
    judged: Sequence[FeatureJudgement]
    needed: int | None
    with_prediction: bool

    @property
    def deciding(self) -> list[FeatureJudgement]:
        """All but the features that move with the calendar by nature."""
        return [f for f in self.judged if not f.calendar]

    @property
    def tested(self) -> list[FeatureJudgement]:
        """Of the deciding ones those in which a shift could be seen."""
        return [f for f in self.deciding if f.tested]

    @property
    def unseasoned(self) -> bool:
        """The window sees part of a season and could not be matched. The plain rule does not ask."""
        known = self.reference.matched or self.policy.rule == "psi"
        return not known and below_period(self.policy, self.window.start, self.window.end)


def summary(found: WindowFindings, status: DriftVerdict, reasons: Sequence[str], consecutive: int) -> str:
    """The verdict in a sentence or two, with the numbers that decided."""
    rows = f"{found.window.rows:,} rows"
    if status.is_drift:
        sentences = [f"{words.named(f.name)}: {f.sentence}" for f in found.deciding if f.name == reasons[0]]
        return " ".join(
            [f"{words.listed(reasons)} drifted in {rows}.", *sentences[:1], *_when(found, reasons)]
        )
    if status == DriftVerdict.INSUFFICIENT:
        return f"insufficient: {_why_insufficient(found)}"
    if reasons:
        seen = f"{consecutive} of {found.policy.persistence} windows in a row"
        shifted = f"{words.listed(reasons)} shifted in {rows}, in {seen} that a verdict of drift needs"
        return ". ".join([shifted, *(each.removesuffix(".") for each in _when(found, reasons))])
    if status == DriftVerdict.CHANGED:
        changed = [f.name for f in found.deciding if f.status == DriftVerdict.CHANGED]
        return f"{words.listed(changed)} changed by more than chance in {rows}, but by little"
    unknown = [f.name for f in found.tested if f.status == DriftVerdict.INSUFFICIENT]
    open_ = f"; of {words.listed(unknown)} a shift cannot be excluded" if unknown else ""
    return f"no drift in {rows}{open_}"


def _when(found: WindowFindings, reasons: Sequence[str]) -> list[str]:
    """Since when the first of the reasons is one, as a sentence, where that can be told."""
    told = [f.over_time.sentence for f in found.deciding if f.name == reasons[0] and f.over_time is not None]
    return [f"{sentence}." for sentence in told[:1] if sentence]


def _why_insufficient(found: WindowFindings) -> str:
    window, policy = found.window, found.policy
    if not found.tested:
        reasons = [
            f"{words.named(f.name)}: {f.sentence.removeprefix('Not tested: ')}" for f in found.deciding
        ]
        return f"nothing could be tested. {' '.join(reasons[:3])}".rstrip()
    if found.unseasoned and window.start is not None and window.end is not None and policy.period:
        return (
            f"the window covers {words.span(window.end - window.start)}, less than its season of "
            f"{words.span(policy.period)}, and the baseline has too few weeks with times to match its hours; "
            "take a longer window, or say that there is no season (period none)"
        )
    if found.needed is None:
        return (
            f"the baseline has only {found.reference.rows:,} rows, too few to tell PSI {policy.tau} from "
            "chance; write one from more rows"
        )
    if window.rows < found.needed:
        needed = f"{max(found.needed, FEWEST):,} are needed to tell a shift of PSI {policy.tau}"
        return f"{window.rows:,} rows, {needed}"
    if not any(found.reference.between):
        return (
            f"with {window.rows:,} rows a large shift can be neither seen nor excluded in most features; "
            "more rows tell"
        )
    return (
        "the traffic varies so much between periods that in most features a large shift can be neither "
        "seen nor excluded"
    )


def what_to_do(found: WindowFindings, status: DriftVerdict, *, alarm: bool) -> str:
    """What a person should do now."""
    if not found.tested:
        return words.NAME_FEATURES
    if status.is_drift:
        return words.RETRAIN
    if status == DriftVerdict.INSUFFICIENT:
        return words.WAIT
    if alarm:
        return words.CONFIRM
    return words.LOOK if status == DriftVerdict.CHANGED else words.NOTHING


def not_tested(found: WindowFindings) -> tuple[str, ...]:
    """What the verdict does not cover, in words."""
    out = [
        f"{words.named(f.name)} follows the calendar: reported, it does not decide"
        for f in found.judged
        if f.calendar
    ]
    out += [
        f"{words.named(f.name)}: {f.sentence.removeprefix('Not tested: ')}"
        for f in found.judged
        if not f.tested
    ]
    if not found.with_prediction:
        side = "the baseline" if found.baseline.prediction is None else "the window"
        out.append(f"the prediction: {side} has none")
    out += [
        f"{words.named(b.name)}: differences below float32's resolution"
        for b in found.baseline.features
        if b.lossy
    ]
    if found.reference.independence == "assumed":
        out.append("dependence between rows: independence assumed")
    return tuple(out)
