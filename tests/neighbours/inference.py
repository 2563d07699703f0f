"""The real inference server as a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.ports import free_port
from neighbours.mlflow import answers
from neighbours.processes import running

COMMAND = [sys.executable, "-m", "driftlead_inference", "serve"]


def asked(url: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
    """Status and JSON of a GET, or of a POST of a JSON body."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            text, status = reply.read(), reply.status
    except urllib.error.HTTPError as error:
        text, status = error.read(), error.code
    return status, json.loads(text) if text.startswith((b"{", b"[")) else text.decode()


@dataclass(frozen=True)
class Inference:
    """Where it listens, its process and its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a GET, or of a POST of a JSON body."""
        return asked(self.url + path, body, headers)

    def predict(self, features: Any) -> Any:
        """The answer to `POST /predict`, which must be one."""
        status, reply = self.ask("/predict", {"features": features})
        assert status == 200, reply
        return reply


def settings(home: Path, **changes: str) -> dict[str, str]:
    """Variables of a server that keeps everything in one folder and logs nothing."""
    return {
        "DRIFTLEAD_LOG_MODE": "off",
        "DRIFTLEAD_CACHE_DIR": str(home / "cache"),
        "DRIFTLEAD_SPOOL_DIR": str(home / "spool"),
        "DRIFTLEAD_TERMINATION_LOG": str(home / "termination"),
        "DRIFTLEAD_LINGER_SECONDS": "0.2",
        **changes,
    }


@contextmanager
def inference_server(
    model: str | Path, home: Path | None = None, *, python: str | Path = sys.executable, **changes: str
) -> Iterator[Inference]:
    """A server that answers; ended afterwards. `changes` are variables; `home` keeps its files."""
    with tempfile.TemporaryDirectory(prefix="driftlead-inference-") as folder:
        home, port = home or Path(folder), free_port()
        url, log = f"http://127.0.0.1:{port}", home / "inference.log"
        command = [
            str(python),
            *COMMAND[1:],
            "--model",
            str(model),
            "--port",
            str(port),
            "--host",
            "127.0.0.1",
        ]
        with running(
            command,
            log=log,
            answers=lambda: answers(f"{url}/readyz"),
            seconds=180,
            environment=settings(home, **changes),
        ) as process:
            yield Inference(url, process, log)


def failed_start(
    model: str | Path, home: Path, *, python: str | Path = sys.executable, **changes: str
) -> tuple[int, dict[str, str]]:
    """Exit code and termination message of a start that must fail."""
    done = subprocess.run(
        [str(python), *COMMAND[1:], "--model", str(model), "--port", str(free_port()), "--host", "127.0.0.1"],
        env={**os.environ, **settings(home, **changes)},
        cwd=home,
        check=False,
        capture_output=True,
        timeout=120,
    )
    message = home / "termination"
    assert message.exists(), done.stdout.decode() + done.stderr.decode()
    return done.returncode, json.loads(message.read_text())
