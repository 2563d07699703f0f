"""Rows for the smoke prediction: the input example, a typical row of the baseline, or zeros."""

import json
import math
from pathlib import Path
from typing import Any

from driftlead_formats.baseline import ARTIFACT, Baseline, BaselineError
from driftlead_inference.problems import Refused
from driftlead_inference.rows.signature import Feature, Signature
from driftlead_inference.rows.validation import RowValidator

MOST = 20  # rows of an example that are looked at
NEUTRAL: dict[str, Any] = {
    "float": 0.0,
    "integer": 0,
    "boolean": False,
    "string": "",
    "datetime": "2000-01-01T00:00:00",
}


def example(folder: Path, signature: Signature) -> tuple[list[list[Any]], str]:
    """Rows and where they are from: the most telling ones that there are, the first without a gap first."""
    given = input_example(folder, signature)
    if given:
        return sorted(given, key=lambda row: None in row), "input example"
    typical = typical_row(folder, signature)
    return ([typical], "baseline") if typical is not None else ([zeros(signature)], "zeros")


def zeros(signature: Signature) -> list[Any]:
    """Neutral values; an encoder may rightly refuse them."""
    return [neutral(feature) for feature in signature.features]


def neutral(feature: Feature) -> Any:
    """Zero, false or the empty string."""
    return NEUTRAL[feature.kind]


def input_example(folder: Path, signature: Signature) -> list[list[Any]]:
    """The rows that the model was logged with, where they fit the signature."""
    files = ("serving_input_example.json", "input_example.json")
    for file in (folder / name for name in files):
        try:
            document = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        if rows := stored_rows(document, signature):
            return rows
    return []


def stored_cells(folder: Path) -> list[tuple[str, Any]]:
    """The cells of the stored example, row by row, with their columns' names; none where it is no table."""
    try:
        document = json.loads((folder / "input_example.json").read_text())
        names = document["columns"]
        return [
            (str(name), value) for row in document["data"] for name, value in zip(names, row, strict=True)
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def stored_rows(document: Any, signature: Signature) -> list[list[Any]]:
    """The rows of what MLflow stores: split, records, tensors; those that fit the signature."""
    if isinstance(document, dict):
        document = (
            document.get("dataframe_split") or document.get("inputs") or document.get("instances") or document
        )
    if isinstance(document, dict) and "data" in document:
        rows = document["data"]
        if "columns" in document and signature.named and isinstance(rows, list):
            columns = document["columns"]
            rows = [dict(zip(columns, row, strict=False)) for row in rows if isinstance(row, list)]
    else:
        rows = document
    if not isinstance(rows, list):
        return []
    fits = [fitting(row, signature) for row in rows[:MOST]]
    return [row for row in fits if row is not None]


def fitting(row: Any, signature: Signature) -> list[Any] | None:
    """The row as the model gets it, missing values allowed; None when it does not fit the signature."""
    if isinstance(row, dict):
        row = {name: given(value) for name, value in row.items()}
    elif isinstance(row, list):
        row = [given(value) for value in row]
    try:
        return RowValidator(signature, frozenset(range(len(signature.features)))).admit_row(row)
    except Refused:
        return None


def given(value: Any) -> Any:
    """A value as a request would hold it: MLflow writes a gap as NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value


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
