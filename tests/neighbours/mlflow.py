"""A real MLflow tracking server with a registry, on SQLite or PostgreSQL."""

import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neighbours.processes import free_port, running


@contextmanager
def mlflow_server(
    *, backend: str | None = None, artifacts: str | None = None, environment: dict[str, str] | None = None
) -> Iterator[str]:
    """Its tracking URI. `backend`: a SQLAlchemy URI (default: SQLite); `artifacts`: a root such as s3://mlflow."""
    with tempfile.TemporaryDirectory(prefix="driftlead-mlflow-") as folder:
        home, port = Path(folder), free_port()
        uri = f"http://127.0.0.1:{port}"
        command = [
            Path(sys.executable).with_name("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
            "--workers", "1", "--backend-store-uri", backend or f"sqlite:///{home}/mlflow.db",
            "--default-artifact-root", artifacts or f"file://{home}/artifacts", "--no-serve-artifacts",
        ]  # fmt: skip
        with running(
            command,
            log=home / "mlflow.log",
            answers=lambda: answers(f"{uri}/api/2.0/mlflow/registered-models/search"),
            seconds=120,
            environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **(environment or {})},
        ):
            yield uri


def answers(url: str) -> bool:
    """Whether a GET is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
