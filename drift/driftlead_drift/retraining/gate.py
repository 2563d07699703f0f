"""The champion gate: is the new model better on rows that neither was trained on?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCKS = 50
RESAMPLES = 500

Score = Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Scores on the hold-out, and the interval of challenger minus champion (higher is better).

    `low`, `high`: ends of the two-sided interval of the gate's level.
    """

    champion: float
    challenger: float
    low: float
    high: float
    rows: int

    @property
    def difference(self) -> float:
        """How much better the challenger is."""
        return self.challenger - self.champion

    def better(self, margin: float) -> bool:
        """Whether the whole interval lies above the margin."""
        return self.low > margin


def compare(
    target: NDArray[Any],
    champion: NDArray[Any],
    challenger: NDArray[Any],
    score: Score,
    *,
    alpha: float,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Scores both models' answers on the same hold-out rows and resamples the difference.

    `target`, `champion`, `challenger`: shape (n,), in the order of time. Resampled are 50 blocks of
    neighbouring rows, not rows, since rows of the same hour are alike and single rows would make the interval
    too narrow. The interval is the percentile bootstrap's. Raises ValueError where the score does (one class
    only, for example).
    """
    blocks = np.array_split(np.arange(len(target)), min(BLOCKS, len(target)))
    random = np.random.default_rng(seed)
    differences = []
    for _ in range(resamples):
        rows = np.concatenate([blocks[i] for i in random.integers(0, len(blocks), len(blocks))])
        try:
            differences.append(score(target[rows], challenger[rows]) - score(target[rows], champion[rows]))
        except ValueError:
            continue  # a resample without one of the classes says nothing
    if len(differences) < resamples / 2:
        raise ValueError("more than half of the resamples cannot be scored; give a larger hold-out")
    low, high = np.quantile(differences, [alpha / 2, 1 - alpha / 2])
    return Comparison(
        champion=score(target, champion),
        challenger=score(target, challenger),
        low=float(low),
        high=float(high),
        rows=len(target),
    )
