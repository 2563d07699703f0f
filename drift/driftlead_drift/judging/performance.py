"""How good predictions are by the labels that have come: canary against prod, prod against its past. Pure.

Log loss and the share of wrong predictions are means of bounded values, so their intervals hold at every look
and a verdict may rest on them. AUC is not a mean; its interval is DeLong's at this look alone, and
only informs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from driftlead_drift.judging import words
from driftlead_drift.judging.comparison import CanaryPolicy, Measure, MeasureName
from driftlead_drift.judging.truth import CAP, Tally
from driftlead_drift.statistics.means import Sums, difference, mean
from driftlead_drift.statistics.ranking import Auc, auc
from driftlead_formats.verdicts import CanaryVerdict

Tallies = Sequence[Tally]

_NORMAL_95: Final = 1.96


def compared(prod: Tallies, canary: Tallies, policy: CanaryPolicy, alpha: float) -> tuple[Measure, ...]:
    """Log loss and AUC of both sides over the same time; the share of wrong ones is a check itself."""
    measures = []
    if probable(prod) and probable(canary):
        low, high = difference(_loss(prod), _loss(canary), alpha)
        ends = CAP * low, CAP * high
        measures.append(
            _measure("log loss", (prod, canary), ends, policy.log_loss_margin, words.CANARY_SIDES)
        )
        measures += _ranked(prod, canary, words.CANARY_SIDES)
    return tuple(measures)


def changed(earlier: Tallies, now: Tallies, policy: CanaryPolicy, alpha: float) -> tuple[Measure, ...]:
    """Prod's performance now against its own earlier, in blocks of time that need not be the same.

    Worse: the lower bound now exceeds the upper bound of earlier by more than the margin (Podkopaev and
    Ramdas 2022); each side's bound takes half of alpha. It informs: the canary is not to blame.
    """
    if not _rows(earlier) or not _rows(now):
        return ()
    ends = _apart(_wrong(earlier), _wrong(now), alpha)
    measures = [_measure("wrong", (earlier, now), ends, policy.quality_margin, words.OWN_SIDES)]
    if probable(earlier) and probable(now):
        low, high = _apart(_loss(earlier), _loss(now), alpha)
        ends = CAP * low, CAP * high
        measures.append(_measure("log loss", (earlier, now), ends, policy.log_loss_margin, words.OWN_SIDES))
        measures += _ranked(earlier, now, words.OWN_SIDES)
    return tuple(measures)


def probable(tallies: Tallies) -> bool:
    """Whether probabilities were logged; a class of 0 or 1 alone is none."""
    return any(tally.between for tally in tallies)


def _apart(earlier: Sums, now: Sums, alpha: float) -> tuple[float, float]:
    before, after = mean(earlier, alpha / 2), mean(now, alpha / 2)
    return after[0] - before[1], after[1] - before[0]


def _measure(
    name: MeasureName,
    sides: tuple[Tallies, Tallies],
    ends: tuple[float, float],
    margin: float | None,
    called: tuple[str, str],
) -> Measure:
    sums = [_loss(side) if name == "log loss" else _wrong(side) for side in sides]
    scale = CAP if name == "log loss" else 1.0
    verdict = None if margin is None else _beside(margin, ends)
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
        sentence=words.measure(name, (first, second), rows, called, ends, verdict=verdict, margin=margin),
    )


def _beside(margin: float, ends: tuple[float, float]) -> CanaryVerdict:
    if ends[0] > margin:
        return CanaryVerdict.WORSE
    return CanaryVerdict.NON_INFERIOR if ends[1] < margin else CanaryVerdict.UNDECIDED


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


def _wrong(tallies: Tallies) -> Sums:
    wrong = [tally.wrong for tally in tallies]
    return Sums.of([tally.rows for tally in tallies], wrong, wrong)


def _loss(tallies: Tallies) -> Sums:
    return Sums.of(
        [tally.probable for tally in tallies],
        [tally.loss for tally in tallies],
        [tally.squares for tally in tallies],
    )
