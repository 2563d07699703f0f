"""The verdict on a window of traffic: pure, from counts alone.

A feature is *changed* when its PSI is more than chance and the traffic's own variation between periods
explain (Benjamini-Hochberg over all features and the prediction), *drift* when it is also large (corrected
PSI of at least tau), *severe* when it is surely large (lower end of the interval above 0.25), *stable* when a
large shift can be excluded, else *insufficient*. The window drifts when a feature or the prediction does, or
when half of all features moved a little at once; the exit code is 2 when it is severe, or when `persistence`
windows in a row drift. Sources and simulated error rates: docs/explanation/drift.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging import words
from driftlead_drift.judging.features import (
    FEWEST,
    FeatureJudgement,
    Measured,
    judge_features,
    measure,
    rows_needed,
)
from driftlead_drift.judging.history import PastRun, consecutive_before, live_components
from driftlead_drift.judging.policy import Policy
from driftlead_drift.judging.reference import (
    Independence,
    Reference,
    below_period,
    choose,
)
from driftlead_formats.baseline import Baseline
from driftlead_formats.verdicts import CommandExit, DriftVerdict

__all__ = ["FeatureJudgement", "Judgement", "PastRun", "Policy", "WindowCounts", "judge"]

SHIFTED: Final = (DriftVerdict.CHANGED, DriftVerdict.DRIFT, DriftVerdict.SEVERE)
BROAD: Final = 3  # fewer features than this are named one by one


@dataclass(frozen=True, kw_only=True)
class WindowCounts:
    """A window of traffic, counted in the baseline's bins.

    `features`: one vector for each feature of the baseline, in its order; `prediction`: None where not known.
    `rows`: of the window. `start`, `end`: epoch seconds, end exclusive; None where rows carry no time.
    `blocks`: optionally (blocks, bins) counts of each feature (then the prediction) by stretches of the
    window, used where the baseline knows nothing of dependence. `version`: the model version whose rows these
    are.
    `baseline_sha256`: of the baseline in whose bins they were counted; empty: of the one that is judged
    against.
    """

    features: Sequence[NDArray[Any]]
    rows: int
    prediction: NDArray[Any] | None = None
    start: float | None = None
    end: float | None = None
    blocks: Sequence[NDArray[Any]] | None = None
    version: str = ""
    baseline_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict, why, and what to do.

    `alarm`: this window alone shows drift.
    `consecutive`: disjoint windows in a row, this one included, that do; 0: this one does not.
    `reasons`: names of the features that decide, or "broad shift". `min_rows`: rows the rule asks for, None:
    the baseline itself is too small. `independence`: where knowledge of dependence between rows comes from.
    `expected_false_alarm_rate`: bound on the chance that a window without drift alarms.
    """

    status: DriftVerdict
    exit_code: CommandExit
    summary: str
    what_to_do: str
    rows: int
    alarm: bool = False
    broad: bool = False
    consecutive: int = 0
    features: tuple[FeatureJudgement, ...] = ()
    prediction: FeatureJudgement | None = None
    reasons: tuple[str, ...] = ()
    not_tested: tuple[str, ...] = ()
    independence: Independence = "assumed"
    matched: bool = False
    reference: str = ""
    min_rows: int | None = None
    expected_false_alarm_rate: float = 0.0
    policy: Policy = field(default_factory=Policy)

    @property
    def independence_assumed(self) -> bool:
        """Whether rows were taken as independent without anybody having said so."""
        return self.independence == "assumed"


def judge(
    baseline: Baseline, window: WindowCounts, policy: Policy, history: Sequence[PastRun] = ()
) -> Judgement:
    """Judge a window against a baseline; `history`: earlier recorded runs, oldest first."""
    mismatch = _mismatch(baseline, window)
    if mismatch:
        return _unmeasured(
            DriftVerdict.ERROR,
            CommandExit.CANNOT_JUDGE,
            mismatch,
            words.MISMATCH,
            window=window,
            policy=policy,
        )
    if window.rows == 0:
        return _unmeasured(
            DriftVerdict.INSUFFICIENT,
            CommandExit.NO_DRIFT,
            words.NO_ROWS,
            words.WAIT,
            window=window,
            policy=policy,
        )
    with_prediction = baseline.prediction is not None and window.prediction is not None
    bins = [*baseline.features, *([baseline.prediction] if baseline.prediction and with_prediction else [])]
    counts = [*window.features, *([window.prediction] if window.prediction is not None else [])]
    reference = choose(
        baseline,
        policy,
        window.start,
        window.end,
        counts=counts,
        rows=window.rows,
        window_blocks=window.blocks,
    )
    if reference.independence == "assumed":
        reference = live_components(reference, baseline, history, window.version)
    measured = measure(bins, counts, reference)
    needed = rows_needed(measured, reference.rows, policy)
    judged = judge_features(measured, window.rows, needed, policy, has_prediction=with_prediction)
    return _conclude(
        _Facts(baseline, window, policy, reference, measured, judged, needed, with_prediction), history
    )


