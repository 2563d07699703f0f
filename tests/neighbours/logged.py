"""Rows of the prediction log as a server would have written them, without a server."""

from collections.abc import Iterable
from typing import Any

import asyncpg

COLUMNS = ("ts", "model_name", "model_version", "latency_ms", "features", "prediction", "deployment")


async def copy_rows(
    connection: asyncpg.Connection, records: Iterable[tuple[Any, ...]], *further: str
) -> None:
    """Writes records of COLUMNS and, after these, of `further` columns."""
    await connection.copy_records_to_table("inference_logs", records=records, columns=[*COLUMNS, *further])
