"""A private PostgreSQL: its own data folder, a loopback port, no durability (tests that need it ask)."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.ports import free_port
from neighbours.certificates import Authority
from neighbours.processes import running


@dataclass
class Postgres:
    """A running server: `dsn()` names a database, `crash()` and `restart` are for fault tests."""

    port: int
    data: Path
    bin: Path
    user: str | None

    def dsn(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://driftlead@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str | None = None) -> str:
        """Makes an empty database and returns its DSN."""
        name = name or f"test_{secrets.token_hex(4)}"
        subprocess.run(
            [self.bin / "createdb", "--maintenance-db", self.dsn(), name], check=True, capture_output=True
        )
        return self.dsn(name)

    def pid(self) -> int:
        """The postmaster's process id, from its own lock file."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def crash(self) -> None:
        """Kills the postmaster as a power cut would; its children notice and end."""
        os.kill(self.pid(), signal.SIGKILL)


def binaries() -> Path:
    """The folder with initdb and postgres: the newest that Debian installed, or what is on the PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    if versions:
        return versions[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise FileNotFoundError("no PostgreSQL server on this machine; run: apt-get install postgresql")


def unprivileged() -> str | None:
    """Whom to run as, since postgres refuses root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def certify(server: Postgres, authority: Authority) -> None:
    """Lets the server speak TLS from its next start on."""
    made = authority.sign("postgres")
    for file in (made, made.with_suffix(".key")):
        target = server.data / file.name
        shutil.copy(file, target)
        target.chmod(0o600)
        shutil.chown(target, server.user or os.geteuid())
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.write("\nssl = on\nssl_cert_file = 'postgres.crt'\nssl_key_file = 'postgres.key'\n")


@contextmanager
def serving(server: Postgres, *, fsync: bool = False) -> Iterator[Postgres]:
    """Runs the server on a data folder that exists."""
    options = {
        "port": server.port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": server.data.parent,
    }
    if not fsync:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    ready = [server.bin / "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(server.port)]
    with running(
        [server.bin / "postgres", "-D", server.data, *words],
        log=server.data.parent / "postgres.log",
        answers=lambda: subprocess.run(ready, check=False).returncode == 0,
        user=server.user,
    ):
        yield server


@contextmanager
def postgres(*, fsync: bool = False, authority: Authority | None = None) -> Iterator[Postgres]:
    """A fresh server with the superuser `driftlead`, trusted on loopback; gone afterwards.

    `authority`: who signs its certificate, where it also speaks TLS.
    """
    with tempfile.TemporaryDirectory(prefix="driftlead-pg-") as folder:
        user, bin_ = unprivileged(), binaries()
        home = Path(folder)
        if user:
            shutil.chown(home, user)
            home.chmod(0o755)
        server = Postgres(free_port(), home / "data", bin_, user)
        subprocess.run(
            [
                bin_ / "initdb",
                "--auth=trust",
                "--username=driftlead",
                "--encoding=UTF8",
                "--no-sync",
                "-D",
                server.data,
            ],
            check=True,
            capture_output=True,
            user=user,
            cwd=home,
        )
        if authority:
            certify(server, authority)
        with serving(server, fsync=fsync):
            yield server
