"""Brings the database to this release's schema: numbered SQL files, each once, each in its own transaction.

Any number of jobs may run it at the same time, of this release or of an older one: an advisory lock of the
transaction lets one at a time through, and a file that was applied is never applied again.
"""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg
import structlog

LOCK = 0x64726966746C6561  # "driftlea": the key of the advisory lock, the same in every release
LOCK_TIMEOUT = "5s"  # longest wait for a table lock; writers queue behind us no longer than that
LEDGER = """
CREATE TABLE IF NOT EXISTS driftlead_migrations (
    number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

log = structlog.get_logger(__name__)


class MigrationError(Exception):
    """A sentence: which file, what the database said, what to do."""


@dataclass(frozen=True)
class Migration:
    """One file: `number` orders it and is its identity, `sql` may hold several statements."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The file's digest, kept beside its number."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """What this release ships, in order."""
    found = [
        Migration(int(path.name.split("_")[0]), path.name.removesuffix(".sql"), path.read_text())
        for path in _folder().iterdir()
        if path.name[:4].isdigit() and path.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(dsn: str, *, wait: float = 0.0) -> list[str]:
    """`apply` for a caller without an event loop."""
    return asyncio.run(apply(dsn, wait=wait))


async def apply(dsn: str, *, wait: float = 0.0) -> list[str]:
    """Applies what is missing and grants rights; returns the names of the files applied by this call.

    `wait`: seconds to go on trying while the database starts or a table is locked. Raises MigrationError.
    """
    deadline = time.monotonic() + wait
    connection = await _connect(dsn, deadline)
    try:
        applied = [m.name for m in migrations() if await _apply_with_retries(connection, m, deadline)]
        await _in_transaction(connection, None)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"granting rights failed: {error}. The role must own the tables") from error
    finally:
        await connection.close()
    log.info("migrated", applied=applied)
    return applied


async def _connect(dsn: str, deadline: float) -> asyncpg.Connection:
    while True:
        try:
            return await asyncpg.connect(dsn, timeout=10, statement_cache_size=0)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            if time.monotonic() >= deadline or isinstance(error, ValueError):
                said = str(error) or type(error).__name__
                raise MigrationError(
                    f"the database cannot be reached: {said}. "
                    "Check DRIFTLEAD_MIGRATE_DSN or DRIFTLEAD_POSTGRES_DSN"
                ) from error
        await asyncio.sleep(1)


async def _apply_with_retries(connection: asyncpg.Connection, migration: Migration, deadline: float) -> bool:
    """Whether it was applied now; while a table stays locked it is tried again, until the deadline."""
    while True:
        try:
            return await _in_transaction(connection, migration)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if time.monotonic() >= deadline:
                raise MigrationError(
                    f"{migration.name}: a table stayed locked ({error}). Look for long transactions in "
                    "pg_stat_activity, and migrate again"
                ) from error
        except asyncpg.PostgresError as error:
            raise MigrationError(
                f"{migration.name}: {error}. Nothing of it was applied; fix this and migrate again"
            ) from error
        await asyncio.sleep(1)


async def _in_transaction(connection: asyncpg.Connection, migration: Migration | None) -> bool:
    """One transaction under the lock; None stands for the grants, which run every time."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL TimeZone = 'UTC'")
        if migration is None:
            await connection.execute(_folder().joinpath("grants.sql").read_text())
            return False
        await connection.execute(LEDGER)
        if await connection.fetchval(
            "SELECT 1 FROM driftlead_migrations WHERE number = $1", migration.number
        ):
            return False
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO driftlead_migrations (number, name, sha256) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.sha256,
        )
    return True


def _folder() -> Traversable:
    return files("driftlead_log").joinpath("migrations")
