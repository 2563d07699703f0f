"""How many times as often something happens: the ratio of two shares, with an interval from counts alone.

Of a and b rows that have it, among n and m, b of a + b fall into the second with chance r m / (n + r m),
where r is the ratio, were the counts Poisson. Shares vary less than that, so the interval of this chance
(Clopper and Pearson 1934) gives one for r that holds at least as often as it says, however rare the thing is.
"""

from __future__ import annotations

import math

from scipy import special


def ratio(
    a: float, n: float, b: float, m: float, *, level: float, varies: float = 1.0, freedom: float = math.inf
) -> tuple[float, float]:
    """Bounds for the second share over the first, each wrong with chance `level`.

    `varies`: how much more the counts vary than those of independent rows, by which they are divided;
    `freedom`: the degrees of freedom with which that is known, infinite where it is no estimate.
    """
    if math.isfinite(freedom):
        tail = special.stdtrit(freedom, 1 - level) if freedom > 0 else math.inf
        varies = varies * max(float(tail) / float(special.ndtri(1 - level)), 1.0) ** 2
    a, b = a / varies, b / varies
    low = float(special.betaincinv(b, a + 1, level)) if b > 0 else 0.0
    high = float(special.betaincinv(b + 1, a, 1 - level)) if a > 0 else 1.0
    return _odds(low) * n / m, _odds(high) * n / m


def _odds(chance: float) -> float:
    return chance / (1 - chance) if chance < 1 else math.inf
