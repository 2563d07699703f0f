"""What a CSV file is made of: its encoding, its delimiter, where its header stands, and its names.

Excel's first line `sep=;` says the delimiter; else it is the one of `, ; tab |` by which the first rows have
one width. A byte order mark is skipped, UTF-16 (Excel's "Unicode text") is read as such.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
    comma. Raises CannotJudgeError where the rows are a table, and what stands before them is a title.
    """
    looks = [(each, _first_rows(path, replace(dialect, delimiter=each))) for each in DELIMITERS]
    found = [(*_agreement(rows), each) for each, rows in looks]
    dividing = [one for one in found if one[1] > 1]
    if not dividing and (title := next((rows for _, rows in looks if _is_titled(rows)), None)):
        raise CannotJudgeError(
            f"the first line of {path} is '{title[0][0][:60]}', and later lines have {len(title[-1])} cells; "
            "remove what stands before the line that names the features"
        )
    return max(dividing or found, key=lambda one: one[:2])[2]


def _first_rows(path: Path, dialect: Dialect) -> list[list[str]]:
    """The first rows that are not empty; none where they are not valid CSV."""
    try:
        with reader(path, dialect) as rows:
            return [row for _, row in zip(range(LOOKED_AT), rows, strict=False) if row]
    except csv.Error:
        return []


def _agreement(rows: Sequence[Sequence[str]]) -> tuple[float, int]:
    """Share of the first rows that are as wide as the header, and its width."""
    if not rows:
        return 0.0, 1
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows), len(rows[0])


def _is_titled(rows: Sequence[Sequence[str]]) -> bool:
    """Whether all rows but some at the beginning have one width of several cells, names among them.

    A column of decimal commas has two numbers a row, and no name.
    """
    wide = [row for row in rows if len(row) > 1]
    if not wide or len({len(row) for row in wide}) > 1 or len(rows) < 3:
        return False
    first = next(at for at, row in enumerate(rows) if len(row) > 1)
    table = rows[first:]
    return len(table) == len(wide) and any(cell.strip()[:1].isalpha() for cell in table[0])
