"""Labels on their way into the table `feedback`: written before they are acknowledged, in bounded time.

They go by a connection of their own, opened at the first label and closed when none came for a minute. A
label that is known already is left as it is: it may have been evidence on a canary since.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from driftlead_inference.labels import Label
from driftlead_inference.problems import Problem, Refused

if TYPE_CHECKING:
    import asyncpg

SECONDS = 5.0  # a label is stored within these seconds, or refused
IDLE_SECONDS = 60.0
RETRY_SECONDS = 5
# Without a target of the conflict the role needs no right to read the table.
INSERT = """
INSERT INTO feedback (request_id, "row", label, label_text, observed_at)
SELECT * FROM unnest($1::text[], $2::integer[], $3::float8[], $4::text[], $5::timestamptz[])
ON CONFLICT DO NOTHING
"""
NO_LOG = Problem(
    409,
    "this server logs no predictions (DRIFTLEAD_LOG_MODE is off, or there is no DRIFTLEAD_POSTGRES_DSN), so "
    "there is nothing that a label could belong to; send labels to a server that logs",
)
UNREACHABLE = Problem(
    503,
    "the labels are not stored: Postgres does not answer; send them again, what is stored is not doubled",
    retry_after=RETRY_SECONDS,
)
NO_TABLE = Problem(
    503,
    "the labels are not stored: the database has no table `feedback` of this release; run `driftlead-drift "
    "migrate`",
    retry_after=RETRY_SECONDS,
)
NO_RIGHT = Problem(
    503,
    "the labels are not stored: the role that serves may not INSERT into `feedback`; `driftlead-drift "
    "migrate` grants it to a role named driftlead_serving",
    retry_after=RETRY_SECONDS,
)

log = structlog.get_logger()


class FeedbackStore:
    """The way to the table; `dsn` is called for each connection, since passwords rotate."""

    def __init__(self, dsn: Callable[[], str], pooler: bool) -> None:
        self._dsn = dsn
        self._pooler = pooler
        self._lock = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def store(self, labels: Sequence[Label]) -> int:
        """How many of them were new; all of them are committed. Raises `Refused`.

        After a refusal some may be committed nevertheless, where the acknowledgement was lost.
        """
        import asyncpg  # noqa: PLC0415 - a server without labels does not pay for it

        try:
            async with asyncio.timeout(SECONDS), self._lock:
                return await self._insert(labels, again=self._connection is not None)
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise Refused(NO_TABLE) from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise Refused(NO_RIGHT) from error
        except (
            OSError, TimeoutError, ValueError,
            asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
        ) as error:  # fmt: skip
            self.close()
            log.warning("labels are not stored", labels=len(labels), error=f"{type(error).__name__}: {error}")
            raise Refused(UNREACHABLE) from error

    def close(self) -> None:
        """Lets the connection go; the next label opens another."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.terminate()

    async def _insert(self, labels: Sequence[Label], *, again: bool) -> int:
        import asyncpg  # noqa: PLC0415

        # In one order everywhere, so that two lists of the same rows never wait for each other.
        ordered = sorted(labels, key=lambda label: (label.request_id, label.row))
        try:
            return await self._write(await self._connected(), ordered)
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
            if not again:
                raise
            self.close()  # it was idle, and the database was restarted meanwhile
            return await self._insert(labels, again=False)

    async def _write(self, connection: "asyncpg.Connection", ordered: Sequence[Label]) -> int:
        done: str = await connection.execute(
            INSERT,
            [label.request_id for label in ordered],
            [int(label.row) for label in ordered],
            [label.number for label in ordered],
            [label.text for label in ordered],
            [label.observed_at for label in ordered],
        )
        return int(done.rpartition(" ")[2])

    async def _connected(self) -> "asyncpg.Connection":
        import asyncpg  # noqa: PLC0415

        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.close)
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn(),
                statement_cache_size=0 if self._pooler else 100,
                server_settings={"application_name": "driftlead-feedback"},
            )
        return self._connection
