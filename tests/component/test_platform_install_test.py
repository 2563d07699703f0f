"""The prediction that `helm test` makes: the pod's own script against real neighbours.

What the operator does in a cluster, starting a server for the version in Production, a thread does here.
"""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from driftlead_log.migrate import migrate
from hack.ports import free_port, listens
from neighbours import S3
from neighbours.processes import running

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "charts/driftlead/files/test_install.py"
MODEL = "driftlead-test"


def search(uri: str, what: str) -> Any:
    with urllib.request.urlopen(f"{uri}/api/2.0/mlflow/{what}/search", timeout=10) as reply:
        return json.load(reply)


def in_production(uri: str) -> str | None:
    versions = search(uri, "model-versions").get("model_versions", [])
    found = [each["version"] for each in versions if each["current_stage"] == "Production"]
    return str(found[0]) if found else None


@contextmanager
def operator(uri: str, port: int, connections: Path, log: Path) -> Iterator[None]:
    """Serves the version that reaches Production, once."""
    done = threading.Event()

    def follow() -> None:
        while (version := in_production(uri)) is None:
            if done.wait(0.5):
                return
        environment = {
            "MLFLOW_TRACKING_URI": uri,
            "DRIFTLEAD_CONNECTIONS_DIR": str(connections),
            "DRIFTLEAD_SPOOL_DIR": str(log.parent / "spool"),
            "DRIFTLEAD_CACHE_DIR": str(log.parent / "cache"),
            "DRIFTLEAD_TERMINATION_LOG": str(log.parent / "termination"),
        }
        words = ["-m", "driftlead_inference", "serve", "--model", f"models:/{MODEL}/{version}"]
        command = [sys.executable, *words, "--port", str(port)]
        with running(command, log=log, answers=lambda: listens(port), seconds=120, environment=environment):
            done.wait()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)


def test_a_model_is_registered_served_asked_logged_and_deleted_again(
    tmp_path: Path, mlflow_s3_uri: str, s3: S3, database: str
) -> None:
    migrate(database)
    connections, port = tmp_path / "connections", free_port()
    connections.mkdir()
    files = {"DRIFTLEAD_POSTGRES_DSN": database, "DRIFTLEAD_REPORT_BUCKET": "mlflow", **s3.environment()}
    for name, value in files.items():
        (connections / name).write_text(value)
    with operator(mlflow_s3_uri, port, connections, tmp_path / "inference.log"):
        done = subprocess.run(
            [sys.executable, SCRIPT],
            check=False,
            capture_output=True,
            text=True,
            timeout=280,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "DRIFTLEAD_CONNECTIONS_DIR": str(connections),
                "DRIFTLEAD_REGISTRIES_DIR": str(tmp_path / "none"),
                "MLFLOW_TRACKING_URI": mlflow_s3_uri,
                "TEST_MODEL": MODEL,
                "TEST_URL": f"http://127.0.0.1:{port}",
            },
        )
    assert "ok      prediction: version 1 answered 1" in done.stdout, done.stdout + done.stderr
    assert "and the answer is in inference_logs" in done.stdout
    names = [each["name"] for each in search(mlflow_s3_uri, "registered-models").get("registered_models", [])]
    assert MODEL not in names
