"""Verdicts in words: what was seen, with the numbers, for people who do not know the statistics. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.class_rates import ClassRate
from driftlead_drift.statistics.deciding import Index
from driftlead_drift.statistics.intervals import Size
from driftlead_drift.statistics.null import Null
from driftlead_drift.statistics.quality import percent
from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.durations import DAY, MINUTE
from driftlead_formats.verdicts import CanaryVerdict, DriftVerdict, PredictionShift

MISMATCH: Final = "check against the baseline of the version that made these rows"
NO_ROWS: Final = "insufficient: no rows in the window"
WAIT: Final = "wait for traffic, or look at a longer window"
NAME_FEATURES: Final = "write a baseline of the columns that the model uses, without identifiers"
LOOK: Final = "nothing to do; keep an eye on the features named"
NOTHING: Final = "nothing to do"
RETRAIN: Final = "look at the features named: repair the data if it is broken, else retrain on newer data"
CONFIRM: Final = "nothing yet: the next window that does not overlap this one decides"


def feature(
    title: str,
    bins: FeatureBins,
    reference: NDArray[Any],
    counts: NDArray[Any],
    *,
    index: Index,
    extent: Size,
    law: Null,
    status: DriftVerdict,
) -> str:
    """One sentence on a feature: the bin that moved most, and how large and how sure the shift is.

    `title`: the statistic's.
    """
    measure = f"{title} {number(index.value)}"
    chance = f"{number(law.mean)} is expected without drift"
    if index.value == 0 and index.occupied == 1:
        return "Every row falls into one bin, now as in training."
    if status == DriftVerdict.STABLE:
        return f"No shift: {measure}, {chance}."
    if status == DriftVerdict.INSUFFICIENT:
        hidden = "any size" if not np.isfinite(extent.high) else f"up to {number(extent.high)}"
        return f"Cannot be told: {measure}, {chance}; a true shift of {hidden} could hide in that."
    moved = moved_most(bins, reference, counts, index)
    return f"{moved}: {measure} ({number(extent.low)} to {number(extent.high)}), {chance}."


def moved_most(bins: FeatureBins, reference: NDArray[Any], counts: NDArray[Any], index: Index) -> str:
    """The bin with the largest contribution: its share now and in training."""
    k = int(np.argmax(index.contribution))
    now, before = percent(int(counts[k]), int(counts.sum())), percent(int(reference[k]), int(reference.sum()))
    return f"{now} of the rows {which(bins, k)}, {before} in training"


def class_rate(bins: FeatureBins, reference: NDArray[Any], counts: NDArray[Any], rate: ClassRate) -> str:
    """One sentence on a class that is predicted far more often than in training, or far more seldom."""
    k = rate.bin
    now, before = percent(int(counts[k]), int(counts.sum())), percent(int(reference[k]), int(reference.sum()))
    seen = f"{now} of the rows {which(bins, k)}, {before} in training"
    if not np.isfinite(rate.high):
        return f"{seen}: surely more than {rate.low:.2g} times as often."
    return f"{seen}: {rate.ratio:.2g} times as often (surely {rate.low:.2g} to {rate.high:.2g} times)."


def which(bins: FeatureBins, k: int) -> str:
    """The rows of bin `k` as the end of a sentence."""
    if k == bins.missing_bin:
        return "have no value"
    if k == bins.missing_bin + 1:
        return "hold a value that training did not have or seldom had"
    label = bins.labels[k]
    if bins.kind == "categorical":
        return f"are '{label}'"
    if k == 0:
        return "lie below everything in training" if bins.minimum is None else f"lie below {bins.minimum:.6g}"
    if k == bins.interior + 1:
        return "lie above everything in training" if bins.maximum is None else f"lie above {bins.maximum:.6g}"
    return f"equal {label}" if bins.points else f"lie in {label}"


def named(name: str) -> str:
    """A feature's name as it stands in a sentence; a column may have none."""
    return name if name.strip() else "(unnamed)"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for a sentence, the rest as a number."""
    shown = ", ".join(named(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def number(value: float) -> str:
    """A PSI in words: three digits, never an exponent."""
    if not np.isfinite(value):
        return "infinite"
    if abs(value) < 0.0005:
        return "0.000"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def moment(seconds: float, length: float) -> str:
    """A time in UTC, as exact as stretches of `length` seconds are."""
    when = datetime.fromtimestamp(seconds, UTC)
    if length >= DAY:
        return f"{when:%Y-%m-%d}"
    return f"{when:%Y-%m-%d %H:%M} UTC" if length >= MINUTE else f"{when:%Y-%m-%d %H:%M:%S} UTC"


def when(began: float | None, ended: float | None, length: float) -> str:
    """From when to when a feature differs, as the beginning of a sentence; None: the window's own ends."""
    start, end = (None if at is None else moment(at, length) for at in (began, ended))
    if start is None:
        return "All through the window, from its start on" if end is None else f"Until about {end}"
    return f"Since about {start}" if end is None else f"From about {start} to about {end}"


