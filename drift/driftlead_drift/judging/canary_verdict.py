"""What the findings on a canary come to: the verdict, its sentence, and what was not tested. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from driftlead_drift.judging import words
from driftlead_drift.judging.comparison import (
    CanaryPolicy,
    Check,
    Measure,
    PredictionCheck,
    SplitCheck,
)
from driftlead_formats.verdicts import CanaryVerdict, PredictionShift


@dataclass(frozen=True, slots=True)
class CanaryFindings:
    """All that was compared."""

    checks: tuple[Check, ...]
    measures: tuple[Measure, ...]
    predictions: PredictionCheck
    split: SplitCheck

    @property
    def deciding(self) -> list[tuple[str, CanaryVerdict, str]]:
        """Name, verdict and sentence of whatever decides by itself."""
        checks: list[tuple[str, CanaryVerdict, str]] = [(c.name, c.verdict, c.sentence) for c in self.checks]
        return checks + [(m.check, m.verdict, m.sentence) for m in self.measures if m.verdict is not None]


def conclude(found: CanaryFindings, policy: CanaryPolicy) -> CanaryVerdict:
    """Worse if anything that decides is, non-inferior if all of it is, else undecided.

    Traffic that is not split as configured may be other traffic: it proves nothing good, and no shift of the
    predictions. Failures that go beyond the margin are worse whatever the split.
    """
    said = {verdict for _, verdict, _ in found.deciding}
    if CanaryVerdict.WORSE in said:
        return CanaryVerdict.WORSE
    if found.split.mismatch:
        return CanaryVerdict.UNDECIDED
    if policy.max_shift is not None and found.predictions.verdict == PredictionShift.DIFFERENT:
        return CanaryVerdict.WORSE
    settled = policy.max_shift is None or found.predictions.verdict == PredictionShift.SAME
    told = policy.log_loss_margin is None or any(m.name == "log loss" for m in found.measures)
    good = settled and told and said == {CanaryVerdict.NON_INFERIOR}
    return CanaryVerdict.NON_INFERIOR if good else CanaryVerdict.UNDECIDED


def summarize(verdict: CanaryVerdict, found: CanaryFindings, needed: int | None) -> str:
    """The verdict in one sentence or two. `needed`: more requests that should tell; None: not to
    be foreseen."""
    if found.split.mismatch and verdict == CanaryVerdict.UNDECIDED:
        return f"undecided: {found.split.sentence} Compare again when traffic is split as meant."
    by = {v: [name for name, s, _ in found.deciding if s == v] for v in CanaryVerdict}
    if verdict == CanaryVerdict.WORSE:
        names: list[str] = [*by[CanaryVerdict.WORSE]] or ["predictions"]
        first = next(
            (sentence for _, s, sentence in found.deciding if s == CanaryVerdict.WORSE),
            found.predictions.sentence,
        )
        return f"the canary is worse in {words.listed(names)}. {first}"
    if verdict == CanaryVerdict.NON_INFERIOR:
        return f"the canary is not worse than prod in {words.listed(by[CanaryVerdict.NON_INFERIOR])}"
    if not by[CanaryVerdict.UNDECIDED]:
        return f"undecided: {found.predictions.sentence}"
    more = (
        f"about {needed:,} more requests should tell"
        if needed is not None
        else "how many more requests are needed cannot be foreseen"
    )
    return f"undecided in {words.listed(by[CanaryVerdict.UNDECIDED])}: {more}"


def not_tested(found: CanaryFindings, labels: tuple[int, int]) -> tuple[str, ...]:
    """What could not be compared, and why. `labels`: how many have come for prod and for the canary."""
    tested = {name for name, _, _ in found.deciding}
    out = [] if "latency" in tested else [words.NO_LATENCY]
    if "quality" not in tested:
        out.append(words.no_quality(*labels))
    elif not found.measures:
        out.append(words.NO_PROBABILITIES)
    unseen = found.predictions.verdict == PredictionShift.NOT_TESTED
    return (*out, found.predictions.sentence) if unseen else tuple(out)
