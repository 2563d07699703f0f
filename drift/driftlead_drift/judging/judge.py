"""The verdict on a window of traffic, from counts alone.

A feature is *changed* when its PSI is more than chance and the traffic's own variation between periods
explain (Benjamini-Hochberg over all features and the prediction), *drift* when it is also large (corrected
PSI of at least tau), *severe* when it is surely large (lower end of the interval above 0.25), *stable* when a
large shift can be excluded, else *insufficient*. The window drifts when a feature or the prediction does, or
when half of all features moved a little at once; the exit code is 2 when it is severe, or when `persistence`
windows in a row drift. Sources and simulated error rates: docs/explanation/drift.md.

What is easily taken for drift, or hides it:

- A window that sees part of a season differs from the whole baseline whatever happens. It is held against the
  same hours of other weeks where the baseline has enough of them; else it is insufficient and never alarms.
- No alarm is not the same as stable: with few rows nothing is significant. Stable means that a large shift is
  excluded in most features that were tested, and with too few rows only a surely large shift is believed.
- Where nearly every row holds what training never had, that decides by itself: how much periods vary is known
  from training only, and cannot tell of it.
- Overlapping windows are the same rows seen twice. Only disjoint windows of the same version count for
  persistence, and only scheduled runs: nobody advances a verdict by calling the command again and again.
- Features that follow the calendar are reported and never decide.
- Counts in the bins of another baseline, or of another model, are an error (exit 1) and not a shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from driftlead_drift.judging import over_time, window_findings, words
from driftlead_drift.judging.facts import Stretches, WindowCounts
from driftlead_drift.judging.features import (
    FeatureJudgement,
    judge_features,
    measure,
    rows_needed,
)
from driftlead_drift.judging.history import PastRun, consecutive_before, live_components
from driftlead_drift.judging.policy import Policy
from driftlead_drift.judging.reference import (
    Independence,
    choose,
)
from driftlead_drift.judging.window_findings import WindowFindings
from driftlead_formats.baseline import Baseline
from driftlead_formats.verdicts import CommandExit, DriftVerdict

SHIFTED: Final = (DriftVerdict.CHANGED, DriftVerdict.DRIFT, DriftVerdict.SEVERE)
BROAD: Final = 3  # fewer features than this are named one by one


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict, why, and what to do.

    `alarm`: this window alone shows drift.
    `consecutive`: disjoint windows in a row, this one included, that do; 0: this one does not.
    `reasons`: names of the features that decide, or "broad shift". `min_rows`: rows the rule asks for, None:
    the baseline itself is too small. `independence`: where knowledge of dependence between rows comes from.
    `expected_false_alarm_rate`: bound on the chance that a window without drift alarms.
    `stretches`: the window's counts by time, which the features' `over_time` is about.
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
    stretches: Stretches | None = None

    @property
    def independence_assumed(self) -> bool:
        """Whether rows were taken as independent without anybody having said so."""
        return self.independence == "assumed"


def judge(
    baseline: Baseline, window: WindowCounts, policy: Policy, history: Sequence[PastRun] = ()
) -> Judgement:
    """Judge a window against a baseline; `history`: earlier recorded runs, oldest first."""
    if mismatch := _mismatch(baseline, window):
        return _unmeasured(window, policy, DriftVerdict.ERROR, mismatch)
    if window.rows == 0:
        return _unmeasured(window, policy, DriftVerdict.INSUFFICIENT, words.NO_ROWS)
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
    judged = over_time.told(judged, baseline, reference, window.stretches, policy)
    return _conclude(
        WindowFindings(baseline, window, policy, reference, measured, judged, needed, with_prediction),
        history,
    )


def _unmeasured(window: WindowCounts, policy: Policy, status: DriftVerdict, summary: str) -> Judgement:
    """The end of a window in which nothing can be measured: an error, or nothing to judge yet."""
    wrong = status == DriftVerdict.ERROR
    return Judgement(
        status=status,
        exit_code=CommandExit.CANNOT_JUDGE if wrong else CommandExit.NO_DRIFT,
        summary=summary,
        what_to_do=words.MISMATCH if wrong else words.WAIT,
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


def _conclude(found: WindowFindings, history: Sequence[PastRun]) -> Judgement:
    # A season explains shares, and not what training never had.
    large = [f for f in found.deciding if f.status.is_drift and (f.beyond or not found.unseasoned)]
    severe = [f for f in large if f.status == DriftVerdict.SEVERE]
    broad = _broad(found) and not found.unseasoned
    alarm = bool(large or broad)
    window = found.window
    consecutive = 1 + consecutive_before(history, window.start, window.end, window.version) if alarm else 0
    drifted = alarm and (bool(severe) or consecutive >= found.policy.persistence)
    drift = DriftVerdict.SEVERE if severe else DriftVerdict.DRIFT
    status = drift if drifted else _calm(found, alarm=alarm)
    named = sorted(large, key=lambda f: -f.corrected)
    reasons = tuple([f.name for f in named] + (["broad shift"] if broad else [])) if alarm else ()
    return Judgement(
        status=status,
        exit_code=CommandExit.DRIFT if drifted else CommandExit.NO_DRIFT,
        summary=window_findings.summary(found, status, reasons, consecutive),
        what_to_do=window_findings.what_to_do(found, status, alarm=alarm),
        rows=window.rows,
        alarm=alarm,
        broad=broad,
        consecutive=consecutive,
        features=tuple(found.judged[: len(found.baseline.features)]),
        prediction=found.judged[-1] if found.with_prediction else None,
        reasons=reasons,
        not_tested=window_findings.not_tested(found),
        independence=found.reference.independence,
        matched=found.reference.matched,
        reference=found.reference.sentence,
        min_rows=found.needed,
        expected_false_alarm_rate=_false_alarms(found),
        policy=found.policy,
        stretches=window.stretches,
    )


def _broad(found: WindowFindings) -> bool:
    """Half of the features changed at once, and their corrected indices add up to a large one."""
    features = [f for f in found.judged[: len(found.baseline.features)] if not f.calendar]
    changed = [f for f in features if f.status in SHIFTED]
    enough = len(changed) >= max(BROAD, found.policy.broad_share * len(features))
    return enough and sum(f.corrected for f in changed) >= found.policy.broad_psi


def _calm(found: WindowFindings, *, alarm: bool) -> DriftVerdict:
    """What a window is called that does not exit 2."""
    if found.unseasoned and not alarm:
        return DriftVerdict.INSUFFICIENT
    statuses = [f.status for f in found.tested]
    if alarm or any(s in SHIFTED for s in statuses):
        return DriftVerdict.CHANGED
    known = sum(s == DriftVerdict.STABLE for s in statuses)
    return DriftVerdict.STABLE if 2 * known > len(statuses) else DriftVerdict.INSUFFICIENT


def _false_alarms(found: WindowFindings) -> float:
    """Chance that this window would alarm without drift: q bounds the rule; the plain rule's is computed."""
    if found.policy.rule == "corrected":
        return found.policy.q
    names = {f.name for f in found.deciding}
    quiet = [1 - m.law.p_value(found.policy.psi_threshold) for m in found.measured if m.bins.name in names]
    return float(1 - np.prod(quiet))
