"""Columns that say which row it is, or when, and measure nothing: every later window has others. Pure.

Row numbers, keys and dates that are written as numbers. As features they would drift with the first new row.
"""

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FEWEST: Final = 20  # rows below which a count may be chance
KEYS: Final = frozenset(
    {"id", "ids", "idx", "index", "key", "no", "nr", "num", "number", "row", "rows", "rowid", "rowname",
     "rownames", "rownum", "rownumber", "rowno", "level", "seq", "sequence", "serial", "uid", "uuid", "guid",
     "pk", "obs", "observation", "record", "case", "#"}
)  # fmt: skip
TIMES: Final = frozenset(
    {"at", "on", "ts", "time", "timestamp", "date", "datetime", "day", "created", "updated", "epoch", "unix"}
)
WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|#")
UNITS: Final = (1.0, 1e3, 1e6, 1e9)  # epoch seconds, milliseconds, microseconds, nanoseconds
FROM, UNTIL = 946_684_800.0, 4_102_444_800.0  # 2000 to 2100
EXACT: Final = 2.0**53


def words_of(name: str) -> list[str]:
    """The words within a name: PassengerId, passenger_id and `passenger id` have the same."""
    return [word.lower() for word in WORDS.findall(name)]


def is_key(name: str, column: NDArray[Any]) -> bool:
    """Whether it numbers the rows, or is a number that every row has another of and that is called so."""
    if not _whole(column):
        return False
    steps = np.diff(column)
    if (steps == 1).all() or (steps == -1).all():
        return len(column) >= FEWEST or _called(name, KEYS)
    # Beyond 2**53 different numbers have become equal.
    distinct = len(np.unique(column)) == len(column) or float(np.abs(column).min()) >= EXACT
    return distinct and _called(name, KEYS)


def is_time(name: str, column: NDArray[Any]) -> bool:
    """Whether it is a date as a number (20260131), or counts since 1970 and is called or sorted so."""
    if not _whole(column) or len(column) < FEWEST:
        return False
    if is_calendar(column):
        return True
    low, high = float(column.min()), float(column.max())
    counted = any(FROM * unit <= low and high <= UNTIL * unit for unit in UNITS)
    rising = bool((np.diff(column) >= 0).all()) and len(np.unique(column)) > len(column) // 2
    return counted and (rising or bool(TIMES.intersection(words_of(name))))


def is_calendar(column: NDArray[Any]) -> bool:
    """Whether all numbers are days as YYYYMMDD, of the years 1900 to 2100."""
    present = column[np.isfinite(column)]
    if not len(present) or (present != np.rint(present)).any():
        return False
    year, month, day = present // 10_000, present // 100 % 100, present % 100
    within = (year >= 1900) & (year <= 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(within.all())


def _called(name: str, last: frozenset[str]) -> bool:
    words = words_of(name)
    return bool(words) and words[-1] in last


def _whole(column: NDArray[Any]) -> bool:
    if column.dtype.kind not in "fiu" or len(column) < 2 or not np.isfinite(column).all():
        return False
    return bool((column == np.rint(column)).all())
