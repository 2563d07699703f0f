"""How good predictions are by the labels that have come: canary against prod, prod against its past. Pure.

Log loss, the share of wrong predictions and the absolute error (`absolute_error`) are means of bounded
values, each request once, so their intervals hold at every look and a verdict may rest on them. AUC is not a
mean; its interval is DeLong's at this look alone, and only informs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from driftlead_drift.judging import absolute_error, words
from driftlead_drift.judging.absolute_error import predicts_numbers
from driftlead_drift.judging.comparison import Arm, CanaryPolicy, Measure, MeasureName
from driftlead_drift.judging.truth import CAP, Tally
from driftlead_drift.statistics.means import Sums, apart, difference
from driftlead_drift.statistics.overdispersion import of_difference
from driftlead_drift.statistics.ranking import Auc, auc

Tallies = Sequence[Tally]

_NORMAL_95: Final = 1.96


def compared(prod: Arm, canary: Arm, policy: CanaryPolicy, alpha: float) -> tuple[Measure, ...]:
    """Both sides over the same time: the error of numbers, else log loss and AUC.

    The share of wrong classes is a check itself.
    """
    if predicts_numbers(prod, canary):
        error = absolute_error.compared(prod, canary, policy, alpha)
        return () if error is None else (error,)
    sides = prod.labels or (), canary.labels or ()
    if not all(probable(side) for side in sides):
        return ()
    losses = _loss(sides[0]), _loss(sides[1])
    varies = of_difference(*losses)
    low, high = difference(*losses, alpha, varies)
    ends = CAP * low, CAP * high
    loss = _measure("log loss", sides, ends, policy.log_loss_margin, words.CANARY_SIDES, varies=varies)
    return (loss, *_ranked(*sides, words.CANARY_SIDES))


def changed(
    earlier: Tallies, now: Tallies, policy: CanaryPolicy, alpha: float, *, numeric: bool = False
) -> tuple[Measure, ...]:
    """Prod's performance now against its own earlier, in blocks of time that need not be the same.

    Worse: the lower bound now exceeds the upper bound of earlier by more than the margin (Podkopaev and
    Ramdas 2022); each side's bound takes half of alpha. It informs: the canary is not to blame.
    """
    if numeric or any(tally.numbers for tally in (*earlier, *now)):
        error = absolute_error.changed(earlier, now, policy, alpha)
        return () if error is None else (error,)
    if not _rows(earlier) or not _rows(now):
        return ()
    ends = apart(wrong(earlier), wrong(now), alpha)
    measures = [_measure("wrong", (earlier, now), ends, policy.quality_margin, words.OWN_SIDES)]
    if probable(earlier) and probable(now):
        low, high = apart(_loss(earlier), _loss(now), alpha)
        ends = CAP * low, CAP * high
        measures.append(_measure("log loss", (earlier, now), ends, policy.log_loss_margin, words.OWN_SIDES))
        measures += _ranked(earlier, now, words.OWN_SIDES)
    return tuple(measures)


def probable(tallies: Tallies) -> bool:
    """Whether probabilities were logged; a class of 0 or 1 alone is none."""
    return any(tally.between for tally in tallies)


def _measure(
    name: MeasureName,
    sides: tuple[Tallies, Tallies],
    ends: tuple[float, float],
    margin: float | None,
    called: tuple[str, str],
    *,
    varies: float = 1.0,
) -> Measure:
    sums = [_loss(side) if name == "log loss" else wrong(side) for side in sides]
    scale = CAP if name == "log loss" else 1.0
    verdict = None if margin is None else words.beside(margin, ends)
    first, second = (scale * side.mean for side in sums)
    rows = int(sums[0].rows.sum()), int(sums[1].rows.sum())
    return Measure(
        name=name,
        first=first,
        second=second,
        rows=rows,
        interval=ends,
        at_all_looks=True,
        margin=margin,
        verdict=verdict,
        overdispersion=varies,
        sentence=words.measure(name, (first, second), rows, called, ends, verdict=verdict, margin=margin),
    )


def _ranked(first: Tallies, second: Tallies, called: tuple[str, str]) -> list[Measure]:
    """AUC of both, where there are two classes on both sides."""
    found = [_auc(side) for side in (first, second)]
    before, now = found
    if before is None or now is None:
        return []
    ends = None
    if before.deviation is not None and now.deviation is not None:
        reach = _NORMAL_95 * (before.deviation**2 + now.deviation**2) ** 0.5
        ends = now.value - before.value - reach, now.value - before.value + reach
    rows = sum(len(t.scores) for t in first), sum(len(t.scores) for t in second)
    return [
        Measure(
            name="AUC",
            first=before.value,
            second=now.value,
            rows=rows,
            interval=ends,
            at_all_looks=False,
            margin=None,
            verdict=None,
            sentence=words.measure("AUC", (before.value, now.value), rows, called, ends),
        )
    ]


def _auc(tallies: Tallies) -> Auc | None:
    scores = [score for tally in tallies for score in tally.scores]
    return auc(scores, [flag for tally in tallies for flag in tally.positive]) if scores else None


def _rows(tallies: Tallies) -> int:
    return sum(tally.rows for tally in tallies)


def wrong(tallies: Tallies) -> Sums:
    """Each request's share of wrong predictions, by block."""
    return Sums.of(
        [tally.requests for tally in tallies],
        [tally.shares for tally in tallies],
        [tally.share_squares for tally in tallies],
    )


def _loss(tallies: Tallies) -> Sums:
    return Sums.of(
        [tally.probable for tally in tallies],
        [tally.loss for tally in tallies],
        [tally.squares for tally in tallies],
    )
