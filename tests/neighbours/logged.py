"""The prediction log without a server: who writes it, and rows as a server would have written them."""

from collections.abc import Iterable
from typing import Any

import asyncpg

COLUMNS = ("ts", "model_name", "model_version", "latency_ms", "features", "prediction", "deployment")


async def copy_rows(
    connection: asyncpg.Connection, records: Iterable[tuple[Any, ...]], *further: str
) -> None:
    """Writes records of COLUMNS and, after these, of `further` columns."""
    await connection.copy_records_to_table("inference_logs", records=records, columns=[*COLUMNS, *further])


async def serving_role(owner: asyncpg.Connection) -> str:
    """The role that servers use, which may log in and has no rights but those that migrations grant it."""
    if not await owner.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'driftlead_serving'"):
        await owner.execute("CREATE ROLE driftlead_serving")
    await owner.execute("ALTER ROLE driftlead_serving LOGIN")
    return "driftlead_serving"