def span(seconds: float) -> str:
    """A length of time: days from two days up, else hours, minutes."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} seconds"


CANARY_SIDES: Final = ("prod", "canary")
OWN_SIDES: Final = ("earlier", "now")
NO_PROBABILITIES: Final = (
    "log loss and AUC: no probabilities are logged; DRIFTLEAD_LOG_PROBABILITIES=true of the servers logs them"
)
NO_LATENCY: Final = (
    "latency: fewer than 500 requests of prod, from which to say what is slow; or set a threshold"
)
BURSTS: Final = 2.0
"""Overdispersion from which a sentence speaks of bursts."""
_BAD: Final = {"errors": "failed", "latency": "were slow", "quality": "were predicted wrongly"}


def no_quality(prod: int, canary: int) -> str:
    """Why quality could not be compared, by the labels that have come for both sides."""
    if prod and canary:
        return (
            f"quality: of {prod:,} labels of prod and {canary:,} of the canary none are left to compare: "
            "prod's first 200 say how large its errors are"
        )
    came = "no labels have come"
    if prod or canary:
        came = f"{prod:,} labels have come for prod and {canary:,} for the canary"
    return (
        f"quality: {came}, of rows answered since the comparison began; "
        "a label counts when the minute in which it came is over"
    )


def beside(margin: float, ends: tuple[float, float]) -> CanaryVerdict:
    """What an interval says of a margin."""
    if ends[0] > margin:
        return CanaryVerdict.WORSE
    return CanaryVerdict.NON_INFERIOR if ends[1] < margin else CanaryVerdict.UNDECIDED


def canary_check(
    name: str,
    verdict: CanaryVerdict,
    *,
    bad: tuple[int, int],
    canary: tuple[int, int],
    margin: float,
    ends: tuple[float, float] | None,
    ahead: str,
    varies: float = 1.0,
) -> str:
    """One sentence on a check of the canary. `bad`, `canary`: (bad, all) requests of prod and canary.

    `ahead`: when it should be told; `varies`: their overdispersion, which is said where it is felt.
    """
    prods = f"{percent(*bad)} of prod's {bad[1]:,}"
    seen = f"{percent(*canary)} of the canary's {canary[1]:,} requests {_BAD[name]}, {prods}"
    limit = f"the margin of {percent(margin, 1)}"
    by = "" if ends is None else f" (canary less prod: {100 * ends[0]:.2f} % to {100 * ends[1]:.2f} %)"
    if verdict == CanaryVerdict.WORSE:
        return f"Worse: {seen}; the difference exceeds {limit}{by}."
    if verdict == CanaryVerdict.NON_INFERIOR:
        return f"Not worse: {seen}; the difference stays within {limit}{by}."
    bursts = f"; they come in bursts, {varies:.0f} times as uneven as by chance" if varies >= BURSTS else ""
    after = f"; {ahead}" if ahead else ""
    return f"Undecided: {seen}{by}{bursts}{after}."


def canary_when(began: float | None, passed: float | None, *, always: bool, rising: bool) -> str:
    """Since when a canary is worse, and whether the evidence still grows, as the beginning of a sentence."""
    start = "From the start on" if always else ""
    if began is not None:
        start = f"Since about {moment(began, MINUTE)}"
    if not start and passed is None:
        return ""
    enough = (
        "evidence not enough yet" if passed is None else f"enough evidence from {moment(passed, MINUTE)} on"
    )
    grows = "it still grows" if rising else "it does not grow any more"
    said = "; ".join(part for part in (start, enough, grows) if part)
    return said[0].upper() + said[1:]


def canary_predictions(
    verdict: PredictionShift, *, shift: float, ends: tuple[float, float], example: str, rows: int
) -> str:
    """One sentence on the canary's predictions."""
    by = f"{100 * shift:.1f} percentage points ({100 * ends[0]:.1f} to {100 * ends[1]:.1f})"
    if verdict == PredictionShift.SAME:
        return f"Same: the predictions' distributions differ by {by} at most, over {rows:,} of the canary's."
    if verdict == PredictionShift.DIFFERENT:
        return f"Different: {example}; the distributions differ by {by}."
    return f"Undecided: the predictions' distributions differ by {by}, over {rows:,} of the canary's."


def measure(
    name: str,
    values: tuple[float, float],
    rows: tuple[int, int],
    called: tuple[str, str],
    ends: tuple[float, float] | None,
    *,
    verdict: CanaryVerdict | None = None,
    margin: float | None = None,
    largest: float = 0.0,
    ahead: str = "",
) -> str:
    """One sentence on how good predictions are. `called`: what the two sides are, as in `values`, `rows`.

    `largest`: the error that counts in full; `ahead`: when it should be told.
    """
    first, second = (_amount(name, value) for value in values)
    head = {"wrong": "Predicted wrongly", "MAE": f"Mean absolute error (a row counts at most {largest:.3g})"}
    counted = "rows" if name == "AUC" else "requests"
    seen = (
        f"{head.get(name, name[0].upper() + name[1:])}: {second} {called[1]} "
        f"({rows[1]:,} labelled {counted}), {first} {called[0]} ({rows[0]:,})"
    )
    if ends is None:
        return f"{seen}; too few of one class for an interval."
    low, high = (_amount(name, end) for end in ends)
    how = ", by this look alone" if name == "AUC" else ""
    by = f"{called[1]} less {called[0]} is {low} to {high}{how}"
    if verdict is None or margin is None:
        return f"{seen}; {by}. It informs and does not decide."
    limit = f"the margin of {_amount(name, margin)}"
    said = {CanaryVerdict.WORSE: f"more than {limit}", CanaryVerdict.NON_INFERIOR: f"within {limit}"}
    after = f"; {ahead}" if ahead else ""
    return f"{seen}; {by}, {said.get(verdict, f'not yet told from {limit}')}{after}."


def _amount(name: str, value: float) -> str:
    if name == "MAE":
        return f"{value:.4g}"
    return f"{100 * value:.3g} %" if name == "wrong" else f"{value:.4f}"
