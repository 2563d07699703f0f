"""The reference by block: how much traffic differs between its own hours, days or groups of entities."""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline.binning import (
    FeatureBins,
    Floats,
    Ints,
    Scanner,
    is_missing,
)

HOUR: Final = 3600
DAY: Final = 86_400
MAX_BLOCKS: Final = 10_000  # a year of hours; longer histories are kept by day
GROUP_SETS: Final = 40

Independence = Literal["time", "groups", "assumed"]
Unit = Literal["hour", "day", "group"]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Counts of the reference by block, in order.

    `unit`: an hour, a day, or a set of whole groups. `first`: epoch seconds (UTC) at which block 0 begins, 0
    for groups.
    `counts`: one array (blocks, bin_count) int64 for each feature; the prediction's is last where there is
    one. Blocks without rows are kept as zeros, so that block i begins at `first + i * seconds`.
    """

    unit: Unit
    first: int
    counts: tuple[Ints, ...]

    @property
    def seconds(self) -> int:
        """Length of a block; 0 for groups."""
        return {"hour": HOUR, "day": DAY, "group": 0}[self.unit]

    @property
    def length(self) -> int:
        """Number of blocks."""
        return len(self.counts[0]) if self.counts else 0

    @cached_property
    def starts(self) -> Ints:
        """Epoch seconds at which each block begins, shape (length,)."""
        return self.first + self.seconds * np.arange(self.length, dtype=np.int64)


def make_blocks(
    features: Sequence[FeatureBins],
    codes: Sequence[NDArray[np.float32]],
    seconds: Floats | None,
    groups: NDArray[Any] | None,
) -> tuple[Blocks | None, Independence]:
    """Counts by hour (or day), else by sets of whole groups, else nothing."""
    if seconds is not None:
        unit: Unit = "hour"
        length = HOUR
        span = float(seconds.max() - seconds.min())
        whole_days = bool(np.all(seconds % DAY == 0))  # dates without a time of day
        if whole_days or span / HOUR > MAX_BLOCKS:
            unit, length = "day", DAY
        if span >= 2 * length:
            first = int(seconds.min() // length) * length
            index = ((seconds - first) // length).astype(np.int64)
            return Blocks(unit, first, _by_block(features, codes, index)), "time"
    if groups is not None:
        index = _group_sets(np.asarray(groups))
        if index.max() >= 3:
            return Blocks("group", 0, _by_block(features, codes, index)), "groups"
    return None, "assumed"


def _group_sets(groups: NDArray[Any]) -> Ints:
    """Deal whole groups over at most 40 sets, the largest first into the emptiest set: shape (n,)."""
    texts = np.asarray(["" if is_missing(g) else str(g) for g in groups.tolist()])
    _, inverse, sizes = np.unique(texts, return_inverse=True, return_counts=True)
    sets = min(GROUP_SETS, len(sizes))
    filled = np.zeros(sets, dtype=np.int64)
    target = np.zeros(len(sizes), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        target[group] = int(np.argmin(filled))
        filled[target[group]] += sizes[group]
    dealt: Ints = target[inverse]
    return dealt


def _by_block(
    features: Sequence[FeatureBins], codes: Sequence[NDArray[np.float32]], index: Ints
) -> tuple[Ints, ...]:
    order = np.argsort(index, kind="stable")
    length = int(index.max()) + 1
    starts = np.searchsorted(index[order], np.arange(length + 1))
    out = []
    for bins, column in zip(features, codes, strict=True):
        scanner, ordered = Scanner([bins]), column[order].reshape(-1, 1)
        parts = [scanner.count(ordered[a:b])[0] for a, b in itertools.pairwise(starts)]
        out.append(np.stack(parts))
    return tuple(out)


def pack(counts: Ints) -> str:
    """Counts by block as the text that stands in the file."""
    return base64.b64encode(zlib.compress(counts.astype("<i4").tobytes(), 9)).decode("ascii")


def unpack(text: str, length: int, bins: FeatureBins) -> Ints:
    """Counts of one feature by block, shape (length, bin_count). Raises ValueError, zlib.error for damage."""
    most = length * bins.bin_count * 4
    raw = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), max(most, 1))
    flat = np.frombuffer(raw, dtype="<i4")
    return flat.astype(np.int64).reshape(length, bins.bin_count)
