"""Verdicts in words: what was seen, with the numbers, for people who do not know the statistics. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_data.binning import FeatureBins
from driftlead_drift.statistics.intervals import Size
from driftlead_drift.statistics.null import Null
from driftlead_drift.statistics.psi import Psi
from driftlead_drift.statistics.quality import percent

MISMATCH: Final = "check against the baseline of the version that made these rows"
NO_ROWS: Final = "insufficient: no rows in the window"
WAIT: Final = "wait for traffic, or look at a longer window"
LOOK: Final = "nothing to do; keep an eye on the features named"
NOTHING: Final = "nothing to do"
RETRAIN: Final = "look at the features named: repair the data if it is broken, else retrain on newer data"
CONFIRM: Final = "nothing yet: the next window that does not overlap this one decides"


def feature(
    bins: FeatureBins,
    reference: NDArray[Any],
    counts: NDArray[Any],
    *,
    index: Psi,
    extent: Size,
    law: Null,
    status: str,
) -> str:
    """One sentence on a feature: the bin that moved most, and how large and how sure the shift is."""
    measure = f"PSI {number(index.value)}"
    chance = f"{number(law.mean)} is expected without drift"
    if index.freedom == 0:
        return "Every row falls into one bin, now as in training."
    if status == "stable":
        return f"No shift: {measure}, {chance}."
    if status == "insufficient":
        hidden = "any size" if not np.isfinite(extent.high) else f"up to {number(extent.high)}"
        return f"Not to be told: {measure}, {chance}; a true shift of {hidden} could hide in that."
    moved = moved_most(bins, reference, counts, index)
    return f"{moved}: {measure} ({number(extent.low)} to {number(extent.high)}), {chance}."


def moved_most(bins: FeatureBins, reference: NDArray[Any], counts: NDArray[Any], index: Psi) -> str:
    """The bin with the largest contribution: its share now and in training."""
    k = int(np.argmax(index.contribution))
    now, before = percent(int(counts[k]), int(counts.sum())), percent(int(reference[k]), int(reference.sum()))
    return f"{now} of the rows {which(bins, k)}, {before} in training"


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


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for a sentence, the rest as a number."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def number(value: float) -> str:
    """A PSI in words: three digits, never an exponent."""
    if not np.isfinite(value):
        return "infinite"
    if abs(value) < 0.0005:
        return "0.000"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def span(seconds: float) -> str:
    """A length of time: days from two days up, else hours, minutes."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} seconds"
