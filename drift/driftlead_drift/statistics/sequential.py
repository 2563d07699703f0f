"""Tests that may be looked at after every minute: e-processes for two arms.

An e-process starts at 1 and, as long as the null hypothesis holds, is not expected to grow; the chance that
it ever reaches 1/alpha is at most alpha (Ville 1939), however often one looks and whenever one stops.
Logarithms are kept, since evidence grows exponentially. Every alternative is chosen from earlier blocks only,
several at once are averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

_ODDS: Final = np.array([1.25, 1.5, 2.0, 3.0, 6.0, 15.0])  # how far from the margin the canary may lie
_TRUST: Final = np.array([30.0, 100.0, 300.0, 1000.0])  # rows' worth of belief that the arms are the same
_KNOWN: Final = 50  # earlier requests of prod without which its share is anybody's guess
_TINY: Final = 1e-9
_STEPS: Final = 60  # halvings: finer than a double's mantissa


def worse(prod: Any, prod_bad: Any, canary: Any, canary_bad: Any, margin: float) -> Floats:
    """Log evidence against "the canary's bad share is at most prod's plus `margin`", after each block.

    `prod`, `canary`: requests in each block, shape (blocks,), `*_bad`: how many of them were bad. Conditions
    on the arms' totals, so how traffic is split does not matter. Two-sample e-process of Turner, Ly and
    Gruenwald (2024) with the null of Turner and Gruenwald (2023).
    """
    a = _prod_rate(prod, prod_bad)
    return _averaged(prod, prod_bad, canary, canary_bad, margin=margin, a=a, b=_moved(a + margin, _ODDS))


def not_worse(prod: Any, prod_bad: Any, canary: Any, canary_bad: Any, margin: float) -> Floats:
    """Log evidence against "the canary's bad share exceeds prod's by `margin` or more", after each block."""
    a = _prod_rate(prod, prod_bad)
    b = np.concatenate([_moved(a + margin, 1 / _ODDS), a], axis=1)
    # The mirror image: good and bad change places, and the null lies on the other side of the margin.
    good, canary_good = np.asarray(prod) - np.asarray(prod_bad), np.asarray(canary) - np.asarray(canary_bad)
    return _averaged(prod, good, canary, canary_good, margin=-margin, a=1 - a, b=1 - b)


def interval(prod: Any, prod_bad: Any, canary: Any, canary_bad: Any, need: float) -> tuple[float, float]:
    """Confidence sequence for the canary's bad share less prod's: right at all looks with chance 1 - 2 alpha
    for `need` = log(1 / alpha), times the overdispersion where requests are not independent.

    Its ends are where `worse` and `not_worse` stop having reached that evidence at any block so far.
    """

    def above(margin: float) -> bool:
        return bool(worse(prod, prod_bad, canary, canary_bad, margin).max(initial=0.0) >= need)

    def below(margin: float) -> bool:
        return bool(not_worse(prod, prod_bad, canary, canary_bad, margin).max(initial=0.0) >= need)

    low = _last(above, -1.0, 1.0)
    high = -_last(lambda margin: below(-margin), -1.0, 1.0)
    return min(low, high), max(low, high)


def _last(true_at: Callable[[float], bool], start: float, end: float) -> float:
    """Where a statement that holds from `start` on ceases to; `start` if it never held."""
    for _ in range(16):
        middle = (start + end) / 2
        start, end = (middle, end) if true_at(middle) else (start, middle)
    return start


def growth(prod_rate: float, canary_rate: float, canary_share: float, margin: float) -> float:
    """Evidence that a request is expected to add at these rates: how far both are from the margin."""
    a, b = (np.clip(np.array([[v]]), _TINY, 1 - _TINY) for v in (prod_rate, canary_rate))
    na, nb = np.array([[1 - canary_share]]), np.array([[canary_share]])
    x = _projection(a, b, na, nb, margin)
    gain = na * _divergence(a, x) + nb * _divergence(b, x + margin)
    return float(gain[0, 0])


def _divergence(p: Floats, q: Floats) -> Floats:
    out: Floats = special.rel_entr(p, q) + special.rel_entr(1 - p, 1 - q)
    return out


def _moved(rate: Floats, odds: Floats) -> Floats:
    """Shares whose odds are those of `rate` times `odds`, shape (blocks, alternatives)."""
    known = np.clip(rate, _TINY, 1 - _TINY)
    moved = known / (1 - known) * odds
    return moved / (1 + moved)


def _prod_rate(prod: Any, bad: Any) -> Floats:
    """Prod's bad share as known before each block, (blocks, 1); NaN while too little is known for a bet."""
    n = np.concatenate([[0.0], np.cumsum(np.asarray(prod, dtype=np.float64))[:-1]])
    k = np.concatenate([[0.0], np.cumsum(np.asarray(bad, dtype=np.float64))[:-1]])
    return np.where(n >= _KNOWN, (k + 0.5) / (n + 1.0), np.nan)[:, None]


