"""The test of each feature and what it makes of it: pure, from counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging import words
from driftlead_drift.judging.class_rates import ClassRate, moved_class
from driftlead_drift.judging.facts import OverTime
from driftlead_drift.judging.policy import Policy
from driftlead_drift.judging.reference import Reference
from driftlead_drift.statistics.deciding import Index, PopulationStability, Statistic
from driftlead_drift.statistics.dependence import Component
from driftlead_drift.statistics.intervals import Size
from driftlead_drift.statistics.multiplicity import adjust
from driftlead_drift.statistics.null import Null
from driftlead_drift.statistics.quality import Finding, findings
from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.verdicts import DriftVerdict

SEVERE_ROWS: Final = 100  # rows below which nothing is called severe: ten curls of one row are no traffic
BEYOND: Final = 0.9  # share of rows where training had none, from which that alone is drift
FEWEST_BEFORE: Final = 100  # training rows below which what they did not have says little
FEWEST: Final = 20  # rows below which PSI does not follow its law, whatever the shift
STATISTIC: Final[Statistic] = PopulationStability()  # the one that decides


@dataclass(frozen=True, kw_only=True)
class FeatureJudgement:
    """What is said of one feature, or of the prediction.

    `value` of the deciding statistic (PSI, with smoothing), `corrected` less what chance and overdispersion
    add, `interval` for the true index (at the policy's confidence), `detectable`: the value from which on
    this window could have shown a change at all.
    `reference`, `counts`: both count vectors, `contribution`: each bin's part of `value`, `labels`: the bins
    in words.
    `dof`: occupied bins less one, `noise`: 1/n + 1/m. `phi`: expected value without drift over that of
    independent rows (1 where they are), `tau2`: the additive variance between blocks. `missing`: share
    without a value, before and now. `beyond`: nearly every row lies where training had none, which decides by
    itself. `tested`: False where neither a shift nor its absence can be seen, as in an identifier.
    `over_time`: what it did within the window, where rows carry times.
    """

    name: str
    kind: str
    status: DriftVerdict
    value: float
    corrected: float
    interval: tuple[float, float]
    p_value: float
    p_adjusted: float
    detectable: float
    dof: int
    noise: float
    phi: float
    tau2: float
    missing: tuple[float, float]
    reference: NDArray[np.int64]
    counts: NDArray[np.int64]
    contribution: NDArray[np.float64]
    labels: tuple[str, ...]
    calendar: bool
    findings: tuple[Finding, ...]
    sentence: str
    beyond: bool = False
    tested: bool = True
    over_time: OverTime | None = None


@dataclass(frozen=True)
class Measured:
    """A feature with its index and its law, before anything is decided."""

    bins: FeatureBins
    reference: NDArray[np.int64]
    counts: NDArray[np.int64]
    index: Index
    law: Null
    p_value: float
    between: Component | None = None


def measure(
    bins: Sequence[FeatureBins], counts: Sequence[NDArray[Any]], reference: Reference
) -> list[Measured]:
    """Index, law and p-value of each feature."""
    out = []
    for feature, now, before, between in zip(bins, counts, reference.counts, reference.between, strict=False):
        index = STATISTIC.index(before, now, feature.open_bins)
        law = STATISTIC.law(index, between)
        out.append(
            Measured(
                feature,
                before,
                np.asarray(now, dtype=np.int64),
                index,
                law,
                law.p_value(index.value),
                between,
            )
        )
    return out


def rows_needed(measured: Sequence[Measured], reference_rows: int, policy: Policy) -> int | None:
    """Rows from which on a PSI of tau is significant in the usual feature, were rows independent.

    (1/n + 1/m) * chi2(1 - q/F; B - 1) <= tau, solved for m, with the median B of F features. None where the
    reference's n rows are too few for any m.
    """
    if policy.min_rows is not None:
        return policy.min_rows
    freedom = [m.index.freedom for m in measured if m.index.freedom > 0]
    if not freedom:
        return FEWEST
    critical = Null(float(np.median(freedom)), float(np.median(freedom))).critical(policy.q / len(measured))
    left = policy.tau / critical - 1 / max(reference_rows, 1)
    return max(FEWEST, int(np.ceil(1 / left))) if left > 0 else None


def judge_features(
    measured: Sequence[Measured], rows: int, needed: int | None, policy: Policy, *, has_prediction: bool
) -> tuple[FeatureJudgement, ...]:
    """Decide each feature; p-values are adjusted over all. `has_prediction`: the last is the prediction."""
    adjusted = adjust([m.p_value for m in measured])
    enough = needed is not None and rows >= needed
    out = []
    for i, (each, p) in enumerate(zip(measured, adjusted, strict=True)):
        extent = STATISTIC.size(each.index, each.law, policy.confidence)
        is_prediction = has_prediction and i == len(measured) - 1
        tau = policy.tau_prediction if is_prediction else policy.tau
        rate = None
        if policy.rule == "psi":
            above = each.index.value > policy.psi_threshold
            status = DriftVerdict.DRIFT if above else DriftVerdict.STABLE
        elif rows < FEWEST:
            status = DriftVerdict.INSUFFICIENT
        else:
            status = decide(
                extent, significant=bool(p <= policy.q), enough=enough, tau=tau, severe=policy.severe
            )
            status = _bounded(status, rows, beyond=is_beyond(each))
            if is_prediction and enough and not status.is_drift:
                rate = moved_class(each.bins, (each.reference, each.counts), each.between, policy)
        judged = _written(each, extent, status, p=float(p), policy=policy, tests=len(measured))
        out.append(judged if rate is None else _by_class(judged, each, rate))
    return tuple(out)


def _by_class(judged: FeatureJudgement, each: Measured, rate: ClassRate) -> FeatureJudgement:
    sentence = words.class_rate(each.bins, each.reference, each.counts, rate)
    return replace(judged, status=DriftVerdict.DRIFT, sentence=sentence, tested=True)


def decide(extent: Size, *, significant: bool, enough: bool, tau: float, severe: float) -> DriftVerdict:
    """Real and surely large, real and large, real, surely small, or not to be told.

    With too few rows only a surely large shift is believed.
    """
    if significant and extent.low > severe:
        return DriftVerdict.SEVERE
    if not enough:
        return DriftVerdict.INSUFFICIENT
    if significant:
        return DriftVerdict.DRIFT if extent.corrected >= tau else DriftVerdict.CHANGED
    return DriftVerdict.STABLE if extent.high < tau else DriftVerdict.INSUFFICIENT


def _bounded(status: DriftVerdict, rows: int, *, beyond: bool) -> DriftVerdict:
    """Severe needs rows; and rows beyond all of training are drift, however much periods vary.

    How much traffic varies between periods is estimated from training, so that it cannot tell of what
    training never had: with few periods it would hide that every row is new.
    """
    few = rows < SEVERE_ROWS
    if beyond or status == DriftVerdict.SEVERE:
        return DriftVerdict.DRIFT if few else DriftVerdict.SEVERE
    return status


def is_beyond(each: Measured) -> bool:
    """Whether nearly every row lies beyond the extremes of training, or holds what it never had."""
    share = float(each.counts[list(each.bins.open_bins)].sum()) / max(int(each.counts.sum()), 1)
    before = int(each.bins.counts.sum()) - each.bins.missing
    return before >= FEWEST_BEFORE and share >= BEYOND


def untested(each: Measured) -> str:
    """Why neither a shift nor its absence can be seen in a feature; empty where it can."""
    unbinned = [found.sentence for found in findings(each.bins, each.counts) if found.kind == "unbinned"]
    if unbinned:
        return unbinned[0]
    empty = each.bins.missing == int(each.bins.counts.sum())
    now = int(each.counts[each.bins.missing_bin]) == int(each.counts.sum())
    return "no row has a value, now as in training" if empty and now else ""


def _written(
    each: Measured, extent: Size, status: DriftVerdict, *, p: float, policy: Policy, tests: int
) -> FeatureJudgement:
    independent = STATISTIC.law(each.index).mean
    n, m = max(int(each.reference.sum()), 1), max(int(each.counts.sum()), 1)
    bin_missing = each.bins.missing_bin
    why = "" if status.is_drift or status == DriftVerdict.CHANGED else untested(each)
    if why:
        status = DriftVerdict.INSUFFICIENT
    return FeatureJudgement(
        name=each.bins.name,
        kind=each.bins.kind,
        status=status,
        value=each.index.value,
        corrected=extent.corrected,
        interval=(extent.low, extent.high),
        p_value=each.p_value,
        p_adjusted=p,
        detectable=each.law.critical(policy.q / tests),
        dof=each.index.freedom,
        noise=each.index.noise,
        phi=each.law.mean / independent if independent else 1.0,
        tau2=(each.law.mean - independent) / each.index.freedom if each.index.freedom else 0.0,
        missing=(float(each.reference[bin_missing]) / n, float(each.counts[bin_missing]) / m),
        reference=each.reference,
        counts=each.counts,
        contribution=each.index.contribution,
        labels=each.bins.labels,
        calendar=each.bins.calendar,
        findings=findings(each.bins, each.counts),
        beyond=is_beyond(each),
        tested=not why,
        sentence=f"Not tested: {why}."
        if why
        else words.feature(
            STATISTIC.title,
            each.bins,
            each.reference,
            each.counts,
            index=each.index,
            extent=extent,
            law=each.law,
            status=status,
        ),
    )
