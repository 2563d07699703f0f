"""The times of rows as epoch seconds. Pure.

A cell without a time is NaN, so that who asks leaves the row out and counts it: as a number NaT is the year
-290,308, which made a window, and blocks by the hour, of 292,000 years.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.stretches import edges
from driftlead_drift.traffic.identifiers import is_calendar
from driftlead_formats.baseline.binning import is_missing

LATEST: Final = 1e11  # epoch seconds of the year 5138: a usual value above it has another unit


@dataclass(frozen=True, slots=True)
class Times:
    """Epoch seconds of every row, and which rows count: one stray time does not make a season."""

    seconds: NDArray[np.float64]
    kept: NDArray[np.bool_]

    @property
    def span(self) -> tuple[float, float] | None:
        """From the first row to after the last; None without rows."""
        if not self.kept.any():
            return None
        inside = self.seconds[self.kept]
        return float(inside.min()), float(np.nextafter(inside.max(), np.inf))

    @property
    def stretches(self) -> NDArray[np.float64] | None:
        """Edges of the stretches in which the rows are counted too."""
        if not self.kept.any():
            return None
        inside = self.seconds[self.kept]
        return edges(float(inside.min()), float(inside.max()), len(inside))


def epoch_seconds(column: NDArray[Any], name: str, first_row: int = 1) -> NDArray[np.float64]:
    """Times as epoch seconds, NaN where there is none: numbers are such already, text is ISO 8601 (UTC where
    it names no zone).

    Raises CannotJudgeError naming the first row (counted from `first_row`) that holds anything else.
    """
    if column.dtype.kind == "M":
        seconds = column.astype("datetime64[us]").astype(np.float64) / 1e6
        seconds[np.isnat(column)] = np.nan
        return seconds
    if column.dtype.kind in "fiu":
        return _seconds(column.astype(np.float64), name)
    out = np.full(len(column), np.nan)
    for place, value in enumerate(column.tolist()):
        if not is_missing(value) and not (isinstance(value, str) and value.strip().lower() in NO_TIME):
            out[place] = _one(value, name, first_row + place)
    return out


NO_TIME: Final = frozenset({"", "nat", "nan", "na", "n/a", "null", "none", "-"})


def _seconds(numbers: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    present = numbers[~np.isnan(numbers)]
    if is_calendar(present):
        raise CannotJudgeError(
            f"column '{name}' holds {present[0]:.0f}, a date written as a number; write ISO 8601 "
            "(2026-01-31), so that it is not read as epoch seconds of the year 1970"
        )
    if len(present) and abs(float(np.median(present))) > LATEST:
        raise CannotJudgeError(
            f"column '{name}' holds {np.median(present):.0f}, which as epoch seconds is beyond the year "
            "5138; are these milliseconds? Divide them, so that the column holds epoch seconds"
        )
    return numbers


def _one(value: object, name: str, row: int) -> float:
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise CannotJudgeError(
            f"column '{name}' does not hold a time in row {row}: '{str(value)[:40]}'; write ISO 8601 "
            "(2026-01-31T12:00:00+00:00) or epoch seconds"
        ) from error


def left_out(seconds: NDArray[np.float64], kept: NDArray[np.bool_], name: str) -> list[str]:
    """Sentences on rows that are not in the bulk of times."""
    without = int(np.isnan(seconds).sum())
    stray = seconds[~kept & ~np.isnan(seconds)]
    notes = []
    if without:
        notes.append(f"{without:,} of {len(seconds):,} rows have no time in '{name}': they were left out")
    if len(stray):
        notes.append(
            f"{len(stray):,} of {len(seconds):,} rows lie far outside of all other times in '{name}' (one at "
            f"{_said(float(stray[0]))}): they were left out"
        )
    return notes


def _said(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.15g} seconds since 1970"
