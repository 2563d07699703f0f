"""What of a canary's traffic is compared with prod's: pairs of shares, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.comparison import Arm, CanaryPolicy, CheckName
from driftlead_drift.judging.truth import Tally
from driftlead_formats.histograms import LATENCY_EDGES_MS

SETTLING: Final = 500  # prod's first requests, from which the latency threshold is taken when none is given
SLOW: Final = 0.01  # share of them that is slower: prod's p99

Pair = tuple[CheckName, float, list[NDArray[Any]]]
"""Name, margin, and (prod's requests, bad ones, the canary's requests, bad ones), each shape (minutes,)."""


def slow_from(prod: Arm, policy: CanaryPolicy) -> tuple[float | None, int]:
    """What counts as slow (ms, an edge of the bins), and from which minute on it may be tested.

    Without an objective it is prod's p99 over its first requests; those minutes are used up by that.
    """
    if prod.latency is None or not len(prod.latency):
        return None, 0
    if policy.latency_threshold_ms is not None:
        edge = int(np.searchsorted(LATENCY_EDGES_MS, policy.latency_threshold_ms * (1 - 1e-9)))
        return float(LATENCY_EDGES_MS[min(edge, len(LATENCY_EDGES_MS) - 1)]), 0
    seen = np.cumsum(prod.latency.sum(axis=1))
    if seen[-1] < SETTLING:
        return None, 0
    settled = int(np.searchsorted(seen, SETTLING)) + 1
    early = prod.latency[:settled].sum(axis=0)
    slower = early.sum() - np.cumsum(early)[:-1]  # rows at or above each edge
    edge = int(np.argmax(slower <= SLOW * early.sum()))
    return float(LATENCY_EDGES_MS[edge]), settled


def _slow(latency: NDArray[Any], threshold: float) -> NDArray[np.int64]:
    edge = int(np.searchsorted(LATENCY_EDGES_MS, threshold))
    slow: NDArray[np.int64] = latency[:, edge + 1 :].sum(axis=1).astype(np.int64)
    return slow


def pairs_of(
    prod: Arm, canary: Arm, policy: CanaryPolicy, threshold: float | None, settled: int
) -> list[Pair]:
    """What is compared: name, margin, and (prod n, prod bad, canary n, canary bad) by minute."""
    out: list[Pair] = [
        ("errors", policy.error_margin, [prod.requests, prod.errors, canary.requests, canary.errors])
    ]
    if threshold is not None and prod.latency is not None and canary.latency is not None:
        used = np.arange(len(prod.requests)) >= settled
        arrays = [prod.latency.sum(axis=1), _slow(prod.latency, threshold)]
        arrays += [canary.latency.sum(axis=1), _slow(canary.latency, threshold)]
        out.append(("latency", policy.latency_margin, [a * used for a in arrays]))
    if prod.labels is not None and canary.labels is not None and not predicts_numbers(prod, canary):
        counts = [_counts(side, name) for side in (prod.labels, canary.labels) for name in ("rows", "wrong")]
        out.append(("quality", policy.quality_margin, counts))
    return out


def predicts_numbers(prod: Arm, canary: Arm) -> bool:
    """Whether labels say that predictions are not classes."""
    return any(tally.numbers for arm in (prod, canary) for tally in arm.labels or ())


def _counts(labels: Sequence[Tally], name: str) -> NDArray[Any]:
    return np.array([getattr(tally, name) for tally in labels], dtype=np.int64)
