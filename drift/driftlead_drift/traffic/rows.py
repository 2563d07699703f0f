"""Rows of the log as Postgres' COPY writes them, counted batch by batch: JSON text, and packed float32."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.traffic.counting import Counter
from driftlead_formats.baseline import Baseline
from driftlead_formats.baseline.binning import to_float32

ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
DELIMITER = re.compile(rb"(?<!\\),")
HEADER_BYTES = 19
TRAILER = b"\xff\xff"
EPOCH_2000 = 946_684_800.0
"""Epoch seconds from which Postgres counts its microseconds."""


def count_lines(lines: bytes, counter: Counter) -> None:
    """Counts lines of COPY text `seconds,prediction,label,features`, in which a value's comma is escaped.

    Label and features are JSON, a label without text is null. Raises CannotJudgeError for rows of another
    width."""
    text = lines.rstrip(b"\n")
    if not text:
        return
    # Numbers, the usual case, become one JSON document for a whole batch; text is taken apart line by line.
    numbers = b'"' not in text and b"\\\\" not in text
    if numbers and text.count(b",null,[") == text.count(b"\n") + 1:
        rows = orjson.loads(b"[[" + text.replace(b"\\,", b",").replace(b"\n", b"],[") + b"]]")
        matrix = _numbers([row[3] for row in rows], counter.baseline)
        seconds, answers = (np.array([row[i] for row in rows], dtype=np.float64) for i in (0, 1))
        counter.add(matrix, answers, seconds)
        return
    parsed = [_row(line) for line in text.split(b"\n")]
    matrix = _values([in_order(features, counter.baseline) for *_, features in parsed], counter.baseline)
    answers = _objects([number if label is None else label for _, number, label, _ in parsed])
    counter.add(matrix, answers, np.array([row[0] for row in parsed], dtype=np.float64))


def count_packed(data: bytes, counter: Counter) -> None:
    """Counts whole tuples of COPY BINARY `(ts timestamptz, prediction float8, features_f32 bytea)`, all of
    them set."""
    width = len(counter.baseline.features)
    rows = np.frombuffer(data, dtype=packed_tuple(width))
    matrix = rows["features"].reshape(len(rows), width).astype(np.float32)
    counter.add(matrix, rows["prediction"].astype(np.float64), EPOCH_2000 + rows["ts"] / 1e6)


def packed_tuple(width: int) -> np.dtype[np.void]:
    """A tuple of COPY BINARY: field count, then length and value of each field."""
    return np.dtype(
        [
            ("fields", ">i2"),
            ("ts_length", ">i4"),
            ("ts", ">i8"),
            ("prediction_length", ">i4"),
            ("prediction", ">f8"),
            ("features_length", ">i4"),
            ("features", "<f4", (width,)),
        ]
    )


def in_order(features: Any, baseline: Baseline) -> list[Any]:
    """A row's features as a list in the baseline's order. Raises CannotJudgeError for another width."""
    if isinstance(features, dict):
        features = [features.get(name) for name in baseline.names]
    if not isinstance(features, list) or len(features) != len(baseline.features):
        seen = f"{len(features)} values" if isinstance(features, list) else type(features).__name__
        raise CannotJudgeError(
            f"a logged row holds {seen}, the baseline knows {len(baseline.features)} features; "
            "this baseline belongs to another model: name the right one, or the right version"
        )
    return features


def _row(line: bytes) -> tuple[float, float | None, str | None, Any]:
    seconds, number, label, features = DELIMITER.split(line, maxsplit=3)
    return (
        float(seconds),
        orjson.loads(number),
        orjson.loads(ESCAPED.sub(_unescaped, label)),
        orjson.loads(ESCAPED.sub(_unescaped, features)),
    )


def _unescaped(match: re.Match[bytes]) -> bytes:
    return match[1]  # JSON holds no control characters, so COPY escapes nothing but commas and backslashes


def _numbers(rows: Sequence[Sequence[Any]], baseline: Baseline) -> NDArray[np.float32]:
    """Rows of numbers and nulls as float32, shape (n, features)."""
    if any(feature.kind == "categorical" for feature in baseline.features):
        return _values([in_order(row, baseline) for row in rows], baseline)
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):  # widths differ, or a value is itself a list
        return _values([in_order(row, baseline) for row in rows], baseline)
    if matrix.ndim != 2 or matrix.shape[1] != len(baseline.features):
        in_order(rows[0], baseline)
    return to_float32(matrix)


def _values(rows: Sequence[Sequence[Any]], baseline: Baseline) -> NDArray[np.float32]:
    """Rows of any JSON values as float32: text as its category's code, a wrong type as NaN."""
    columns = zip(baseline.features, zip(*rows, strict=True), strict=True)
    return np.column_stack([feature.codes(_objects(column)) for feature, column in columns])


def _objects(column: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(column), dtype=object)
    array[:] = column
    return array
