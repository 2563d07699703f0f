"""A real MLflow tracking server with a registry, on SQLite or PostgreSQL."""

import secrets
import ssl
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.ports import free_port
from hack.tools import path_of
from neighbours.certificates import Authority
from neighbours.processes import running

ADMIN = ("admin", "an admin's pass-word: with colon")
"""The user and password of a server that asks for one."""
LOGIN = """\
[mlflow]
default_permission = READ
database_uri = sqlite:///{home}/users.db
admin_username = {user}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


def installed(line: str) -> Path:
    """The server of MLflow's line "2" or "3", in an environment of its own."""
    return path_of(f"mlflow{line}")


@contextmanager
def mlflow_server(
    *,
    backend: str | None = None,
    artifacts: str | None = None,
    environment: dict[str, str] | None = None,
    program: Path | None = None,
    prefix: str = "",
    login: bool = False,
    authority: Authority | None = None,
) -> Iterator[str]:
    """Its tracking URI. `backend`: a SQLAlchemy URI (default: SQLite); `artifacts`: a root such as s3://mlflow.

    `program`: another `mlflow` than that of these tests; `prefix`: a path below which everything is; `login`:
    whether it asks for the ADMIN; `authority`: who signs its certificate, where it speaks TLS (MLflow 3).
    """
    with tempfile.TemporaryDirectory(prefix="driftlead-mlflow-") as folder:
        home, port = Path(folder), free_port()
        uri = f"{'https' if authority else 'http'}://127.0.0.1:{port}{prefix}"
        variables = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **(environment or {})}
        command = [
            program or Path(sys.executable).with_name("mlflow"), "server", "--host", "127.0.0.1",
            "--port", str(port), "--workers", "1", "--backend-store-uri", backend or f"sqlite:///{home}/mlflow.db",
            "--default-artifact-root", artifacts or f"file://{home}/artifacts", "--no-serve-artifacts",
        ]  # fmt: skip
        if prefix:
            command += ["--static-prefix", prefix]
        if authority:
            made = authority.sign("mlflow")
            command += ["--uvicorn-opts", f"--ssl-certfile={made} --ssl-keyfile={made.with_suffix('.key')}"]
        if login:
            command += ["--app-name", "basic-auth"]
            (home / "login.ini").write_text(LOGIN.format(home=home, user=ADMIN[0], password=ADMIN[1]))
            variables["MLFLOW_AUTH_CONFIG_PATH"] = str(home / "login.ini")
            variables["MLFLOW_FLASK_SERVER_SECRET_KEY"] = secrets.token_hex()
        # A server that asks who one is answers this alone to everybody.
        asked = f"{uri}/health" if login else f"{uri}/api/2.0/mlflow/registered-models/search"
        trust = ssl.create_default_context(cafile=authority.certificate) if authority else None
        with running(
            command,
            log=home / "mlflow.log",
            answers=lambda: answers(asked, trust),
            seconds=120,
            environment=variables,
        ):
            yield uri


def answers(url: str, trust: ssl.SSLContext | None = None) -> bool:
    """Whether a GET is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=trust) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
