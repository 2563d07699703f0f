"""The baseline: the binned reference of a model version's training data, and its file.

`build` makes one from columns. `Baseline.to_json` and `from_json` are its file, `driftlead/baseline.json`,
schema `driftlead-baseline/v1` (`schemas/baseline-v1.schema.json`). `Baseline.count` counts traffic into its
bins. A baseline never changes: it belongs to one model version, and its sha256 names the bins of a histogram.

Counts, not shares, are kept: how sure a comparison can be depends on how many rows the reference had. They
are kept by block too (an hour or a day of training data, or a set of entities), because how much traffic
differs between its own blocks is what a check must not call drift.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline_fields import BaselineFields
from driftlead_formats.baseline_file import (
    SCHEMA,
    canonical,
    content,
    parse,
)
from driftlead_formats.binning import (
    Floats,
    Ints,
    Scanner,
)
from driftlead_formats.blocks import make_blocks
from driftlead_formats.choosing import bin_feature

ARTIFACT: Final = "driftlead/baseline.json"  # inside the model's artifact folder
PREDICTION: Final = "prediction"


class BaselineError(ValueError):
    """The data or the file cannot be a baseline; the message says what was seen and what to do."""


@dataclass(frozen=True, eq=False)
class Baseline(BaselineFields):
    """Frozen reference bins and counts of a model version: its fields, counting into its bins, its file."""

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in order."""
        return tuple(f.name for f in self.features)

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the canonical content; it names the bins."""
        return hashlib.sha256(canonical(self._content)).hexdigest()

    @cached_property
    def _content(self) -> dict[str, Any]:
        return content(self)

    @cached_property
    def _scanner(self) -> Scanner:
        return Scanner(self.features)

    @cached_property
    def _prediction_scanner(self) -> Scanner:
        return Scanner([self.prediction] if self.prediction else [])

    def count(self, rows: NDArray[Any]) -> list[Ints]:
        """Count vectors, one for each feature in order, of `rows`: shape (n, features), cast to float32.

        Text features stand there as codes (`encode`). Raises ValueError when the width is another.
        """
        return self._scanner.count(rows)

    def count_prediction(self, predictions: Sequence[object] | NDArray[Any]) -> Ints | None:
        """Count vector of predictions (numbers or labels), None without a reference for them."""
        if self.prediction is None:
            return None
        return self._prediction_scanner.count(self.prediction.codes(predictions).reshape(-1, 1))[0]

    def encode(self, rows: Sequence[Sequence[object]]) -> NDArray[np.float32]:
        """JSON values of rows in feature order as the float32 matrix that `count` takes."""
        out = [[f.code(v) for f, v in zip(self.features, row, strict=True)] for row in rows]
        with np.errstate(over="ignore"):
            return np.asarray(out, dtype=np.float32).reshape(len(rows), len(self.features))

    def count_columns(self, columns: Mapping[str, NDArray[Any]]) -> list[Ints]:
        """Count vectors of named columns (any order, more than needed allowed).

        Raises BaselineError naming the columns that are missing.
        """
        absent = [name for name in self.names if name not in columns]
        if absent:
            raise BaselineError(
                f"the data lacks {_some(absent)} of the baseline's {len(self.features)} features: "
                "check the same columns that the model was trained on"
            )
        if not self.features:
            return []
        return [Scanner([f]).count(f.codes(columns[f.name]).reshape(-1, 1))[0] for f in self.features]

    def typical_row(self) -> list[float | str | None]:
        """One row that the model should take: medians and most frequent categories."""
        return [f.typical for f in self.features]

    def to_json(self) -> bytes:
        """The file: canonical JSON (sorted keys, ASCII) with its own sha256."""
        return canonical({**self._content, "sha256": self.sha256})

    @staticmethod
    def from_json(data: bytes | str) -> Baseline:
        """Read and check a file. Raises BaselineError with a sentence on what is wrong with it."""
        try:
            raw = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BaselineError(
                f"the baseline is no JSON ({error}): write it again with `driftlead-drift baseline`"
            ) from error
        schema = raw.get("schema") if isinstance(raw, dict) else None
        if schema != SCHEMA:
            raise BaselineError(
                f"the file says schema {schema!r}, a baseline says {SCHEMA!r}: is it another file?"
            )
        try:
            baseline = Baseline(**parse(raw))
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise BaselineError(
                f"the baseline is damaged ({type(error).__name__}: {error}): write it again"
            ) from error
        if baseline.sha256 != raw.get("sha256"):
            raise BaselineError(
                f"the baseline was edited after it was written (its sha256 is {baseline.sha256[:12]}, not "
                f"{str(raw.get('sha256'))[:12]}): write it again"
            )
        return baseline


def build(
    columns: Mapping[str, NDArray[Any]],
    *,
    time: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
    prediction: NDArray[Any] | None = None,
    calendar: Collection[str] = (),
    note: str = "",
) -> Baseline:
    """Choose bins and count the reference.

    `columns`: name -> array (n,): numbers, truth values, or objects (text; None, NaN for missing).
    `time`: when each row happened: datetime64 (UTC) or epoch seconds; `groups`: which user, session or other
    entity each row belongs to. Time is the stronger statement and wins where both are given.
    `prediction`: the model's own outputs on these rows. `calendar`: features that move with the date by
    nature.
    Raises BaselineError with a sentence for no rows, unequal lengths, unusable columns or times.
    """
    rows = _checked(columns, time=time, groups=groups, prediction=prediction, calendar=calendar)
    seconds = None if time is None else _epoch(time)
    try:
        features = [bin_feature(str(n), np.asarray(c), calendar=n in calendar) for n, c in columns.items()]
        outputs = None if prediction is None else bin_feature(PREDICTION, np.asarray(prediction))
    except ValueError as error:
        raise BaselineError(str(error)) from error
    everything = [*features, *([outputs] if outputs else [])]
    sources = [*columns.values(), *([prediction] if prediction is not None else [])]
    codes = [f.codes(np.asarray(c)) for f, c in zip(everything, sources, strict=True)]
    blocks, independence = make_blocks(everything, codes, seconds, groups)
    return Baseline(
        features=tuple(features),
        prediction=outputs,
        rows=rows,
        blocks=blocks,
        independence=independence,
        time_from=None if seconds is None else float(seconds.min()),
        time_to=None if seconds is None else float(seconds.max()),
        note=note,
    )


def _checked(
    columns: Mapping[str, NDArray[Any]],
    *,
    time: NDArray[Any] | None,
    groups: NDArray[Any] | None,
    prediction: NDArray[Any] | None,
    calendar: Collection[str],
) -> int:
    if not columns:
        raise BaselineError("a baseline needs at least one feature column, there is none")
    lengths = {str(name): len(column) for name, column in columns.items()}
    lengths |= {
        k: len(v)
        for k, v in (("time", time), ("groups", groups), ("prediction", prediction))
        if v is not None
    }
    if len(set(lengths.values())) > 1:
        raise BaselineError(f"columns differ in length: {lengths}")
    rows = next(iter(lengths.values()))
    if rows == 0:
        raise BaselineError("the reference has no rows: a baseline needs at least one, better a thousand")
    unknown = [name for name in calendar if name not in columns]
    if unknown:
        raise BaselineError(
            f"marked as calendar but no column: {_some(unknown)}; columns are {_some(list(lengths))}"
        )
    return rows


def _epoch(time: NDArray[Any]) -> Floats:
    array = np.asarray(time)
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[us]").astype(np.float64) / 1e6
        seconds[np.isnat(array)] = np.nan
    elif array.dtype.kind in "fiu":
        seconds = array.astype(np.float64)
    else:
        raise BaselineError(
            f"time must be datetime64 or epoch seconds, it is {array.dtype}: convert it first"
        )
    missing = int(np.count_nonzero(~np.isfinite(seconds)))
    if missing:
        raise BaselineError(
            f"{missing} of {len(seconds)} rows have no time: leave them out, or give no time at all"
        )
    return seconds


def _some(names: Sequence[Any], most: int = 5) -> str:
    shown = ", ".join(f"'{n}'" for n in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
