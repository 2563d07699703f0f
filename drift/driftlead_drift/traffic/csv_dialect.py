"""What a CSV file is made of: its encoding, its delimiter, where its header stands, and its names.

Excel's first line `sep=;` says the delimiter; else it is the one of `, ; tab |` by which the first rows have
one width. A byte order mark is skipped, UTF-16 (Excel's "Unicode text") is read as such.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from driftlead_drift.errors import CannotJudgeError

DELIMITERS: Final = ",;\t|"
LONGEST_LINE: Final = 8_000_000  # characters; a longer line is cut, and so of another width than the header
LOOKED_AT: Final = 50  # rows by which the delimiter is chosen
UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Dialect:
    """`skip`: lines before the header (Excel's `sep=`)."""

    encoding: str
    delimiter: str
    skip: int


@contextmanager
def reader(path: Path, dialect: Dialect) -> Iterator["csv.reader"]:  # type: ignore[valid-type]
    """A reader of the rows, the header first. A line without end takes no memory without end."""
    # Bytes that are not UTF-8 stay visible as \xNN: such a value is a category like any other.
    with path.open(encoding=dialect.encoding, errors="backslashreplace", newline="") as file:
        for _ in range(dialect.skip):
            file.readline(LONGEST_LINE)
        yield csv.reader(iter(partial(file.readline, LONGEST_LINE), ""), delimiter=dialect.delimiter)


def header(path: Path) -> tuple[tuple[str, ...], Dialect]:
    """The names and the dialect. Raises CannotJudgeError for a file without a header."""
    encoding = _encoding(path)
    with path.open(encoding=encoding, errors="backslashreplace", newline="") as file:
        said = file.readline(LONGEST_LINE).strip().strip('"')
    given = said[4:] if said.lower().startswith("sep=") and len(said) == 5 else ""
    skip = 1 if said.lower().startswith("sep=") and len(said) <= 5 else 0
    dialect = Dialect(encoding, given or _delimiter(path, Dialect(encoding, ",", skip)), skip)
    with reader(path, dialect) as rows:
        names = [name.strip() for name in next(iter(rows), [])]
    if not any(names):
        raise CannotJudgeError(f"the file {path} is empty; its first line must name the features")
    return tuple(name or _name_for(place, names) for place, name in enumerate(names)), dialect


def _name_for(place: int, names: Sequence[str]) -> str:
    """What pandas calls a column without a name; a file written twice has one of that name already."""
    name = f"Unnamed: {place}"
    return f"{name}.1" if name in names else name


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in UTF16 else "utf-8-sig"


def _delimiter(path: Path, dialect: Dialect) -> str:
    """The delimiter that divides the header, and by which most rows have its width.

    Where none divides it there is one column: that by which every row has one cell: `0,5` has two by
    comma.
    """
    found = [(*_agreement(path, Dialect(dialect.encoding, each, dialect.skip)), each) for each in DELIMITERS]
    dividing = [one for one in found if one[1] > 1]
    return max(dividing or found, key=lambda one: one[:2])[2]


def _agreement(path: Path, dialect: Dialect) -> tuple[float, int]:
    """Share of the first rows that are as wide as the header, and its width."""
    try:
        with reader(path, dialect) as rows:
            seen = [row for _, row in zip(range(LOOKED_AT), rows, strict=False) if row]
    except csv.Error:
        return 0.0, 1
    if not seen:
        return 0.0, 1
    return sum(len(row) == len(seen[0]) for row in seen) / len(seen), len(seen[0])
