"""The comparison of a canary with prod on the same minutes of traffic, from counts alone.

The unit is the request: what it meets, all its rows meet together. Every minute is a block of evidence, so
the verdicts may be read every minute and acted upon at once: where requests fail independently, the chance
that a canary that is not worse is ever called worse is at most alpha, split over the checks that decide.
Where they fail in bursts, by pod and for minutes, the evidence is divided by how much more they vary than
that (`statistics.overdispersion`; simulated rates in benchmarks/README.md).

*Worse* means evidence that the difference exceeds the margin, *non-inferior* evidence that it does not,
*undecided* neither yet. Predictions are *same*, *different* or *undecided*; they inform, since a retrained
model is supposed to predict differently, and decide only where `max_shift` is set.

What would spoil these guarantees, and what is done about it:

- Choosing blocks after seeing the data: their schedule is fixed beforehand; an incomplete block waits.
- Choosing what is slow by the rows that are then tested: the threshold comes from prod's first 500 requests,
  and the minutes that gave it are not tested.
- Spending alpha on what has data: it is split over all that may ever decide.
- Traffic that is not split as configured: it passes nothing, but hides no errors, which do not depend on it.
- Outages of minutes by pod: more than a day of prod's own minutes says how uneven its failures are.
- Labels seldom come for both sides in one minute, or all at once: quality is tested in blocks of the time
  they came and the time their rows were answered, in which both have some.
- Choosing how large an error counts by the errors that are then tested (`judging.absolute_error`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging import performance, words
from driftlead_drift.judging.canary_pairs import Pair, pairs_of, slow_from
from driftlead_drift.judging.canary_verdict import (
    CanaryFindings,
    conclude,
    not_tested,
    summarize,
)
from driftlead_drift.judging.comparison import (
    Arm,
    CanaryJudgement,
    CanaryPolicy,
    Check,
    PredictionCheck,
    SplitCheck,
)
from driftlead_drift.judging.forecast import DECIDED, Compared, outlook
from driftlead_drift.statistics import sequential
from driftlead_drift.statistics.means import meeting, summed
from driftlead_drift.statistics.quality import percent
from driftlead_formats.verdicts import CanaryVerdict, PredictionShift

DECIDING: Final = 3  # errors, latency, quality
SINGLE: Final = 240  # minutes that are blocks of their own; later ones are taken by five, then by thirty
FIVES: Final = 1440


def judge_canary(prod: Arm, canary: Arm, policy: CanaryPolicy) -> CanaryJudgement:
    """Compare the arms on their common minutes.

    Raises ValueError when the arms' arrays do not cover the same minutes or bins.
    """
    _check_shapes(prod, canary)
    blocks = blocks_of(len(prod.requests))
    threshold, settled = slow_from(prod, policy)
    pairs = pairs_of(prod, canary, policy, threshold, settled)
    # Split over what may ever decide, not over what has data yet: a share once spent cannot be made smaller.
    optional = [margin for margin in (policy.max_shift, policy.log_loss_margin) if margin is not None]
    alpha = policy.alpha / (DECIDING + len(optional))
    checks = tuple(_check(pair, blocks, alpha, minutes=len(prod.requests)) for pair in pairs)
    measures = performance.compared(prod, canary, policy, alpha)
    predictions = _predictions(prod, canary, policy, blocks, alpha)
    split = _split(prod, canary, policy, alpha)
    found = CanaryFindings(checks, measures, predictions, split)
    verdict = conclude(found, policy)
    open_ = [c.requests_needed for c in checks if c.verdict == CanaryVerdict.UNDECIDED]
    open_ += [m.requests_needed for m in measures if m.verdict == CanaryVerdict.UNDECIDED]
    needed = max((n for n in open_ if n is not None), default=None) if None not in open_ else None
    return CanaryJudgement(
        verdict=verdict,
        checks=checks,
        predictions=predictions,
        split=split,
        latency_threshold_ms=threshold,
        minutes=len(prod.requests),
        requests_needed=needed if verdict == CanaryVerdict.UNDECIDED else None,
        summary=summarize(verdict, found, needed),
        not_tested=not_tested(found, (_labels(prod), _labels(canary))),
        measures=measures,
    )


def _labels(arm: Arm) -> int:
    return sum(tally.rows + tally.numbers for tally in arm.labels or ())


def _check_shapes(prod: Arm, canary: Arm) -> None:
    minutes = len(prod.requests)
    for side, arm in (("prod", prod), ("canary", canary)):
        for name in ("requests", "errors", "latency", "predictions"):
            value = getattr(arm, name)
            if value is not None and len(value) != minutes:
                raise ValueError(
                    f"{side}'s {name} cover {len(value)} minutes, prod's requests cover {minutes}"
                )
        if (np.asarray(arm.errors) > np.asarray(arm.requests)).any():
            raise ValueError(f"{side} has more errors than requests in a minute")
    for name in ("latency", "predictions"):
        a, b = getattr(prod, name), getattr(canary, name)
        if a is not None and b is not None and a.shape != b.shape:
            raise ValueError(
                f"{name} of prod and canary are counted in different bins: {a.shape} and {b.shape}"
            )


def blocks_of(minutes: int) -> NDArray[np.intp]:
    """First minute of each block, and the end of the last. The schedule is fixed before any data is seen.

    A block that is not complete yet waits: a look in its middle would be a look at another process.
    """
    singles = np.arange(0, min(minutes, SINGLE) + 1)
    fives = np.arange(SINGLE + 5, min(minutes, FIVES) + 1, 5)
    thirties = np.arange(FIVES + 30, minutes + 1, 30)
    return np.concatenate([singles, fives, thirties]).astype(np.intp)


def _in_blocks(pair: Pair, blocks: NDArray[np.intp]) -> list[NDArray[Any]]:
    """The counts summed over blocks; labels of both sides seldom come in one minute."""
    edges = meeting(pair.counts[0], pair.counts[2]) if pair.name == "quality" else blocks
    return [summed(values, edges) for values in pair.counts]


def _check(pair: Pair, blocks: NDArray[np.intp], alpha: float, *, minutes: int) -> Check:
    """The test of one pair of shares. Evidence is divided by their overdispersion, which is at least 1."""
    name, margin, varies = pair.name, pair.margin, pair.overdispersion
    n, k, m, j = arrays = _in_blocks(pair, blocks)
    total, bad, canary_total, canary_bad = (int(a.sum()) for a in arrays)
    need = float(np.log(1 / alpha))
    log_worse = float(sequential.worse(n, k, m, j, margin).max(initial=0.0)) / varies
    log_good = float(sequential.not_worse(n, k, m, j, margin).max(initial=0.0)) / varies
    # Evidence for both can only be an accident; the careful word wins.
    verdict = CanaryVerdict.UNDECIDED
    if log_worse >= need:
        verdict = CanaryVerdict.WORSE
    elif log_good >= need:
        verdict = CanaryVerdict.NON_INFERIOR
    shares = (bad / total if total else 0.0, canary_bad / canary_total if canary_total else 0.0)
    enough = min(total, canary_total) > 0
    ahead = DECIDED
    if verdict == CanaryVerdict.UNDECIDED and enough:
        both = total + canary_total
        error = varies * sum(p * (1 - p) / n for p, n in zip(shares, (total, canary_total), strict=True))
        ahead = outlook(
            Compared(shares[1] - shares[0], error, margin, both),
            missing=(need - log_worse, need - log_good),
            gain=lambda d: sequential.growth(shares[0], shares[0] + d, canary_total / both, margin) / varies,
            minutes=minutes,
        )
    ends = sequential.interval(n, k, m, j, need * varies) if enough else None
    return Check(
        name=name,
        verdict=verdict,
        prod=shares[0],
        canary=shares[1],
        prod_requests=total,
        canary_requests=canary_total,
        margin=margin,
        interval=ends,
        log_worse=log_worse,
        log_non_inferior=log_good,
        needed=need,
        overdispersion=varies,
        requests_needed=ahead.requests,
        sentence=words.canary_check(
            name,
            verdict,
            bad=(bad, total),
            canary=(canary_bad, canary_total),
            margin=margin,
            ends=ends,
            ahead=ahead.sentence,
            varies=varies,
        ),
    )


def _predictions(
    prod: Arm, canary: Arm, policy: CanaryPolicy, edges: NDArray[np.intp], alpha: float
) -> PredictionCheck:
    decides = policy.max_shift is not None
    if prod.predictions is None or canary.predictions is None:
        sentence = "Predictions are not compared: the sides were not counted in the same bins."
        return PredictionCheck(
            verdict=PredictionShift.NOT_TESTED,
            shift=0.0,
            low=0.0,
            high=1.0,
            log_different=0.0,
            decides=decides,
            sentence=sentence,
        )
    a, b = summed(prod.predictions, edges), summed(canary.predictions, edges)
    log_different = float(sequential.different(a, b).max(initial=0.0))
    total, canary_total = a.sum(axis=0), b.sum(axis=0)
    n, m = int(total.sum()), int(canary_total.sum())
    shift = float(np.abs(np.cumsum(total) / max(n, 1) - np.cumsum(canary_total) / max(m, 1)).max(initial=0.0))
    shift = shift if n and m else 0.0
    width = sequential.band(n, alpha / 2) + sequential.band(m, alpha / 2)
    low, high = max(0.0, shift - width), min(1.0, shift + width)
    if policy.max_shift is None:
        different = log_different >= np.log(1 / alpha)
        same = high < policy.same_shift
    else:
        different, same = low > policy.max_shift, high < policy.max_shift
    verdict = PredictionShift.UNDECIDED
    if same:
        verdict = PredictionShift.SAME
    elif different:
        verdict = PredictionShift.DIFFERENT
    moved = int(np.argmax(np.abs(canary_total / max(m, 1) - total / max(n, 1)))) if n and m else 0
    before = f"{percent(total[moved], n)} of prod's do"
    example = f"{percent(canary_total[moved], m)} of the canary's fall where {before}"
    return PredictionCheck(
        verdict=verdict,
        shift=shift,
        low=low,
        high=high,
        log_different=log_different,
        decides=decides,
        sentence=words.canary_predictions(verdict, shift=shift, ends=(low, high), example=example, rows=m),
    )


def _split(prod: Arm, canary: Arm, policy: CanaryPolicy, alpha: float) -> SplitCheck:
    n, m = int(np.sum(prod.requests)), int(np.sum(canary.requests))
    observed = m / (n + m) if n + m else 0.0
    if policy.split is None:
        return SplitCheck(
            mismatch=False,
            observed=observed,
            log_wrong=None,
            sentence=f"The canary got {percent(m, n + m)} of the requests; no split is configured.",
        )
    evidence = float(sequential.wrong_split(prod.requests, canary.requests, policy.split).max(initial=0.0))
    mismatch = bool(evidence >= np.log(1 / alpha))
    meant = float(np.asarray(policy.split).reshape(-1)[-1])
    judged = "which is not the split that is configured" if mismatch else "as configured"
    return SplitCheck(
        mismatch=mismatch,
        observed=observed,
        log_wrong=evidence,
        sentence=f"The canary got {percent(m, n + m)} of the requests, {judged} ({percent(meant, 1)} now).",
    )
