"""When within a window rows began to differ: how far each stretch lies apart, and where the change is.

The change is found by the generalized likelihood ratio for a stretch of time in which the shares are others
than before, where those before are known (Lorden 1971; for a beginning and an end, Levin and Kline 1985):
of all runs of stretches the one whose rows are most unlikely under the reference's shares,

    G(a, b) = sum over bins of n ln(n / e),   n: rows of stretches a to b, e: expected ones.

A stretch belongs to the run when it is closer to the run's own shares than to the reference's, so that
traffic that varies from hour to hour does not pass for a change. The beginnings that are as good as the best
one are those whose G is less by at most 3 times the dispersion (a relative likelihood of 5 %); the dispersion
is that of the stretches' mean scores ln(n / e) within the run and beside it. Within the stretch in which the
change lies, the same scores say how much of it is already changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from driftlead_drift.statistics.psi import SMOOTHING, UNSEEN

Floats = NDArray[np.float64]

CHANCE: Final = 0.01  # that some stretch of a feature stands out although nothing changed
ALIKE: Final = 3.0  # log likelihood by which a beginning may be less likely than the best one


@dataclass(frozen=True, slots=True)
class Run:
    """Stretches `first` to `last` (included) differ; `firsts`, `lasts`: the ranges in which these are known.

    `begins`, `ends`: the same as places on the axis of stretches (0 to their number), within a stretch too.
    `gain`: G, the log likelihood ratio.
    """

    first: int
    last: int
    firsts: tuple[int, int]
    lasts: tuple[int, int]
    begins: float
    ends: float
    gain: float


def shares(reference: NDArray[Any], open_bins: Collection[int] = ()) -> Floats:
    """The reference's shares as PSI takes them, none of them 0: shape (..., bins)."""
    added = np.full(reference.shape[-1], SMOOTHING)
    added[list(open_bins)] = UNSEEN
    smoothed = reference + added
    out: Floats = smoothed / smoothed.sum(axis=-1, keepdims=True)
    return out


@dataclass(frozen=True, slots=True)
class Distances:
    """PSI of each stretch less what chance adds, NaN where it has no rows; whether it is beyond chance.

    Both of shape (stretches,).
    """

    corrected: Floats
    significant: NDArray[np.bool_]


def distances(reference: NDArray[Any], counts: NDArray[Any], open_bins: Collection[int] = ()) -> Distances:
    """How far each stretch lies apart, were rows independent. `counts`: (stretches, bins), `reference`: the
    same or (bins,)."""
    before = np.broadcast_to(np.asarray(reference, dtype=np.float64), counts.shape)
    used = (before + counts) > 0
    added = np.full(counts.shape[1], SMOOTHING)
    added[list(open_bins)] = UNSEEN
    p, q = np.where(used, before + added, 0.0), np.where(used, counts + SMOOTHING, 0.0)
    n, m = before.sum(axis=1), counts.sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
        psi = np.where(used, (q - p) * (np.log(q) - np.log(p)), 0.0).sum(axis=1)
        noise, freedom = 1 / n + 1 / m, np.maximum(used.sum(axis=1) - 1, 1)
    known = (n > 0) & (m > 0)
    critical = special.chdtri(freedom, CHANCE / len(counts))
    return Distances(np.where(known, psi - freedom * noise, np.nan), known & (psi > critical * noise))


def likeliest(expected: Floats, counts: NDArray[Any], apart: NDArray[np.bool_]) -> Run | None:
    """The run of stretches that differs most from what is `expected`: shares, shape (stretches, bins).

    `apart`: stretches that differ by themselves; those that adjoin the run belong to it, since where traffic
    has hours of its own one may differ without looking like the rest. None without rows.
    """
    n = counts.sum(axis=1).astype(np.float64)
    if not n.any():
        return None
    seen = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    before = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(expected * n[:, None], axis=0)])
    starts, ends = np.triu_indices(len(seen), 1)
    gains = np.zeros((len(seen), len(seen)))
    gains[starts, ends] = special.rel_entr(seen[ends] - seen[starts], before[ends] - before[starts]).sum(
        axis=1
    )
    first, end = (int(at) for at in np.unravel_index(int(np.argmax(gains)), gains.shape))
    best = gains[first, end]
    # How well both are known follows from the likelihood alone.
    firsts, lasts = gains[:end, end], gains[first, first + 1 :]
    inside = np.zeros(len(n), dtype=bool)
    inside[first:end] = True
    scores = _Scores.of(expected, counts, inside)
    least = best - ALIKE * scores.dispersion(inside)
    early, late = np.flatnonzero(firsts >= least), np.flatnonzero(lasts >= least) + first
    while first > 0 and apart[first - 1]:
        first -= 1
    while end < len(n) and apart[end]:
        end += 1
    inside[first:end] = True
    changed = scores.changed(inside)
    return Run(
        first=first,
        last=end - 1,
        firsts=(min(first, int(early[0])), int(early[-1])),
        lasts=(int(late[0]), max(end - 1, int(late[-1]))),
        begins=first + 1 - float(changed[max(first - 1, 0) : first + 1].sum()),
        ends=end - 1 + float(changed[end - 1 : end + 1].sum()),
        gain=float(best),
    )


@dataclass(frozen=True, slots=True)
class _Scores:
    """How much each bin speaks for the run, and the stretches' counts."""

    by_bin: Floats
    counts: NDArray[Any]

    @staticmethod
    def of(expected: Floats, counts: NDArray[Any], inside: NDArray[np.bool_]) -> _Scores:
        """ln(n / e) of the run's rows."""
        n = counts.sum(axis=1).astype(np.float64)
        now, before = counts[inside].sum(axis=0), (expected * n[:, None])[inside].sum(axis=0)
        return _Scores(np.log(np.maximum(now, SMOOTHING) / np.maximum(before, SMOOTHING)), counts)

    def mean(self, chosen: NDArray[np.bool_]) -> float:
        """Of the rows of some stretches; NaN without rows."""
        rows = self.counts[chosen].sum(axis=0)
        return float(rows @ self.by_bin / rows.sum()) if rows.any() else float("nan")

    def changed(self, inside: NDArray[np.bool_]) -> Floats:
        """The share of each stretch's rows that are like the run's, not like those beside it: 0 to 1."""
        beside, within = self.mean(~inside), self.mean(inside)
        n = self.counts.sum(axis=1)
        if not np.isfinite(beside) or within <= beside:
            return inside.astype(np.float64)
        means = np.where(n > 0, self.counts @ self.by_bin / np.maximum(n, 1), beside)
        return np.clip((means - beside) / (within - beside), 0.0, 1.0)

    def dispersion(self, inside: NDArray[np.bool_]) -> float:
        """How much more the stretches' means vary, within the run and beside it, than rows' own do."""
        total, freedom = 0.0, 0
        for part in (inside, ~inside):
            rows = self.counts[part & (self.counts.sum(axis=1) > 0)]
            size = rows.sum(axis=1).astype(np.float64)
            if len(size) < 2:
                continue
            means, shares = rows @ self.by_bin / size, rows.sum(axis=0) / size.sum()
            middle = float(shares @ self.by_bin)
            variance = float(shares @ (self.by_bin - middle) ** 2)
            if variance > 0:
                total += float(size @ (means - middle) ** 2) / variance
                freedom += len(size) - 1
        return max(1.0, total / freedom) if freedom else 1.0