def _averaged(
    prod: Any, prod_bad: Any, canary: Any, canary_bad: Any, *, margin: float, a: Floats, b: Floats
) -> Floats:
    """Mean over alternatives of the product over blocks of the likelihood ratio, as a running logarithm.

    Null: canary's share <= prod's + margin. `a` (blocks, 1), `b` (blocks, alternatives): the shares under the
    alternative, chosen before the block. Where the alternative lies in the null the block is not bet on.
    """
    na, ka, nb, kb = (np.asarray(v, dtype=np.float64)[:, None] for v in (prod, prod_bad, canary, canary_bad))
    known = np.isfinite(a)
    a = np.clip(np.broadcast_to(np.where(known, a, 0.5), b.shape), _TINY, 1 - _TINY)
    b = np.clip(np.where(known, b, 0.5), _TINY, 1 - _TINY)
    null_a = _projection(a, b, na, nb, margin)
    null_b = null_a + margin
    ratio = (
        special.xlogy(ka, a / null_a)
        + special.xlogy(na - ka, (1 - a) / (1 - null_a))
        + special.xlogy(kb, b / null_b)
        + special.xlogy(nb - kb, (1 - b) / (1 - null_b))
    )
    ratio = np.where(known & (b - a > margin) & (na > 0) & (nb > 0), ratio, 0.0)
    running: Floats = special.logsumexp(np.cumsum(ratio, axis=0), axis=1) - np.log(b.shape[1])
    return running


def _projection(a: Floats, b: Floats, na: Floats, nb: Floats, margin: float) -> Floats:
    """Prod's share of the null's point closest to (a, b): it minimises na KL(a, x) + nb KL(b, x + margin).

    For that point the likelihood ratio's expectation is at most 1 under the whole null, whatever the block's
    sizes: with shifts u of prod and v <= u of the canary it is (1 - s u / na)^na (1 + s v / nb)^nb <= exp(s
    (v - u)).
    """
    low = np.full(a.shape, max(0.0, -margin)) + _TINY / 2
    high = np.full(a.shape, min(1.0, 1.0 - margin)) - _TINY / 2
    for _ in range(_STEPS):
        x = (low + high) / 2
        y = x + margin
        slope = na * (x - a) / (x * (1 - x)) + nb * (y - b) / (y * (1 - y))
        low, high = np.where(slope < 0, x, low), np.where(slope < 0, high, x)
    return (low + high) / 2


def different(prod: Any, canary: Any) -> Floats:
    """Log evidence against "both arms draw from one distribution", after each block, shape (blocks,).

    `prod`, `canary`: counts (blocks, bins) in the same bins. The alternative for the canary leans on prod's
    shares as seen so far, the more the more trust; the null's point is the mixture of both in the block's
    proportions.
    """
    a, b = np.asarray(prod, dtype=np.float64), np.asarray(canary, dtype=np.float64)
    before_a = np.vstack([np.zeros((1, a.shape[1])), np.cumsum(a, axis=0)[:-1]])
    before_b = np.vstack([np.zeros((1, b.shape[1])), np.cumsum(b, axis=0)[:-1]])
    pooled = before_a + before_b + 0.5
    prior = pooled / pooled.sum(axis=1, keepdims=True)
    n, m = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
    logs = []
    for trust in _TRUST:
        p = (before_a + trust * prior) / (before_a.sum(axis=1, keepdims=True) + trust)
        q = (before_b + trust * prior) / (before_b.sum(axis=1, keepdims=True) + trust)
        null = (n * p + m * q) / np.maximum(n + m, 1.0)
        null = np.where(n + m > 0, null, 1.0)
        both = (n > 0) & (m > 0)
        step = np.where(both, special.xlogy(a, p / null) + special.xlogy(b, q / null), 0.0)
        logs.append(np.cumsum(step.sum(axis=1)))
    running: Floats = special.logsumexp(np.stack(logs), axis=0) - np.log(len(_TRUST))
    return running


def wrong_split(prod: Any, canary: Any, share: Any, trust: float = 100.0) -> Floats:
    """Log evidence against "each request goes to the canary with chance `share`", after each block.

    `share`: one number, or one for each block where the weight was moved; each stretch of equal weight has
    its own mixture, and their evidence multiplies. The alternative is a beta distribution around the share
    (Lindon and Malek 2022). Not for sticky routing, whose requests are not independent draws.
    """
    p, c = np.asarray(prod, dtype=np.float64), np.asarray(canary, dtype=np.float64)
    shares = np.broadcast_to(np.asarray(share, dtype=np.float64), p.shape)
    starts = np.flatnonzero(np.concatenate([[True], shares[1:] != shares[:-1]]))
    out, carried = np.zeros(len(p)), 0.0
    for start, end in zip(starts, [*starts[1:], len(p)], strict=True):
        rho = float(np.clip(shares[start], _TINY, 1 - _TINY))
        k, rest = np.cumsum(c[start:end]), np.cumsum(p[start:end])
        out[start:end] = (
            carried
            + special.betaln(trust * rho + k, trust * (1 - rho) + rest)
            - special.betaln(trust * rho, trust * (1 - rho))
            - k * np.log(rho)
            - rest * np.log1p(-rho)
        )
        carried = float(out[end - 1])
    return out


def band(rows: float, alpha: float) -> float:
    """Half width of a band that holds the whole distribution function at every sample size at once.

    0.85 sqrt((log log(e t) + 0.8 log(1612 / alpha)) / t) for t rows (Howard and Ramdas 2022, corollary of
    theorem 2).
    """
    if rows < 1:
        return 1.0
    return float(min(1.0, 0.85 * np.sqrt((np.log(np.log(np.e * rows)) + 0.8 * np.log(1612 / alpha)) / rows)))
