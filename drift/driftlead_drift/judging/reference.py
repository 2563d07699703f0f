"""Which part of the baseline a window is held against, and how much that part varies between periods.

A window of a full season is held against the whole baseline, and the overdispersion comes from blocks of the
window's length. A shorter one is held against the same hours of the week, where the baseline has seen them in
enough weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.policy import Policy
from driftlead_drift.statistics.dependence import MIN_BLOCK_ROWS, MIN_BLOCKS, Component, component
from driftlead_drift.statistics.psi import psi
from driftlead_formats.baseline import Baseline
from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.baseline.blocks import HOUR, Blocks

WEEK: Final = 7 * 24 * HOUR
MIN_WEEKS: Final = 4  # weeks in which an hour of the week must have been seen to be matched
FULL: Final = 0.9  # of a period counts as a whole: the quiet hours at a window's ends carry no rows
LENGTHS: Final = ((HOUR, 24), (24 * HOUR, 7), (WEEK, 53))  # windows that people choose: hours, days, weeks
MIN_PIECES: Final = 4  # a window longer than a quarter of the baseline takes its overdispersion from quarters

OVERDISPERSION: Final = "variation between periods was estimated"
ASSUMED: Final = (
    "independence assumed: the baseline knows neither times nor groups of its rows (none were named, or all "
    "rows lie within two hours or three groups), so rows are taken as independent of one another; write it "
    "with a time column over a longer time to have variation between periods estimated"
)
TOO_FEW: Final = (
    "independence assumed: stretches of {} hold too few rows of the baseline to estimate the variation "
    "between them; take a longer window, or state that rows are independent (--assume-independent)"
)

Independence = Literal["time", "groups", "live", "assumed", "stated"]


@dataclass(frozen=True)
class Reference:
    """What a window is compared with.

    `counts`: one vector for each feature, then the prediction's where the baseline has one. `rows`: behind
    them.
    `between`: variance between blocks for each, None where unknown. `independence`: where that comes from.
    `matched`: whether only the window's hours of the week were taken. `sentence`: the choice in words.
    """

    counts: tuple[NDArray[np.int64], ...]
    rows: int
    between: tuple[Component | None, ...]
    independence: Independence
    matched: bool
    sentence: str


def choose(
    baseline: Baseline,
    policy: Policy,
    start: float | None,
    end: float | None,
    *,
    counts: Sequence[NDArray[Any]],
    rows: int,
    window_blocks: Sequence[NDArray[Any]] | None = None,
) -> Reference:
    """The reference for a window from `start` to `end` (epoch seconds, None if unknown) of `rows` rows in
    `counts`.

    `window_blocks`: counts of the window by its own blocks, (blocks, bins) for each feature; used where the
    baseline itself knows nothing of dependence.
    """
    if start is not None and end is not None and below_period(policy, start, end):
        matched = _matched(baseline, policy, start, end, counts)
        if matched is not None:
            return matched
    length = policy.window if start is None or end is None else end - start
    between, independence, sentence = _between(baseline, policy, length, rows, window_blocks)
    everything = tuple(f.counts for f in _everything(baseline))
    return Reference(everything, baseline.rows, between, independence, matched=False, sentence=sentence)


def below_period(policy: Policy, start: float | None, end: float | None) -> bool:
    """Whether a window sees only part of the traffic's season. Unknown times are taken as a whole one."""
    if policy.period is None or start is None or end is None:
        return False
    return end - start < FULL * policy.period


_Components = tuple[Component | None, ...]


def _everything(baseline: Baseline) -> list[FeatureBins]:
    return [*baseline.features, *([baseline.prediction] if baseline.prediction else [])]


def _components(baseline: Baseline, strata: Sequence[Sequence[NDArray[Any]]]) -> _Components:
    """Component of each feature from its strata."""
    return tuple(component(c, f.ends) for f, c in zip(_everything(baseline), strata, strict=True))


def _between(
    baseline: Baseline, policy: Policy, length: float, rows: int, window_blocks: Sequence[NDArray[Any]] | None
) -> tuple[_Components, Independence, str]:
    blocks, assumed = baseline.blocks, ASSUMED
    nothing: _Components = (None,) * len(_everything(baseline))
    if policy.assume_independent:
        return nothing, "stated", "rows are independent of one another, as stated by the setting"
    if blocks is not None and blocks.unit == "group":
        found = tuple(
            c.scaled(rows) if c else None for c in _components(baseline, [[c] for c in blocks.counts])
        )
        return (
            found,
            "groups",
            f"{OVERDISPERSION} from {blocks.length} sets of whole groups of the training data",
        )
    if blocks is not None:
        pieces, seconds = _pieces(blocks, length)
        found = _components(baseline, [[piece] for piece in pieces])
        if any(found):
            return (
                found,
                "time",
                f"{OVERDISPERSION} from {_most(found)} stretches of {_days(seconds)} of the training data",
            )
        assumed = TOO_FEW.format(_days(seconds))
    if window_blocks is not None and len(window_blocks) == len(nothing):
        found = _components(baseline, [[b] for b in window_blocks])
        if any(found):
            return found, "live", f"{OVERDISPERSION} from {_most(found)} stretches of the window itself"
    return nothing, "assumed", assumed


def _most(found: _Components) -> int:
    return max(c.blocks for c in found if c)


