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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline.binning import Ints, Scanner
from driftlead_formats.baseline.fields import BaselineFields
from driftlead_formats.baseline.file import SCHEMA, canonical, content, parse

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

    def count_by(self, rows: NDArray[Any], groups: NDArray[Any], number: int) -> list[Ints]:
        """`count` of each group of rows: shape (number, bins) for each feature."""
        return self._scanner.count_by(rows, groups, number)

    def count_prediction(self, predictions: Sequence[object] | NDArray[Any]) -> Ints | None:
        """Count vector of predictions (numbers or labels), None without a reference for them."""
        if self.prediction is None:
            return None
        return self._prediction_scanner.count(self.prediction.codes(predictions).reshape(-1, 1))[0]

    def count_prediction_by(
        self, predictions: Sequence[object] | NDArray[Any], groups: NDArray[Any], number: int
    ) -> Ints | None:
        """`count_prediction` of each group of rows: shape (number, bins)."""
        if self.prediction is None:
            return None
        codes = self.prediction.codes(predictions).reshape(-1, 1)
        return self._prediction_scanner.count_by(codes, groups, number)[0]

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
                f"the data lacks {shown(absent)} of the baseline's {len(self.features)} features: "
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
                f"the baseline is not valid JSON ({error}): write it again with `driftlead-drift baseline`"
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


def shown(names: Sequence[Any], most: int = 5) -> str:
    """Names in a sentence, the first few of many."""
    first = ", ".join(f"'{n}'" for n in names[:most])
    return first if len(names) <= most else f"{first} and {len(names) - most} more"
