"""Mean and quantiles of a numeric feature from its counts in bins: what a model's owner thinks in.

Within a bin values are taken to be spread evenly; in the outermost bins, which reach to the extremes, they
thin out from the density of the neighbouring bin (a truncated exponential), as the tails of most measures do;
where these bins hold few rows, as training's did. Rows beyond training's extremes are counted at these: what
falls there is a bound, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline.binning import FeatureBins

LEVELS: Final = {"p05": 0.05, "median": 0.5, "p95": 0.95}
SMALL: Final = 1e-6  # a rate below which values are spread evenly
STEEP: Final = 500.0  # the largest rate: beyond, all values lie at the bin's start
SURE: Final = 30  # rows of a bin from which its own density is known well enough
FEW: Final = 0.01  # share of rows beyond the extremes, or between known values, that moves no mean much
Side = Literal["below", "above"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What the rows with a value are like. `beyond`: which of these are bounds, with rows beyond them."""

    mean: float | None
    p05: float
    median: float
    p95: float
    beyond: Mapping[str, Side] = field(default_factory=dict)


def values(bins: FeatureBins, counts: NDArray[Any]) -> Values | None:
    """Of one side; None for what is not numeric, without rows, or where too many lie between known values."""
    inside = counts[1 : bins.interior + 1].astype(np.float64)
    if bins.kind != "numeric" or not bins.interior:
        return None
    under, over, other = float(counts[0]), float(counts[bins.interior + 1]), float(counts[-1])
    rows = under + inside.sum() + over
    if rows == 0 or other > FEW * rows:
        return None
    shape = _Shape.of(bins, inside)
    at: dict[str, float] = {}
    beyond: dict[str, Side] = {}
    for name, level in LEVELS.items():
        at[name], side = _quantile(shape, inside, level * rows - under)
        if side:
            beyond[name] = side
    mean: float | None = float((under * shape.low + inside @ shape.means + over * shape.high) / rows)
    low, high = under > FEW * rows, over > FEW * rows
    if low != high:
        beyond["mean"] = "below" if low else "above"
    return Values(mean=None if low and high else mean, **at, beyond=beyond)


@dataclass(frozen=True, slots=True)
class _Shape:
    """How values lie within the interior bins: `starts`, `widths`, `rates` (0: evenly, positive: thinning out
    upwards, negative: downwards), `means`; `low`, `high`: the extremes."""

    starts: NDArray[np.float64]
    widths: NDArray[np.float64]
    rates: NDArray[np.float64]
    means: NDArray[np.float64]
    low: float
    high: float

    @staticmethod
    def of(bins: FeatureBins, inside: NDArray[np.float64]) -> _Shape:
        """Of one side's rows `inside` the extremes; known values are where they are."""
        if bins.points:
            points = np.asarray(bins.points)
            nothing = np.zeros(len(points))
            return _Shape(points, nothing, nothing, points, float(points[0]), float(points[-1]))
        starts, widths = bins.edges[:-1], np.diff(bins.edges)
        before = bins.counts[1 : bins.interior + 1]
        rates = np.zeros(len(widths))
        for outer, inner, sign in ((0, 1, -1), (-1, -2, 1)) if len(widths) > 1 else ():
            rows = inside if min(inside[outer], inside[inner]) >= SURE else before
            if rows[outer] and rows[inner]:
                density = rows[[inner, outer]] / widths[[inner, outer]]
                rates[outer] = sign * _rate(float(density[0] / density[1]))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            middle = np.where(np.abs(rates) < SMALL, 0.5, 1 / rates - 1 / np.expm1(rates))
        return _Shape(
            starts, widths, rates, starts + widths * middle, float(bins.edges[0]), float(bins.edges[-1])
        )

    def at(self, bin_: int, share: float) -> float:
        """The value below which this share of a bin's rows lies."""
        rate = float(self.rates[bin_])
        if abs(rate) >= SMALL:
            share = -float(np.log1p(min(share, 1 - 1e-12) * np.expm1(-rate))) / rate
        return float(self.starts[bin_] + self.widths[bin_] * share)


def _rate(ratio: float) -> float:
    """The rate c of a truncated exponential over a unit whose density at the start is `ratio` times the mean
    one: c / (1 - exp(-c)) = ratio. 0 where it does not thin out."""
    if ratio <= 1:
        return 0.0
    rate = ratio = min(ratio, STEEP)
    for _ in range(50):
        rate = ratio * -float(np.expm1(-rate))
    return rate


def _quantile(shape: _Shape, inside: NDArray[np.float64], rank: float) -> tuple[float, Side | None]:
    """The value at a rank among the rows inside, and on which side of it rows are that bins do not place."""
    if rank < 0:
        return shape.low, "below"
    reached = np.cumsum(inside)
    if rank > reached[-1]:
        return shape.high, "above"
    bin_ = int(np.searchsorted(reached, rank))
    before = reached[bin_] - inside[bin_]
    return shape.at(bin_, float((rank - before) / inside[bin_]) if inside[bin_] else 0.0), None
