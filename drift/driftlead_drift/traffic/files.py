"""Rows from CSV and Parquet files, in chunks, so that memory does not grow with the file.

CSV needs nothing but the standard library and numpy; Parquet needs pyarrow (the extra `train`). Both are
read twice: `number_text` says from all cells how a column of text is meant, then the cells are read so. CSV,
Parquet and the log give one reading of the same data.
"""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.traffic import csv_dialect, number_text
from driftlead_drift.traffic.csv_dialect import Dialect
from driftlead_drift.traffic.file_formats import other_format
from driftlead_drift.traffic.number_text import MeantOtherwiseError, Profile, Reading
from driftlead_drift.traffic.parquet import index_columns, open_parquet, parquet_chunks

Columns = dict[str, NDArray[Any]]
CHUNK_ROWS: Final = 50_000
CHUNK_VALUES: Final = 5_000_000
MOST_COLUMNS: Final = 20_000
MOST_ROWS: Final = 200_000_000
MOST_VALUES: Final = 200_000_000  # of a table that is held whole: 1.6 GB of numbers
UNNAMED: Final = re.compile(r"Unnamed: \d+([._]\d+)*|__index_level_\d+__")


@dataclass(frozen=True)
class Table:
    """A file whose header was read and checked. `chunks` reads it again each time.

    `dialect`: of a CSV file, None for Parquet. `index`: columns that hold row numbers by their name, or by
    pandas' own note.
    """

    path: Path
    names: tuple[str, ...]
    dialect: Dialect | None
    index: frozenset[str] = frozenset()

    @property
    def parquet(self) -> bool:
        """Whether it is a Parquet file."""
        return self.dialect is None

    def _raw(self) -> Iterator[tuple[Columns | Mapping[str, Sequence[str]], Sequence[int]]]:
        """Chunks as they stand in the file, and the line (of Parquet the row) of each."""
        most = max(1, min(CHUNK_ROWS, CHUNK_VALUES // max(len(self.names), 1)))
        seen = 0
        if self.dialect is None:
            for columns in parquet_chunks(self.path, most):
                rows = len(next(iter(columns.values()))) if columns else 0
                seen = self._bounded(seen + rows)
                yield dict(zip(self.names, columns.values(), strict=True)), range(seen - rows + 1, seen + 1)
            return
        with csv_dialect.reader(self.path, self.dialect) as reader:
            next(reader)
            while True:
                cells, lines = _some_rows(reader, self, most)
                if not cells:
                    return
                seen = self._bounded(seen + len(cells))
                yield dict(zip(self.names, zip(*cells, strict=True), strict=True)), lines

    def named_as(self, wanted: Collection[str]) -> "Table":
        """The same table by the wanted names, where only blanks around them differ.

        CSV's names are read without, a DataFrame's and the log's are what they are.
        """
        lacking = {name.strip(): name for name in wanted if name not in self.names}
        names = [name if name in wanted else lacking.get(name.strip(), name) for name in self.names]
        return replace(self, names=tuple(names)) if len(set(names)) == len(names) else self

    def _bounded(self, rows: int) -> int:
        if rows > MOST_ROWS:
            raise CannotJudgeError(f"{self.path} has more than {MOST_ROWS:,} rows; take a part of them")
        return rows

    def profiles(self, names: Collection[str]) -> dict[str, Profile]:
        """What the cells of each named column have in common, where they are text."""
        found = {name: Profile() for name in names}
        for chunk, lines in self._raw():
            for name, profile in found.items():
                cells = chunk[name]
                if isinstance(cells, np.ndarray):
                    cells, places = _texts(cells, lines)
                    profile.add(cells, places)
                else:
                    profile.add(cells, lines)
        return found

    def chunks(self, readings: Mapping[str, Reading]) -> Iterator[Columns]:
        """Columns of up to 50,000 rows at a time, those that have a reading.

        A column is float64, datetime64, or objects (str, bool or None). Raises CannotJudgeError with the
        line, where the file is broken.
        """
        read = {name: number_text.converter(reading) for name, reading in readings.items()}
        for chunk, _ in self._raw():
            yield {name: _read(chunk[name], readings[name], convert) for name, convert in read.items()}

    def columns(self, readings: Mapping[str, Reading]) -> Columns:
        """The whole file. Raises CannotJudgeError where that is too much to hold."""
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in readings}
        held = 0
        for chunk in self.chunks(readings):
            for name, column in chunk.items():
                parts[name].append(column)
                held += len(column)
            if held > MOST_VALUES:
                raise CannotJudgeError(
                    f"{self.path} has more than {MOST_VALUES:,} values, which are not held at once; a "
                    "baseline of 100,000 rows drawn at random from it says as much"
                )
        return {name: np.concatenate(each) if each else np.empty(0) for name, each in parts.items()}

    def refused(self, name: str, error: MeantOtherwiseError, advice: str = "") -> CannotJudgeError:
        """The sentence on a column that is not written as it may be meant."""
        return CannotJudgeError(f"column '{name}' of {self.path} {error}{advice}")


def read_table(path: Path) -> Table:
    """Opens a file and checks its header. Raises CannotJudgeError for what is not a CSV or Parquet table."""
    try:
        with path.open("rb") as file:
            beginning = file.read(4096)
    except OSError as error:
        raise CannotJudgeError(
            f"the file {path} cannot be read: {error.strerror or error}; check its path"
        ) from error
    dialect, noted = None, frozenset[str]()
    if beginning.startswith(b"PAR1"):
        parquet = open_parquet(path)
        names, noted = tuple(parquet.schema_arrow.names), index_columns(parquet)
    elif path.suffix.lower() in (".parquet", ".pq"):
        raise CannotJudgeError(
            f"the file {path} is named as Parquet but begins with {beginning[:4]!r}, not PAR1; write it again"
        )
    elif other := other_format(beginning):
        raise CannotJudgeError(f"the file {path} is {other}; give CSV or Parquet")
    else:
        names, dialect = _csv_header(path)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise CannotJudgeError(
            f"the file {path} has several columns named {_quoted(twice)}; rename them, each name once"
        )
    if len(names) > MOST_COLUMNS:
        raise CannotJudgeError(
            f"the file {path} has {len(names):,} columns, more than {MOST_COLUMNS:,}; is it transposed?"
        )
    index = frozenset(name for name in names if UNNAMED.fullmatch(name))
    return Table(path, names, dialect, index | noted)


def _csv_header(path: Path) -> tuple[tuple[str, ...], Dialect]:
    try:
        names, dialect = csv_dialect.header(path)
    except csv.Error as error:
        raise CannotJudgeError(f"{path} is not valid CSV: {error}; correct the file") from error
    named = [name for name in names if not UNNAMED.fullmatch(name)]
    if all(np.isfinite(number_text.number(name)) for name in named):
        raise CannotJudgeError(
            f"the first line of {path} holds numbers ({', '.join(named)[:60]}); it must name the features"
        )
    return names, dialect


def notation(profiles: Mapping[str, Profile]) -> Reading | None:
    """The notation that some column of the file has for certain, where no other column has the other."""
    certain = {profile.notation for profile in profiles.values() if profile.numbers and not profile.other}
    found = certain & {Reading.POINT, Reading.COMMA}
    return found.pop() if len(found) == 1 else None


def check_columns(table: Table, needed: Sequence[str]) -> list[str]:
    """The columns that are there beyond those needed. Raises CannotJudgeError naming the missing ones."""
    missing = [name for name in needed if name not in table.names]
    if missing:
        raise CannotJudgeError(
            f"the file {table.path} lacks {_quoted(missing)}, which the baseline has; it has "
            f"{_quoted(table.names)}. Is it the data of another model?"
        )
    return [name for name in table.names if name not in needed and name not in table.index]


def reading_of_numbers(table: Table, name: str, profile: Profile, others: Reading | None) -> Reading:
    """How a column is read that the baseline holds as numbers. Raises CannotJudgeError.

    Nothing but text is another column, no drift.
    """
    if profile.other and profile.other == profile.present and not profile.truths and not profile.affixed:
        text = profile.examples["other"].text
        raise CannotJudgeError(
            f"column '{name}' of {table.path} holds text ('{text[:40]}'), the baseline holds numbers; is it "
            "the data of another model?"
        )
    try:
        return profile.as_numbers(others)
    except MeantOtherwiseError as error:
        raise table.refused(name, error) from error


def _texts(cells: NDArray[Any], lines: Sequence[int]) -> tuple[list[str], list[int]]:
    """The text among a Parquet column's values, and its rows: numbers and truth values are typed already."""
    if cells.dtype.kind != "O":
        return [], []
    found = [
        (value, line) for value, line in zip(cells.tolist(), lines, strict=True) if isinstance(value, str)
    ]
    return [value for value, _ in found], [line for _, line in found]


def _read(cells: Any, reading: Reading, convert: Any) -> NDArray[Any]:
    if not isinstance(cells, np.ndarray):
        column: NDArray[Any] = convert(cells)
        return column
    if cells.dtype.kind != "O" or reading in (Reading.TEXT, Reading.DATE):
        return cells
    values = cells.tolist()
    if not any(isinstance(value, str) for value in values):
        return cells
    converted: NDArray[Any] = convert(["" if value is None else str(value) for value in values])
    return converted


def _some_rows(reader: Any, table: Table, most: int) -> tuple[list[list[str]], list[int]]:
    rows, lines, width = [], [], len(table.names)
    try:
        for row in reader:
            if len(row) != width:
                if not row:
                    continue
                raise CannotJudgeError(_ragged(table, row, reader.line_num))
            rows.append(row)
            lines.append(reader.line_num)
            if len(rows) == most:
                break
    except (csv.Error, UnicodeError) as error:
        raise CannotJudgeError(f"{table.path} is not valid CSV: {error}; correct the file") from error
    skipped = table.dialect.skip if table.dialect else 0
    return rows, [line + skipped for line in lines] if skipped else lines


def _ragged(table: Table, row: Sequence[str], line: int) -> str:
    return (
        f"line {line} of {table.path} has {len(row)} cells, its header has {len(table.names)} (column "
        f"delimiter {table.dialect.delimiter if table.dialect else ','!r}); correct the file"
    )


def _quoted(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def all_numbers(texts: Sequence[str]) -> bool:
    """Whether categories are numbers throughout: codes, among which words for "no value" are missing."""
    return bool(texts) and all(np.isfinite(number_text.number(text)) for text in texts)
