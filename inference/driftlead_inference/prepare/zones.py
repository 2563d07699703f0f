"""Whether times had a zone in training, which no signature says: the stored example does, by their offset.

Such a column has a zone at the model too, UTC, so that a step may convert it to its own. The zone's name is
written nowhere: where it was another than UTC, that is said.
"""

import re
from pathlib import Path

import msgspec

from driftlead_inference.model.examples import stored_cells
from driftlead_inference.rows.signature import ZONED, Signature

OFFSET = re.compile(r"T\d{2}:\d{2}[^+Z-]*(Z|[+-]\d{2}:?\d{2})$")


def with_zones(signature: Signature, folder: Path) -> tuple[Signature, list[str]]:
    """The signature, whose times have the zone UTC where training's had one, and sentences on other zones."""
    offsets = of_example(folder)
    features = [
        msgspec.structs.replace(feature, dtype=ZONED)
        if feature.kind == "datetime" and feature.name in offsets
        else feature
        for feature in signature.features
    ]
    notes = [
        f"column {feature.name!r} had times with the offset {offsets[feature.name]} in training; the zone is "
        "not stored, so the model gets the same instants in UTC: convert within the pipeline, or train in UTC"
        for feature in features
        if feature.dtype == ZONED and offsets[feature.name] not in ("Z", "+00:00", "+0000")
    ]
    return msgspec.structs.replace(signature, features=tuple(features)), notes


def of_example(folder: Path) -> dict[str, str]:
    """The columns of the stored example whose first time has an offset, with that offset."""
    found: dict[str, str] = {}
    for name, value in stored_cells(folder):
        if isinstance(value, str) and (offset := OFFSET.search(value)) is not None:
            found.setdefault(name, offset[1])
    return found
