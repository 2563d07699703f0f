"""The baseline's file: what stands in it, and how it is read back. Written and read by `Baseline`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.baseline.blocks import Blocks, pack, unpack
from driftlead_formats.baseline.fields import BaselineFields

SCHEMA: Final = "driftlead-baseline/v1"


def content(baseline: BaselineFields) -> dict[str, Any]:
    """What the file holds, but for its own sha256."""
    blocks = baseline.blocks
    return {
        "schema": SCHEMA,
        "rows": baseline.rows,
        "independence": baseline.independence,
        "time": None if baseline.time_from is None else {"from": baseline.time_from, "to": baseline.time_to},
        "features": [_feature(f) for f in baseline.features],
        "prediction": None if baseline.prediction is None else _feature(baseline.prediction),
        "blocks": None
        if blocks is None
        else {
            "unit": blocks.unit,
            "first": blocks.first,
            "length": blocks.length,
            "encoding": "base64(zlib(int32 little-endian, blocks x bins))",
            "counts": [pack(c) for c in blocks.counts],
        },
        "note": baseline.note,
    }


def _feature(bins: FeatureBins) -> dict[str, Any]:
    return {
        "name": bins.name,
        "kind": bins.kind,
        "counts": [int(c) for c in bins.counts],
        "edges": [float(e) for e in bins.edges],
        "points": list(bins.points),
        "categories": list(bins.categories),
        "calendar": bins.calendar,
        "lossy": bins.lossy,
        "minimum": bins.minimum,
        "maximum": bins.maximum,
        "typical": bins.typical,
    }


def parse(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Baseline. Damage raises KeyError, TypeError, ValueError, AttributeError, zlib.error."""
    features = tuple(_parse_feature(f) for f in raw["features"])
    prediction = None if raw["prediction"] is None else _parse_feature(raw["prediction"])
    if not features:
        raise ValueError("it has no features")
    if len({f.name for f in features}) != len(features):
        raise ValueError("two features have the same name")
    everything = (*features, *([prediction] if prediction else []))
    blocks = raw["blocks"]
    if blocks is not None and len(blocks["counts"]) != len(everything):
        raise ValueError(f"{len(everything)} features but blocks of {len(blocks['counts'])}")
    time = raw["time"] or {"from": None, "to": None}
    return {
        "features": features,
        "prediction": prediction,
        "rows": int(raw["rows"]),
        "independence": raw["independence"],
        "time_from": time["from"],
        "time_to": time["to"],
        "note": raw["note"],
        "blocks": None if blocks is None else _parse_blocks(blocks, everything),
    }


def _parse_blocks(raw: Mapping[str, Any], features: Sequence[FeatureBins]) -> Blocks:
    length = int(raw["length"])
    counts = tuple(unpack(text, length, f) for text, f in zip(raw["counts"], features, strict=True))
    return Blocks(unit=raw["unit"], first=int(raw["first"]), counts=counts)


def _parse_feature(raw: Mapping[str, Any]) -> FeatureBins:
    if raw["kind"] not in ("numeric", "categorical", "boolean"):
        raise ValueError(f"feature '{raw['name']}' has the kind {raw['kind']!r}")
    bins = FeatureBins(
        name=raw["name"],
        kind=raw["kind"],
        counts=np.asarray(raw["counts"], dtype=np.int64),
        edges=np.asarray(raw["edges"], dtype=np.float64),
        points=tuple(float(p) for p in raw["points"]),
        categories=tuple(raw["categories"]),
        calendar=bool(raw["calendar"]),
        lossy=bool(raw["lossy"]),
        minimum=raw["minimum"],
        maximum=raw["maximum"],
        typical=raw["typical"],
    )
    if len(bins.counts) != bins.bin_count or (bins.counts < 0).any():
        raise ValueError(f"feature '{bins.name}' has {len(bins.counts)} counts for {bins.bin_count} bins")
    if (np.diff(bins.edges) <= 0).any() or (np.diff(bins.points) <= 0).any():
        raise ValueError(f"the edges of feature '{bins.name}' do not rise")
    return bins


def canonical(content: Mapping[str, Any]) -> bytes:
    """JSON with one way to write it: sorted keys, no spaces, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