@dataclass(frozen=True)
class _Facts:
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
    def unseasoned(self) -> bool:
        """The window sees part of a season and could not be matched. The plain rule does not ask."""
        known = self.reference.matched or self.policy.rule == "psi"
        return not known and below_period(self.policy, self.window.start, self.window.end)


def _unmeasured(
    status: DriftVerdict,
    exit_code: CommandExit,
    summary: str,
    what_to_do: str,
    *,
    window: WindowCounts,
    policy: Policy,
) -> Judgement:
    return Judgement(
        status=status,
        exit_code=exit_code,
        summary=summary,
        what_to_do=what_to_do,
        rows=window.rows,
        policy=policy,
    )


def _mismatch(baseline: Baseline, window: WindowCounts) -> str:
    if window.baseline_sha256 and window.baseline_sha256 != baseline.sha256:
        return (
            f"the window was counted in the bins of baseline {window.baseline_sha256[:12]}, "
            f"the model version has baseline {baseline.sha256[:12]}"
        )
    if len(window.features) != len(baseline.features):
        return (
            f"the window has {len(window.features)} features, the baseline has {len(baseline.features)}: "
            "they belong to different models"
        )
    for bins, counts in zip(baseline.features, window.features, strict=True):
        if len(counts) != bins.bin_count:
            return (
                f"feature '{bins.name}' was counted in {len(counts)} bins, the baseline has {bins.bin_count}"
            )
        if int(np.sum(counts)) != window.rows:
            return f"feature '{bins.name}' has {int(np.sum(counts)):,} counts for {window.rows:,} rows"
    return ""


def _conclude(facts: _Facts, history: Sequence[PastRun]) -> Judgement:
    severe = [f for f in facts.deciding if f.status == DriftVerdict.SEVERE]
    large = [f for f in facts.deciding if f.status.is_drift]
    broad = _broad(facts)
    alarm = bool(large or broad) and not facts.unseasoned
    window = facts.window
    consecutive = 1 + consecutive_before(history, window.start, window.end, window.version) if alarm else 0
    drifted = alarm and (bool(severe) or consecutive >= facts.policy.persistence)
    found = DriftVerdict.SEVERE if severe else DriftVerdict.DRIFT
    status = found if drifted else _calm(facts, alarm=alarm)
    named = sorted(large, key=lambda f: -f.corrected)
    reasons = tuple([f.name for f in named] + (["broad shift"] if broad else [])) if alarm else ()
    return Judgement(
        status=status,
        exit_code=CommandExit.DRIFT if drifted else CommandExit.NO_DRIFT,
        summary=_summary(facts, status, reasons, consecutive),
        what_to_do=_what_to_do(status, alarm=alarm),
        rows=window.rows,
        alarm=alarm,
        broad=broad,
        consecutive=consecutive,
        features=tuple(facts.judged[: len(facts.baseline.features)]),
        prediction=facts.judged[-1] if facts.with_prediction else None,
        reasons=reasons,
        not_tested=_not_tested(facts),
        independence=facts.reference.independence,
        matched=facts.reference.matched,
        reference=facts.reference.sentence,
        min_rows=facts.needed,
        expected_false_alarm_rate=_false_alarms(facts),
        policy=facts.policy,
    )


def _broad(facts: _Facts) -> bool:
    """Half of the features changed at once, and their corrected indices add up to a large one."""
    features = [f for f in facts.judged[: len(facts.baseline.features)] if not f.calendar]
    changed = [f for f in features if f.status in SHIFTED]
    enough = len(changed) >= max(BROAD, facts.policy.broad_share * len(features))
    return enough and sum(f.corrected for f in changed) >= facts.policy.broad_psi


