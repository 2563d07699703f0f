"""What a baseline holds: frozen facts, below both what counts with them and the file that keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.baseline.blocks import Blocks, Independence


@dataclass(frozen=True, eq=False)
class BaselineFields:
    """Reference bins and counts of a model version.

    `features`: in the signature's order. `prediction`: the model's outputs on the reference, where known.
    `rows`: of the reference. `independence`: what is known of dependence between rows: from their times, from
    groups (users, sessions), or nothing ("assumed"). `time_from`, `time_to`: epoch seconds of the reference's
    first and last row.
    """

    features: tuple[FeatureBins, ...]
    rows: int
    independence: Independence = "assumed"
    prediction: FeatureBins | None = None
    blocks: Blocks | None = None
    time_from: float | None = None
    time_to: float | None = None
    note: str = ""
