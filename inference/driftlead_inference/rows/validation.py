"""What a request sends becomes rows that the model takes, or a sentence that names the feature.
Pure."""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_inference.problems import Problem, Refused, shown, unprocessable
from driftlead_inference.rows.signature import Feature, Signature
from driftlead_inference.rows.times import nanoseconds

Row = list[Any]
FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT64_MAX = float(np.finfo(np.float64).max)
EXPECTED = {
    "float": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "a string",
    "datetime": "an ISO 8601 time of the years 1678 to 2261",
}


class RowValidator:
    """Checks rows against the signature and what was probed at load. `width`: values in a row.

    `accepts_missing` holds the positions whose null the model answers; `accepts_huge` says whether numbers
    beyond float32's range reach it (trees refuse them); `exact` whether integers must not become floats on
    the way. Nothing of it changes once it is made.
    """

    def __init__(
        self,
        signature: Signature,
        accepts_missing: frozenset[int],
        accepts_huge: bool = False,
        exact: bool = False,
    ) -> None:
        features = signature.features
        self.signature = signature
        self.accepts_missing = accepts_missing
        # Beyond float32 a number is infinite to a column of that type, and so another one than was sent.
        self.accepts_huge = accepts_huge and not any(each.dtype == "float32" for each in features)
        self.largest = FLOAT64_MAX if self.accepts_huge else FLOAT32_MAX
        self.numeric = signature.numeric
        self.floats = signature.numeric and not exact  # a request may be read as floats
        self.width = len(features)
        self.names = signature.names
        self.known = frozenset(self.names)
        self.required = frozenset(feature.name for feature in features if feature.required)
        # What the checks of a batch need, laid out once.
        refuses = [at not in accepts_missing for at in range(self.width)]
        self.refuses_null: NDArray[np.bool_] = np.array(refuses)
        wholes = [at for at, feature in enumerate(features) if feature.kind != "float"]
        self.whole: NDArray[np.intp] = np.array(wholes, dtype=np.intp)
        self.ranges = [range_of(feature) for feature in features]
        self.lowest = np.array([float(self.ranges[at][0]) for at in wholes])
        self.highest = np.array([float(self.ranges[at][1]) for at in wholes])
        self.singles = struct.Struct(f"<{self.width}f")

    def admit(self, rows: Sequence[object]) -> list[Row]:
        """Rows by position or by name, checked value by value. Raises `Refused`."""
        return [self.admit_row(row, index if len(rows) > 1 else None) for index, row in enumerate(rows)]

    def admit_row(self, row: object, index: int | None = None) -> Row:
        """One row: a list in the signature's order, or an object by name."""
        if isinstance(row, dict):
            row = self.by_name(row, index)
        if not isinstance(row, list):
            raise unprocessable(
                f"{place(index)}a row is a list of {self.width} values, seen {shown(row)}",
                seen=shown(row),
                expected=f"a list of {self.width} values",
            )
        if len(row) != self.width:
            raise self.wrong_width(row, index)
        features = self.signature.features
        return [self.value(features[at], at, value, index) for at, value in enumerate(row)]

    def wrong_width(self, row: Sequence[object], index: int | None = None) -> Refused:
        """The refusal of a row with too few or too many values."""
        return unprocessable(
            f"{place(index)}the model takes {self.width} features, seen {len(row)}; send one value for each, "
            "null for a missing one",
            field="features",
            seen=f"{len(row)} values",
            expected=f"{self.width} values",
        )

    def by_name(self, row: Mapping[str, object], index: int | None) -> Row:
        """The values of an object in the signature's order; only an optional column may be absent."""
        if not self.signature.named:
            raise unprocessable(
                f"{place(index)}the model's features have no names; send a list of {self.width} numbers",
                expected=f"a list of {self.width} numbers",
            )
        if not self.known.issuperset(row):
            unknown = min(set(row) - self.known)
            raise unprocessable(
                f"{place(index)}the model has no feature {unknown!r}; it takes {', '.join(self.names)}",
                field=unknown,
            )
        if absent := self.required.difference(row):
            raise self.absent(absent, row, index)
        return [row.get(name) for name in self.names]

    def absent(self, absent: Collection[str], seen: Collection[str], index: int | None = None) -> Refused:
        """The refusal of a row without a required column: absent is not null."""
        name = next(name for name in self.signature.names if name in absent)
        return unprocessable(
            f"{place(index)}column {name!r} was not sent, seen {shown(sorted(map(str, seen)))}; "
            "send null for a missing value",
            field=name,
            seen="no such column",
            expected="a value or null",
        )

    def value(self, feature: Feature, at: int, value: object, index: int | None) -> object:
        """One value as the model gets it."""
        if value is None:
            if at not in self.accepts_missing:
                raise self.missing(at, index)
            return None
        convert = CONVERSIONS[feature.kind]
        converted = convert(value)
        if converted is None:
            raise self.refused(at, value, index)
        if isinstance(converted, int | float) and not self.ranges[at][0] <= converted <= self.ranges[at][1]:
            raise self.refused(at, value, index)
        return converted

    def missing(self, at: int, index: int | None) -> Refused:
        """The refusal of a null that the model does not answer."""
        feature = self.signature.features[at]
        return unprocessable(
            f"{place(index)}feature {feature.name!r} (position {at}) is missing or null, and the model gives "
            f"no answer without it; send {expected(feature)}",
            field=feature.name,
            seen="null",
            expected=expected(feature),
        )

    def refused(self, at: int, value: object, index: int | None) -> Refused:
        """The refusal of a value of the wrong kind."""
        feature = self.signature.features[at]
        return unprocessable(
            f"{place(index)}feature {feature.name!r} (position {at}) is {shown(value)}; "
            f"expected {expected(feature)}",
            field=feature.name,
            seen=shown(value),
            expected=expected(feature),
        )

    def usual(self, matrix: NDArray[np.float64], packed: NDArray[np.float32]) -> bool:
        """Whether a batch needs no closer look: all finite, within float32, whole where it must be.

        `matrix`: (rows, features), NaN for null; `packed`: the same in float32.
        """
        if not np.isfinite(packed).all() and self.unfit(matrix, packed).any():
            return False
        return not self.whole.size or self.all_whole(matrix)

    def packed(self, row: Row) -> bytes | None:
        """A row of numbers as little-endian float32; None where it needs a closer look.

        What `usual` is to a batch. To a server that was asleep the functions of arrays cost 50 us, this 7.
        """
        if self.whole.size:
            return None
        try:
            return self.singles.pack(*row) if isfinite(sum(row)) else None
        except (TypeError, OverflowError, struct.error):  # a null, or beyond float32
            return None

    def unfit(self, matrix: NDArray[np.float64], packed: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which values the model must not see: nulls it does not answer, infinities, numbers beyond it."""
        null = np.isnan(matrix)
        beyond = np.isinf(matrix if self.accepts_huge else packed)
        return (null & self.refuses_null) | beyond

    def all_whole(self, matrix: NDArray[np.float64]) -> bool:
        """Whether the integer columns hold whole numbers within their type, or NaN."""
        return not self.unwhole(matrix[:, self.whole]).any()

    def unwhole(self, part: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which values of integer and boolean columns these cannot hold: (rows, columns) or (columns,)."""
        fits = (part == np.rint(part)) & (part >= self.lowest) & (part <= self.highest)
        outside: NDArray[np.bool_] = ~(fits | np.isnan(part))
        return outside

    def fault(self, row: NDArray[np.float64], index: int | None = None) -> Problem | None:
        """Why the model must not see this row: (features,); `index` is its place among several."""
        null = np.isnan(row)
        bad = null & self.refuses_null
        if bad.any():
            return self.missing(int(bad.argmax()), index).problem
        huge = ~null & (np.abs(row) > self.largest)
        if huge.any():
            at = int(huge.argmax())
            name = self.signature.features[at].name
            return unprocessable(
                f"{place(index)}feature {name!r} (position {at}) is {float(row[at])!r}, beyond what the "
                "model computes with",
                field=name,
                seen=repr(float(row[at])),
                expected=f"a number up to {self.largest:.4g}",
            ).problem
        unwhole = self.unwhole(row[self.whole])
        if unwhole.any():
            at = int(self.whole[int(unwhole.argmax())])
            return self.refused(at, float(row[at]), index).problem
        return None


def range_of(feature: Feature) -> tuple[float, float]:
    """The lowest and the highest number that the feature's type holds."""
    if feature.kind == "boolean":
        return 0, 1
    if feature.kind == "integer":
        limits = np.iinfo(feature.dtype)
        return int(limits.min), int(limits.max)
    largest = FLOAT32_MAX if feature.dtype == "float32" else FLOAT64_MAX
    return -largest, largest


def expected(feature: Feature) -> str:
    """What the feature takes, in words."""
    low, high = range_of(feature)
    if feature.kind == "integer" and feature.dtype != "int64":
        return f"a whole number from {low} to {high}"
    if feature.dtype == "float32":
        return f"a number up to {high:.4g}"
    return EXPECTED[feature.kind]


def place(index: int | None) -> str:
    """Which row a sentence is about, when there are several."""
    return "" if index is None else f"row {index}: "


def as_float(value: object) -> float | None:
    """A JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) <= FLOAT64_MAX else None


def as_integer(value: object) -> int | None:
    """A whole JSON number, also written as 3.0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value)


def as_boolean(value: object) -> bool | None:
    """True, false, 1 or 0."""
    return bool(value) if isinstance(value, bool | int | float) and value in (0, 1) else None


def as_string(value: object) -> str | None:
    """A string that PostgreSQL's JSONB can hold (no NUL)."""
    return value if isinstance(value, str) and "\0" not in value else None


def as_datetime(value: object) -> str | None:
    """An ISO 8601 time, kept as text."""
    if not isinstance(value, str):
        return None
    return None if nanoseconds(value) is None else value


CONVERSIONS: Mapping[str, Callable[[object], object]] = {
    "float": as_float,
    "integer": as_integer,
    "boolean": as_boolean,
    "string": as_string,
    "datetime": as_datetime,
}
