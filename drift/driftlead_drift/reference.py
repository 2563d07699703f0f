"""Which part of the baseline a window is held against, and how much that part differs from itself. Pure.

A window of a full season is held against the whole baseline, and the unrest comes from blocks of the window's
length. A shorter one is held against the same hours of the week, where the baseline has seen them in enough
weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from driftlead_data.baseline import Baseline
from driftlead_data.blocks import HOUR, Blocks
from driftlead_drift.policy import Policy
from driftlead_drift.statistics.dependence import MIN_BLOCKS, Component, component

WEEK: Final = 7 * 24 * HOUR
MIN_WEEKS: Final = 4  # so often must an hour of the week have been seen to be matched
FULL: Final = 0.9  # of a period counts as a whole: the quiet hours at a window's ends carry no rows
MIN_PIECES: Final = 4  # a window longer than a quarter of the baseline takes its unrest from quarters

ASSUMED: Final = (
    "independence assumed: the baseline has neither times nor groups, so rows are taken as independent of "
    "one another; write it with a time column to have its unrest estimated"
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
    rows: int,
    window_blocks: Sequence[NDArray[Any]] | None = None,
) -> Reference:
    """The reference for a window from `start` to `end` (epoch seconds, None if unknown) of `rows` rows.

    `window_blocks`: counts of the window by its own blocks, (blocks, bins) for each feature; used where the
    baseline itself knows nothing of dependence.
    """
    length = policy.window if start is None or end is None else end - start
    if start is not None and end is not None and below_period(policy, start, end):
        matched = _matched(baseline, policy, start, end)
        if matched:
            return matched
    between, independence, sentence = _between(baseline, policy, length, rows, window_blocks)
    counts = tuple(f.counts for f in _everything(baseline))
    return Reference(counts, baseline.rows, between, independence, matched=False, sentence=sentence)


def below_period(policy: Policy, start: float | None, end: float | None) -> bool:
    """Whether a window sees only part of the traffic's season. Unknown times are taken as a whole one."""
    if policy.period is None or start is None or end is None:
        return False
    return end - start < FULL * policy.period


def _everything(baseline: Baseline) -> list[Any]:
    return [*baseline.features, *([baseline.prediction] if baseline.prediction else [])]


def _between(
    baseline: Baseline, policy: Policy, length: float, rows: int, window_blocks: Sequence[NDArray[Any]] | None
) -> tuple[tuple[Component | None, ...], Independence, str]:
    blocks = baseline.blocks
    nothing: tuple[Component | None, ...] = (None,) * len(_everything(baseline))
    if policy.assume_independent:
        return nothing, "stated", "rows are independent of one another, as stated by the setting"
    if blocks is not None and blocks.unit == "group":
        found = tuple(_shrunk(component(c), rows) for c in blocks.counts)
        return (
            found,
            "groups",
            f"dependence within groups was estimated from {blocks.length} sets of whole groups",
        )
    if blocks is not None:
        pieces, seconds = _pieces(blocks, length)
        found = tuple(component(c) for c in pieces)
        if any(c is not None for c in found):
            words = (
                f"unrest was estimated from {max(c.blocks for c in found if c)} stretches of {_days(seconds)}"
            )
            return found, "time", f"{words} of the training data"
    if window_blocks is not None and len(window_blocks) == len(nothing):
        found = tuple(component(c) for c in window_blocks)
        if any(c is not None for c in found):
            count = max(c.blocks for c in found if c)
            return found, "live", f"unrest was estimated from {count} stretches of the window itself"
    return nothing, "assumed", ASSUMED


def _shrunk(found: Component | None, rows: int) -> Component | None:
    return found.scaled(rows) if found is not None and rows > 0 else found


def _pieces(blocks: Blocks, length: float) -> tuple[list[NDArray[np.int64]], float]:
    """Counts of stretches as long as the window (at most a quarter of the baseline), and their length."""
    total = blocks.length
    size = int(np.clip(round(length / blocks.seconds), 1, max(1, total // MIN_PIECES)))
    week = WEEK // blocks.seconds
    if size > week:
        size -= size % week  # whole weeks, so that weekdays do not pass for unrest
    count = total // size
    cut = [c[: count * size].reshape(count, size, -1).sum(axis=1) for c in blocks.counts]
    return cut, float(size * blocks.seconds)


def _matched(baseline: Baseline, policy: Policy, start: float, end: float) -> Reference | None:
    """The baseline's hours of the week that the window covers, by week; None where it saw too few weeks."""
    blocks = baseline.blocks
    if blocks is None or blocks.unit != "hour" or end <= start:
        return None
    first, last = int(start // HOUR), int(-(-end // HOUR))
    slots = np.arange(first, last) % (WEEK // HOUR)
    hours = blocks.starts // HOUR
    week = (hours - first) // (
        WEEK // HOUR
    )  # counted from the window's first hour: a stretch is never cut in two
    inside = np.isin(hours % (WEEK // HOUR), slots)
    weeks = [w for w in np.unique(week[inside]) if np.count_nonzero(inside & (week == w)) == len(slots)]
    if len(weeks) < MIN_WEEKS:
        return None
    pieces = tuple(np.stack([c[inside & (week == w)].sum(axis=0) for w in weeks]) for c in blocks.counts)
    filled = int(np.count_nonzero(pieces[0].sum(axis=1)))
    if filled < max(MIN_WEEKS, MIN_BLOCKS):
        return None
    counts = tuple(p.sum(axis=0) for p in pieces)
    sentence = f"held against the same hours of {filled} weeks of the training data"
    if policy.assume_independent:
        return Reference(counts, int(counts[0].sum()), (None,) * len(pieces), "stated", True, sentence)
    found = tuple(component(p) for p in pieces)
    return Reference(counts, int(counts[0].sum()), found, "time", True, sentence)


def _days(seconds: float) -> str:
    if seconds >= 2 * 24 * HOUR:
        return f"{seconds / (24 * HOUR):.3g} days"
    return f"{seconds / HOUR:.3g} hours" if seconds > HOUR else "one hour"
