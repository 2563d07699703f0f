"""How much more traffic a comparison needs, as far as it can be foreseen. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

MONTH: Final = 30 * 1440
"""Minutes: nobody waits longer for a canary."""
CLOSE: Final = "the difference lies too close to the margin to say when"
LONG: Final = "this traffic cannot tell at this margin within a month"


AS_GOOD: Final = ", if the canary is as good as prod"
ALIKE: Final = 2.0
"""Standard errors within which the sides may be alike."""


class Compared(NamedTuple):
    """What is seen so far: the canary's mean less prod's, the variance of that, the requests of both."""

    difference: float
    error: float
    margin: float
    seen: float


class Outlook(NamedTuple):
    """`requests`: about how many more, None where that cannot be said or is of no use; `sentence`: why."""

    requests: int | None
    sentence: str


DECIDED: Final = Outlook(None, "")


def outlook(
    found: Compared, *, missing: tuple[float, float], gain: Callable[[float], float], minutes: int
) -> Outlook:
    """When the evidence will do, at the rates seen so far.

    `missing`: evidence that is still needed for worse, and for not worse. `gain`: what a request is expected
    to add at a difference. As long as the sides may be alike they are taken to be: a difference that is
    within its own error foretells nothing.
    """
    alike = found.difference**2 < ALIKE**2 * found.error
    expected = 0.0 if alike else found.difference
    gap = expected - found.margin
    each = gain(expected)
    if each <= 0 or (gap**2 < found.error and not alike):
        return Outlook(None, CLOSE)
    more = rounded(max(missing[0] if gap > 0 else missing[1], 0.0) / each)
    if minutes and more > MONTH * found.seen / minutes:
        return Outlook(None, LONG)
    return Outlook(more, f"about {more:,} more requests should tell{AS_GOOD if alike else ''}")


def rounded(value: float) -> int:
    """Upwards, to two digits: nobody knows more of it. At least 1."""
    step = 10.0 ** max(np.floor(np.log10(max(value, 1.0))) - 1, 0)
    return max(int(np.ceil(value / step) * step), 1)
