"""A real PgBouncer in transaction mode before a private PostgreSQL."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from hack.ports import free_port, listens
from neighbours.postgres import Postgres, unprivileged
from neighbours.processes import running

SESSIONS = 4
SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server} user=driftlead

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
server_round_robin = 1
"""
"""Each transaction on another connection than the one before: what leans on a session fails at once."""


@contextmanager
def pgbouncer(server: Postgres) -> Iterator[int]:
    """The port at which it answers for every database of the server; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="driftlead-pgbouncer-") as folder:
        home, port, user = Path(folder), free_port(), unprivileged()
        settings = home / "pgbouncer.ini"
        settings.write_text(SETTINGS.format(server=server.port, port=port, sessions=SESSIONS))
        if user:
            shutil.chown(home, user)
            home.chmod(0o755)
        with running(
            ["/usr/sbin/pgbouncer", settings], log=home / "log", answers=lambda: listens(port), user=user
        ):
            yield port


async def sessions(dsn: str) -> set[int]:
    """Has the pooler open all the sessions of a database that it may, and keep them; their process ids."""
    everyone = asyncio.Barrier(SESSIONS)

    async def hold() -> int:
        connection = await asyncpg.connect(dsn, statement_cache_size=0)
        async with connection.transaction():
            found = int(await connection.fetchval("SELECT pg_backend_pid()"))
            await everyone.wait()
        await connection.close()
        return found

    return set(await asyncio.gather(*(hold() for _ in range(SESSIONS))))
