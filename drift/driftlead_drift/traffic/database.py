"""One connection to the prediction log, with sentences for what commonly goes wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.settings import Connections
from driftlead_formats.durations import duration

CONNECT_SECONDS = 10


def address(dsn: str) -> str:
    """A DSN without its secrets, for messages."""
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


@asynccontextmanager
async def connected(settings: Connections, *, reading: bool = False) -> AsyncIterator[asyncpg.Connection]:
    """A connection; for reading one repeatable-read transaction on the replica, if there is one.

    Raises CannotJudgeError where the database cannot be reached, refuses us, lacks a table or takes too long.
    """
    dsn, longest = _dsn(settings, reading=reading), duration(settings.statement_timeout).total_seconds()
    try:
        # Behind a transaction pooler a prepared statement may meet another server process, and what is set
        # in a session stays for whoever is given it next: no statement cache, and SET LOCAL alone.
        connection = await asyncpg.connect(
            dsn,
            timeout=CONNECT_SECONDS,
            statement_cache_size=0,
            command_timeout=None if reading else longest,
        )
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotJudgeError(
            f"the database at {address(dsn)} cannot be reached: {_said(error)}. "
            "Check DRIFTLEAD_POSTGRES_DSN and that Postgres runs"
        ) from error
    try:
        if reading:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute(f"SET LOCAL statement_timeout = {round(longest * 1000)}")
                yield connection
        else:
            yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:  # TimeoutError is an OSError
        raise CannotJudgeError(_sentence(error, address(dsn), settings.statement_timeout)) from error
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


def _sentence(error: Exception, where: str, longest: str) -> str:
    """What went wrong on an open connection, and what to do; from the special to the general."""
    match error:
        case asyncpg.UndefinedTableError():
            return f"the database at {where} has not all tables: {error}. Run: driftlead-drift migrate"
        case asyncpg.UndefinedColumnError():
            return f"a table at {where} is of an older shape: {error}. Run: driftlead-drift migrate"
        case asyncpg.InsufficientPrivilegeError():
            return (
                f"the database at {where} refuses: {error}. Grant the role SELECT on inference_logs, "
                "and SELECT and INSERT on drift_runs and drift_baselines"
            )
        case asyncpg.QueryCanceledError() | TimeoutError():
            return (
                f"the database took longer than {longest} for one statement: {_said(error)}. "
                "Raise DRIFTLEAD_STATEMENT_TIMEOUT, or shorten the window"
            )
        case _:
            return f"the database at {where} broke off: {_said(error)}; run the check again"


def _dsn(settings: Connections, *, reading: bool) -> str:
    secret: SecretStr | None = (settings.read_dsn if reading else None) or settings.postgres_dsn
    if secret is None:
        raise CannotJudgeError(
            "there is no database to read the prediction log from: set DRIFTLEAD_POSTGRES_DSN "
            "(postgresql://user:password@host:5432/name), or judge a file with --data FILE --baseline FILE"
        )
    return secret.get_secret_value()


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
