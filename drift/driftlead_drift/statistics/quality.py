"""What is wrong with the data itself, named as such: missing values, unseen categories, constants, scale.

A finding explains a shift; it never decides a verdict by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from driftlead_formats.baseline.binning import FeatureBins

FindingKind = Literal["missing", "new_values", "constant", "scale", "range", "unbinned"]
LEVEL: Final = 1e-4  # a finding is a statement of its own: rare enough for hundreds of features
NOTABLE: Final = 0.005  # shares that change by less are not worth a sentence
TELLING: Final = 0.05  # share of training within categories of their own, below which nearly all is OTHER
SCALE: Final = 0.05  # a larger share of rows beyond everything seen in training are not outliers


@dataclass(frozen=True)
class Finding:
    """`kind` for machines, `sentence` for people."""

    kind: FindingKind
    sentence: str


def findings(bins: FeatureBins, window: NDArray[Any]) -> tuple[Finding, ...]:
    """What the counts of `window` (same bins) say about the feature's data quality."""
    counts = np.asarray(window, dtype=np.int64)
    rows = int(counts.sum())
    if rows == 0:
        return ()
    candidates = (
        _missing(bins, counts, rows),
        _new_values(bins, counts, rows),
        _constant(bins, counts, rows),
        _beyond(bins, counts, rows),
        _unbinned(bins),
    )
    return tuple(f for f in candidates if f is not None)


def _missing(bins: FeatureBins, counts: NDArray[np.int64], rows: int) -> Finding | None:
    before, total, now = bins.missing, int(bins.counts.sum()), int(counts[bins.missing_bin])
    if not _differs(before, total, now, rows):
        return None
    word = "have no value" if now / rows >= before / max(total, 1) else "have no value, fewer than before"
    return Finding(
        "missing", f"{percent(now, rows)} of the rows {word}, {percent(before, total)} in training"
    )


def _new_values(bins: FeatureBins, counts: NDArray[np.int64], rows: int) -> Finding | None:
    index = bins.missing_bin + 1
    before, total, now = int(bins.counts[index]), int(bins.counts.sum()), int(counts[index])
    if not _differs(before, total, now, rows) or now / rows <= before / max(total, 1):
        return None
    what = "a category" if bins.kind == "categorical" else "a value between the known ones"
    return Finding("new_values", f"{percent(now, rows)} of the rows hold {what} that training never had")


def _constant(bins: FeatureBins, counts: NDArray[np.int64], rows: int) -> Finding | None:
    known = np.delete(counts, bins.missing_bin)
    present = int(known.sum())
    top = int(np.argmax(known))
    reference = np.delete(bins.counts, bins.missing_bin)
    share = float(reference[top]) / max(float(reference.sum()), 1.0)
    # A chance of share^present that independent rows all fall into this one bin.
    if (
        present == 0
        or known[top] < present
        or share >= 1
        or present * np.log(max(share, 1e-12)) > np.log(LEVEL)
    ):
        return None
    label = np.delete(np.asarray(bins.labels, dtype=object), bins.missing_bin)[top]
    return Finding(
        "constant", f"all {present:,} values fall into one bin ({label}), {percent(share, 1)} did in training"
    )


def _beyond(bins: FeatureBins, counts: NDArray[np.int64], rows: int) -> Finding | None:
    if bins.kind == "categorical" or bins.minimum is None or bins.maximum is None:
        return None
    under, over = int(counts[0]), int(counts[bins.interior + 1])
    total = int(bins.counts.sum())
    if not _differs(0, total, under + over, rows):
        return None
    where = (
        f"{percent(under + over, rows)} of the rows lie outside of what training had "
        f"({bins.minimum:.6g} to {bins.maximum:.6g}: {under:,} below, {over:,} above)"
    )
    if (under + over) / rows < SCALE:
        return Finding("range", where)
    return Finding("scale", f"{where}: has a unit or a scale changed?")


def _unbinned(bins: FeatureBins) -> Finding | None:
    if bins.kind != "categorical":
        return None
    present = int(bins.counts.sum()) - bins.missing
    known = int(bins.counts[: len(bins.categories)].sum())
    if bins.categories and known < TELLING * present:
        return Finding(
            "unbinned",
            f"training had another text in nearly every row, and {percent(known, present)} of them in common "
            "categories: what is not seen cannot be told to be stable",
        )
    if bins.categories or not present:
        return None
    return Finding(
        "unbinned", "training had a different text in every row: an identifier cannot drift, it is not tested"
    )


def _differs(before: int, total: int, now: int, rows: int) -> bool:
    """Two shares differ notably and beyond chance (Fisher's idea by the binomial on the pooled count)."""
    if abs(now / rows - before / max(total, 1)) < NOTABLE:
        return False
    together = before + now
    share = rows / (rows + total)
    # Of `together` rows that have it, `now` fell into the window; bdtr is the binomial distribution function.
    at_least = float(special.bdtrc(now - 1, together, share)) if now > 0 else 1.0
    at_most = float(special.bdtr(now, together, share))
    return min(at_least, at_most) <= LEVEL


def percent(part: float, whole: float) -> str:
    """A share in words of two or three digits, never "0 %" for something that is there."""
    share = 100 * part / whole if whole else 0.0
    if part and share < 0.01:
        return "less than 0.01 %"
    return f"{share:.3g} %" if share < 99.95 or part == whole else "almost 100 %"
