"""Rows from CSV and Parquet files, in chunks, so that memory does not grow with the file.

CSV needs nothing but the standard library and numpy; Parquet needs pyarrow (the extra `train`).
"""

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.errors import CannotJudgeError

Columns = dict[str, NDArray[Any]]
CHUNK_ROWS = 50_000
NO_VALUE = frozenset({"", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None"})
TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True)
class Table:
    """A file whose header was read and checked. `chunks` reads it again each time."""

    path: Path
    names: tuple[str, ...]
    parquet: bool
    delimiter: str = ","

    def chunks(self, *, text: Collection[str] = ()) -> Iterator[Columns]:
        """Columns of up to 50,000 rows at a time; CSV columns named in `text` are never read as numbers.

        A CSV column is float64 where every cell of the chunk is a number or without value, else objects
        (str, bool or None). Raises CannotJudgeError with the line, where the file is broken.
        """
        if self.parquet:
            yield from _parquet_chunks(self.path)
            return
        with _opened(self.path) as file:
            reader = csv.reader(file, delimiter=self.delimiter)
            next(reader)
            while rows := _some_rows(reader, self):
                yield {
                    name: cells(column, text=name in text)
                    for name, column in zip(self.names, zip(*rows, strict=True), strict=True)
                }

    def columns(self) -> Columns:
        """The whole file; a column is either numbers or text, whatever its chunks looked like."""
        text: set[str] = set()
        while True:
            parts: dict[str, list[NDArray[Any]]] = {name: [] for name in self.names}
            for chunk in self.chunks(text=text):
                for name, column in chunk.items():
                    parts[name].append(column)
            mixed = {name for name, each in parts.items() if len({_family(part) for part in each}) > 1} - text
            if self.parquet or not mixed:
                return {name: np.concatenate(each) if each else np.empty(0) for name, each in parts.items()}
            text |= mixed


def read_table(path: Path) -> Table:
    """Opens a file and checks its header. Raises CannotJudgeError for what is not a CSV or Parquet table."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise CannotJudgeError(
            f"the file {path} cannot be read: {error.strerror or error}; check its path"
        ) from error
    if magic == b"PAR1":
        names, delimiter = tuple(_parquet(path).schema_arrow.names), ","
    elif path.suffix.lower() in (".parquet", ".pq"):
        raise CannotJudgeError(
            f"the file {path} is named as Parquet but begins with {magic!r}, not PAR1; write it again"
        )
    else:
        names, delimiter = _header(path)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CannotJudgeError(
            f"the file {path} has several columns named {_quoted(twice)}; rename them, each name once"
        )
    return Table(path, names, magic == b"PAR1", delimiter)


def cells(column: Sequence[str], *, text: bool = False) -> NDArray[Any]:
    """The cells of a CSV column: float64 where all are numbers, bools where all are truth values, else text.

    A cell without value is NaN or None.
    """
    if not text:
        try:
            return np.array([np.nan if cell in NO_VALUE else float(cell) for cell in column])
        except ValueError:
            pass
    bare = [cell.strip() for cell in column]
    present = [None if cell in NO_VALUE else cell for cell in bare]
    if not text and all(cell is None or cell in TRUTH for cell in present):
        return np.array([None if cell is None else TRUTH[cell] for cell in present], dtype=object)
    return np.array(present, dtype=object)


def epoch_seconds(column: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Times as epoch seconds: numbers are such already, text is ISO 8601 (UTC where it names no zone)."""
    if column.dtype.kind == "M":
        return column.astype("datetime64[us]").astype(np.float64) / 1e6
    if column.dtype.kind in "fiu":
        return column.astype(np.float64)
    try:
        times = [value if isinstance(value, datetime) else datetime.fromisoformat(value) for value in column]
    except (TypeError, ValueError) as error:
        raise CannotJudgeError(
            f"column '{name}' does not hold times: {error}; write ISO 8601 "
            "(2026-01-31T12:00:00+00:00) or epoch seconds"
        ) from error
    return np.array([(t if t.tzinfo else t.replace(tzinfo=UTC)).timestamp() for t in times])


def check_columns(table: Table, needed: Sequence[str]) -> list[str]:
    """The columns that are there beyond those needed. Raises CannotJudgeError naming the missing ones."""
    missing = [name for name in needed if name not in table.names]
    if missing:
        raise CannotJudgeError(
            f"the file {table.path} lacks {_quoted(missing)}, which the baseline has; it has "
            f"{_quoted(table.names)}. Is it the data of another model?"
        )
    return [name for name in table.names if name not in needed]


def coded(columns: Mapping[str, NDArray[Any]], kinds: Mapping[str, str], path: Path) -> Columns:
    """Columns as the baseline's kinds want them: for numbers, text becomes a missing value.

    Raises CannotJudgeError where a numeric feature holds nothing but text: that is another column, no drift.
    """
    out = {}
    for name, kind in kinds.items():
        column = columns[name]
        if kind != "categorical" and column.dtype.kind == "O":
            numbers = np.array([_number(value) for value in column.tolist()])
            present = [value for value in column.tolist() if value is not None]
            if present and not np.isfinite(numbers).any():
                raise CannotJudgeError(
                    f"column '{name}' of {path} holds text ('{str(present[0])[:40]}'), the baseline holds "
                    "numbers; is it the data of another model?"
                )
            column = numbers
        out[name] = column
    return out


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float(TRUTH.get(str(value), np.nan))


def _family(column: NDArray[Any]) -> str:
    if column.dtype.kind != "O":
        return "number"
    return "truth" if all(value is None or value.__class__ is bool for value in column.tolist()) else "text"


def _some_rows(reader: Iterator[list[str]], table: Table) -> list[list[str]]:
    rows = []
    width = len(table.names)
    try:
        for row in reader:
            if len(row) != width:
                if not row:
                    continue
                line = getattr(reader, "line_num", 0)
                raise CannotJudgeError(
                    f"line {line} of {table.path} has {len(row)} cells, its header has {width}; "
                    "correct the file"
                )
            rows.append(row)
            if len(rows) == CHUNK_ROWS:
                break
    except csv.Error as error:
        raise CannotJudgeError(f"{table.path} is not valid CSV: {error}; correct the file") from error
    return rows


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    # Bytes that are not UTF-8 stay visible as \xNN: such a value is a category like any other.
    with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        yield file


def _header(path: Path) -> tuple[tuple[str, ...], str]:
    with _opened(path) as file:
        first = file.readline()
    delimiter = max(",;\t", key=first.count)
    names = next(csv.reader([first], delimiter=delimiter), []) if first.strip() else []
    if not names:
        raise CannotJudgeError(f"the file {path} is empty; its first line must name the features")
    if all(_is_number(name) for name in names):
        raise CannotJudgeError(
            f"the first line of {path} holds numbers ({first.strip()[:60]}); it must name the features"
        )
    return tuple(name.strip() for name in names), delimiter


def _is_number(text: str) -> bool:
    return bool(np.isfinite(_number(text)))


def _parquet(path: Path) -> Any:
    try:
        import pyarrow  # noqa: PLC0415 - 150 MB that the image of the check does not carry
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise CannotJudgeError(
            f"the file {path} is Parquet, and pyarrow is not installed; pip install 'driftlead[train]', or "
            f"give CSV"
        ) from None
    try:
        return pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CannotJudgeError(
            f"the file {path} is not readable as Parquet: {error}; write it again"
        ) from error


def _parquet_chunks(path: Path) -> Iterator[Columns]:
    file = _parquet(path)
    import pyarrow  # noqa: PLC0415

    try:
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            yield {
                name: _arrow(name, column)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CannotJudgeError(
            f"the file {path} breaks off: {str(error).splitlines()[0]}; write it again"
        ) from error


def _arrow(name: str, column: Any) -> NDArray[Any]:
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array(column.to_pylist(), dtype=object)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers: NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return numbers
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times: NDArray[Any] = column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
        return times
    return np.array(column.to_pylist(), dtype=object)


def _quoted(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
