"""Parquet files as columns in chunks. pyarrow (the extra `train`) is imported when one is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from driftlead_drift.errors import CannotJudgeError


def open_parquet(path: Path) -> Any:
    """The open file. Raises CannotJudgeError where pyarrow is missing, or the file is not Parquet."""
    try:
        import pyarrow  # noqa: PLC0415 - 150 MB that the image of the check does not carry
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise CannotJudgeError(
            f"the file {path} is Parquet, and pyarrow is not installed; pip install pyarrow, or give CSV"
        ) from None
    try:
        return pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CannotJudgeError(
            f"the file {path} is not readable as Parquet: {error}; write it again"
        ) from error


def index_columns(file: Any) -> frozenset[str]:
    """Columns that are a DataFrame's index, by pandas' own note in the schema."""
    try:
        noted = orjson.loads((file.schema_arrow.metadata or {}).get(b"pandas", b"{}"))
        return frozenset(name for name in noted.get("index_columns", ()) if isinstance(name, str))
    except (ValueError, AttributeError):
        return frozenset()


def parquet_chunks(path: Path, rows: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Columns of up to `rows` rows at a time. Raises CannotJudgeError where the file is broken."""
    file = open_parquet(path)
    import pyarrow  # noqa: PLC0415

    try:
        for batch in file.iter_batches(batch_size=rows):
            yield {
                name: _arrow(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CannotJudgeError(
            f"the file {path} breaks off: {str(error).splitlines()[0]}; write it again"
        ) from error


def _arrow(column: Any) -> NDArray[Any]:
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers: NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return numbers
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times: NDArray[Any] = column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
        return times
    return np.array(column.to_pylist(), dtype=object)
