"""How rows are given to a model that MLflow loaded: as an array or a frame whose types do not depend on them.

A micro-batch holds rows of several clients. What pandas would conclude from them (one null makes a column of
integers floats, one text with nine digits changes a column's unit) must not reach the model, so every column
has the type that the signature says. An integer or boolean column cannot hold a null: rows with one are a
group of their own, in which that column is float64, as it was in a training frame with gaps.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftlead_inference.model.answers import Answers, counted, joined
from driftlead_inference.rows.signature import ZONED, Feature, Signature
from driftlead_inference.rows.times import nanoseconds

Rows = Sequence[Sequence[object]]
PLAIN: Mapping[str, Callable[[Any], object]] = {"boolean": bool, "integer": int, "float": float}


class Predicts(Protocol):
    """What `flavours.Loaded` is."""

    def predict(self, data: Any, probabilities: bool = False) -> Answers:
        """Answers and probabilities for an array or a frame."""


def predict(
    loaded: Predicts, signature: Signature, takes: str, rows: Rows, *, probabilities: bool = False
) -> Answers:
    """The answers to rows in their order, each as if it had been asked alone."""
    parts = groups(signature, takes, rows)
    if parts is None:
        return counted(loaded.predict(given(signature, takes, rows), probabilities), len(rows))
    found = [
        counted(loaded.predict(given(signature, takes, [rows[at] for at in part]), probabilities), len(part))
        for part in parts
    ]
    order = np.argsort(np.concatenate(parts))
    likely = [each for _, each in found if each is not None]
    return (
        joined([answers for answers, _ in found])[order],
        np.concatenate(likely)[order] if likely else None,
    )


def groups(signature: Signature, takes: str, rows: Rows) -> list[list[int]] | None:
    """The rows by which whole-number columns are null in them; None where there is one group, as usual."""
    if takes == "array" and signature.array_dtype.startswith("float"):
        return None
    nulls = [[row[at] is None for row in rows] for at in signature.whole if None in [row[at] for row in rows]]
    if not nulls:
        return None
    found: dict[tuple[bool, ...], list[int]] = {}
    for at, pattern in enumerate(zip(*nulls, strict=True)):
        found.setdefault(pattern, []).append(at)
    return list(found.values()) if len(found) > 1 else None


def given(signature: Signature, takes: str, rows: Rows) -> Any:
    """Rows of one group as the model takes them."""
    if takes == "frame":
        return frame(signature, rows)
    if takes == "texts":
        return frame(signature, rows).iloc[:, 0]
    dtype = signature.array_dtype
    if not dtype.startswith("float") and any(None in row for row in rows):
        dtype = "float64"
    return np.array(rows, dtype=dtype)


def frame(signature: Signature, rows: Rows) -> Any:
    """A DataFrame of rows (each in the signature's order) with the signature's names and types."""
    import pandas as pd  # noqa: PLC0415 - heavy

    columns = {}
    for at, feature in enumerate(signature.features):
        values = column(feature, [row[at] for row in rows])
        # pandas reads an array of objects as its own type of texts, in which None is NaN.
        kept = pd.Series(values, dtype=object) if values.dtype.kind == "O" else values
        if feature.dtype == ZONED:
            kept = pd.Series(values).dt.tz_localize("UTC")
        columns[feature.name if signature.named else at] = kept
    return pd.DataFrame(columns, copy=False)


def objects(feature: Feature, values: list[Any]) -> NDArray[Any]:
    """Truth values or numbers as Python's own, among which a missing one is what training held."""
    make = PLAIN[feature.kind]
    null = None if feature.missing == "none" else np.nan
    kept = np.empty(len(values), dtype=object)
    kept[:] = [null if value is None else make(value) for value in values]
    return kept


def column(feature: Feature, values: list[Any]) -> NDArray[Any]:
    """One column's values; a missing one is what training held."""
    if feature.objects:
        return objects(feature, values)
    if feature.kind == "float":
        return np.array(values, dtype=feature.dtype)
    missing = None in values
    if feature.kind == "string":
        if missing and feature.missing == "nan":
            values = [np.nan if value is None else value for value in values]
        return np.array(values, dtype=object)
    if feature.kind == "datetime":
        counts = [None if value is None else nanoseconds(value) for value in values]
        numbers = [np.iinfo(np.int64).min if count is None else count for count in counts]  # NaT
        return np.array(numbers, dtype=np.int64).view("datetime64[ns]")
    return np.array(values, dtype="float64" if missing else feature.dtype)
