"""A row for the smoke prediction: the input example, a typical row of the baseline, or zeros."""

import json
from pathlib import Path
from typing import Any

from driftlead_formats.baseline import ARTIFACT, Baseline, BaselineError
from driftlead_inference.problems import Refused
from driftlead_inference.rows.signature import Feature, Signature
from driftlead_inference.rows.validation import RowValidator

NEUTRAL: dict[str, Any] = {
    "float": 0.0,
    "integer": 0,
    "boolean": False,
    "string": "",
    "datetime": "2000-01-01T00:00:00",
}


def example(folder: Path, signature: Signature) -> tuple[list[Any], str]:
    """The row and where it is from; the most telling one that there is."""
    for kind, find in (("input example", input_example), ("baseline", typical_row)):
        row = find(folder, signature)
        if row is not None:
            return row, kind
    return zeros(signature), "zeros"


def zeros(signature: Signature) -> list[Any]:
    """Neutral values; an encoder may rightly refuse them."""
    return [neutral(feature) for feature in signature.features]


def neutral(feature: Feature) -> Any:
    """Zero, false or the empty string."""
    return NEUTRAL[feature.kind]


def input_example(folder: Path, signature: Signature) -> list[Any] | None:
    """The first row that the model was logged with, where it fits the signature."""
    files = ("serving_input_example.json", "input_example.json")
    for file in (folder / name for name in files):
        try:
            document = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        row = first_row(document, signature)
        if row is not None:
            return row
    return None


def first_row(document: Any, signature: Signature) -> list[Any] | None:
    """The first row of what MLflow stores: split, records, tensors; None when it does not fit the
    signature."""
    if isinstance(document, dict):
        document = (
            document.get("dataframe_split") or document.get("inputs") or document.get("instances") or document
        )
    if isinstance(document, dict) and "data" in document:
        rows = document["data"]
        if "columns" in document and rows and signature.named:
            rows = [dict(zip(document["columns"], rows[0], strict=False))]
    else:
        rows = document
    if not isinstance(rows, list) or not rows:
        return None
    return fitting(rows[0], signature)


def fitting(row: Any, signature: Signature) -> list[Any] | None:
    """The row as the model gets it, missing values allowed; None when it does not fit the signature."""
    try:
        return RowValidator(signature, frozenset(range(len(signature.features)))).admit_row(row)
    except Refused:
        return None


def read_baseline(folder: Path) -> Baseline | None:
    """The baseline that travels with the version, where there is one. Raises `BaselineError` for a broken
    one."""
    file = folder / ARTIFACT
    return Baseline.from_json(file.read_bytes()) if file.is_file() else None


def typical_row(folder: Path, signature: Signature) -> list[Any] | None:
    """The typical value of each feature in the baseline, where it fits the signature."""
    try:
        baseline = read_baseline(folder)
    except BaselineError:
        return None
    if baseline is None:
        return None
    typical = dict(zip(baseline.names, baseline.typical_row(), strict=True))
    return fitting([typical.get(feature.name, neutral(feature)) for feature in signature.features], signature)