def _pieces(blocks: Blocks, length: float) -> tuple[list[NDArray[np.int64]], float]:
    """Counts of stretches as long as the window (at most a quarter of the baseline), and their length."""
    total = blocks.length
    size = int(np.clip(round(length / blocks.seconds), 1, max(1, total // MIN_PIECES)))
    week = WEEK // blocks.seconds
    if size > week:
        size -= size % week  # whole weeks, so that weekdays do not pass for overdispersion
    count = total // size
    cut = [c[: count * size].reshape(count, size, -1).sum(axis=1) for c in blocks.counts]
    return cut, float(size * blocks.seconds)


def _matched(
    baseline: Baseline, policy: Policy, start: float, end: float, counts: Sequence[NDArray[Any]]
) -> Reference | None:
    """The baseline's hours of the week from `start` to `end`; None where it saw them in too few weeks.

    Clocks may have been moved by an hour since training: of the hours themselves, those before and those
    after, the ones closest to the window count. How much they differ from week to week is estimated from all
    stretches of this length that a week is made of, each held against its own hours.
    """
    blocks = baseline.blocks
    if blocks is None or blocks.unit != "hour" or end <= start:
        return None
    first, length = int(start // HOUR), int(-(-end // HOUR)) - int(start // HOUR)
    tried = [(by, _by_week(blocks, first + by, length)) for by in (0, -1, 1)]
    moved, own = min(tried, key=lambda one: _distance(one[1], counts))
    weeks = int(np.count_nonzero(own[0].sum(axis=1)))
    if weeks < MIN_WEEKS:
        return None
    totals = tuple(p.sum(axis=0) for p in own)
    clocks = f", moved by {moved:+d} hour as clocks are" if moved else ""
    sentence = f"held against the same hours of {weeks} weeks of the training data{clocks}"
    rows = int(totals[0].sum())
    if policy.assume_independent:
        return Reference(totals, rows, (None,) * len(own), "stated", matched=True, sentence=sentence)
    tiles = [_by_week(blocks, first + k * length, length) for k in range(max(1, WEEK // HOUR // length))]
    found = _components(baseline, [list(strata) for strata in zip(*tiles, strict=True)])
    if not any(found):
        unknown = f"{TOO_FEW.format(_days(length * HOUR))}; {sentence}"
        return Reference(totals, rows, found, "assumed", matched=True, sentence=unknown)
    return Reference(totals, rows, found, "time", matched=True, sentence=sentence)


def _distance(own: Sequence[NDArray[Any]], counts: Sequence[NDArray[Any]]) -> float:
    return sum(psi(c.sum(axis=0), now).value for c, now in zip(own, counts, strict=False))


def _by_week(blocks: Blocks, first: int, length: int) -> list[NDArray[np.int64]]:
    """Counts of the `length` hours from hour `first` (since 1970) and the same ones of all other weeks.

    One array (weeks, bins) for each feature; weeks that the baseline does not cover whole are left out. Weeks
    are counted from `first`, so that a stretch is never cut in two.
    """
    week, slot = np.divmod(blocks.starts // HOUR - first, WEEK // HOUR)
    inside = slot < length
    numbers, seen = np.unique(week[inside], return_counts=True)
    whole = inside & np.isin(week, numbers[seen == length])
    count = int(np.count_nonzero(whole)) // length
    return [c[whole].reshape(count, length, c.shape[1]).sum(axis=1) for c in blocks.counts]


def sparse(baseline: Baseline) -> str:
    """What a baseline whose rows have times cannot tell because they are few; "" where it can tell all.

    Whoever writes a baseline does not know yet in which windows traffic will be checked, so it says from
    which length on the variation between periods can be estimated.
    """
    blocks = baseline.blocks
    if blocks is None or blocks.unit == "group":
        return ""
    shortest = _shortest(blocks)
    if shortest == blocks.seconds:
        return ""
    density, unit = f"{baseline.rows / blocks.length:.2g}", "an hour" if blocks.unit == "hour" else "a day"
    few = f"the baseline has {density} row{'' if density == '1' else 's'} {unit} on average"
    if shortest is None:
        return (
            f"{few}, too few in any part of it to estimate the variation between periods: checks will take "
            "rows as independent, and start no retraining; train on more rows, or state that rows are "
            "independent (assumeIndependent)"
        )
    return (
        f"{few}: the variation between periods can be estimated in windows of {_days(shortest)} or more. In "
        "shorter ones (spec.drift.window, --window) checks take rows as independent, and start no retraining"
    )


def _shortest(blocks: Blocks) -> float | None:
    """Seconds of the shortest window for which enough stretches of that length hold enough rows."""
    rows = blocks.counts[0].sum(axis=1)
    sizes = [size * unit // blocks.seconds for unit, most in LENGTHS for size in range(1, most)]
    for size in sorted({each for each in sizes if 1 <= each <= max(1, blocks.length // MIN_PIECES)}):
        count = blocks.length // size
        pieces = rows[: count * size].reshape(count, size).sum(axis=1)
        if np.count_nonzero(pieces >= MIN_BLOCK_ROWS) >= MIN_BLOCKS:
            return float(size * blocks.seconds)
    return None


def _days(seconds: float) -> str:
    if seconds >= 2 * 24 * HOUR:
        return f"{seconds / (24 * HOUR):.3g} days"
    return f"{seconds / HOUR:.3g} hours" if seconds > HOUR else "one hour"
