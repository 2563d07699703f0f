"""A real PgBouncer in transaction mode before a private PostgreSQL."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neighbours.postgres import Postgres, unprivileged
from neighbours.processes import free_port, listens, running

SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server} user=driftlead

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
min_pool_size = 3
server_round_robin = 1
"""
"""Each transaction on another connection than the one before: what leans on a session fails at once."""


@contextmanager
def pgbouncer(server: Postgres) -> Iterator[int]:
    """The port at which it answers for every database of the server; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="driftlead-pgbouncer-") as folder:
        home, port, user = Path(folder), free_port(), unprivileged()
        settings = home / "pgbouncer.ini"
        settings.write_text(SETTINGS.format(server=server.port, port=port))
        if user:
            shutil.chown(home, user)
            home.chmod(0o755)
        with running(
            ["/usr/sbin/pgbouncer", settings], log=home / "log", answers=lambda: listens(port), user=user
        ):
            yield port