def _calm(facts: _Facts, *, alarm: bool) -> DriftVerdict:
    """What a window is called that does not exit 2."""
    if facts.unseasoned:
        return DriftVerdict.INSUFFICIENT
    statuses = [f.status for f in facts.deciding]
    if alarm or any(s in SHIFTED for s in statuses):
        return DriftVerdict.CHANGED
    known = sum(s == DriftVerdict.STABLE for s in statuses)
    return DriftVerdict.STABLE if 2 * known > len(statuses) else DriftVerdict.INSUFFICIENT


def _summary(facts: _Facts, status: DriftVerdict, reasons: Sequence[str], consecutive: int) -> str:
    rows = f"{facts.window.rows:,} rows"
    if status.is_drift:
        sentences = [f"{f.name}: {f.sentence}" for f in facts.deciding if f.name == reasons[0]]
        return " ".join([f"{words.listed(reasons)} drifted in {rows}.", *sentences[:1]])
    if status == DriftVerdict.INSUFFICIENT:
        return f"insufficient: {_why_insufficient(facts)}"
    if reasons:
        seen = f"{consecutive} of {facts.policy.persistence} windows in a row"
        return f"{words.listed(reasons)} shifted in {rows}, in {seen} that a verdict of drift needs"
    if status == DriftVerdict.CHANGED:
        changed = [f.name for f in facts.deciding if f.status == DriftVerdict.CHANGED]
        return f"{words.listed(changed)} changed by more than chance in {rows}, but by little"
    unknown = [f.name for f in facts.deciding if f.status == DriftVerdict.INSUFFICIENT]
    open_ = f"; of {words.listed(unknown)} a shift cannot be excluded" if unknown else ""
    return f"no drift in {rows}{open_}"


def _why_insufficient(facts: _Facts) -> str:
    window, policy = facts.window, facts.policy
    if facts.unseasoned and window.start is not None and window.end is not None and policy.period:
        return (
            f"the window covers {words.span(window.end - window.start)}, less than its season of "
            f"{words.span(policy.period)}, and the baseline has too few weeks with times to match its hours; "
            "take a longer window, or say that there is no season (period none)"
        )
    if facts.needed is None:
        return (
            f"the baseline has only {facts.reference.rows:,} rows, too few to tell PSI {policy.tau} from "
            "chance; write one from more rows"
        )
    if window.rows < facts.needed:
        needed = f"{max(facts.needed, FEWEST):,} are needed to tell a shift of PSI {policy.tau}"
        return f"{window.rows:,} rows, {needed}"
    return (
        "the traffic varies so much between periods that in most features a large shift can be neither "
        "seen nor excluded"
    )


def _what_to_do(status: DriftVerdict, *, alarm: bool) -> str:
    if status.is_drift:
        return words.RETRAIN
    if status == DriftVerdict.INSUFFICIENT:
        return words.WAIT
    if alarm:
        return words.CONFIRM
    return words.LOOK if status == DriftVerdict.CHANGED else words.NOTHING


def _not_tested(facts: _Facts) -> tuple[str, ...]:
    """What the verdict does not cover, in words."""
    out = [f"{f.name} follows the calendar: reported, it does not decide" for f in facts.judged if f.calendar]
    out += [f"{f.name}: {x.sentence}" for f in facts.judged for x in f.findings if x.kind == "unbinned"]
    if not facts.with_prediction:
        side = "the baseline" if facts.baseline.prediction is None else "the window"
        out.append(f"the prediction: {side} has none")
    out += [f"{b.name}: differences below float32's resolution" for b in facts.baseline.features if b.lossy]
    if facts.reference.independence == "assumed":
        out.append("dependence between rows: independence assumed")
    return tuple(out)


def _false_alarms(facts: _Facts) -> float:
    """Chance that this window would alarm without drift: q bounds the rule; the plain rule's is computed."""
    if facts.policy.rule == "corrected":
        return facts.policy.q
    names = {f.name for f in facts.deciding}
    quiet = [1 - m.law.p_value(facts.policy.psi_threshold) for m in facts.measured if m.bins.name in names]
    return float(1 - np.prod(quiet))
