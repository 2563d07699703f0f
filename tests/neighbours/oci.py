"""A real registry of OCI artifacts on a folder."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.ports import free_port
from neighbours.mlflow import answers
from neighbours.processes import running

SETTINGS = """\
version: 0.1
log: {{accesslog: {{disabled: true}}, level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextmanager
def oci_registry() -> Iterator[str]:
    """Its host and port, which speaks plain HTTP; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="driftlead-oci-") as folder:
        home, port = Path(folder), free_port()
        settings = home / "settings.yaml"
        settings.write_text(SETTINGS.format(folder=home / "data", port=port))
        program = shutil.which("docker-registry") or "docker-registry"
        command = [program, "serve", settings]
        with running(command, log=home / "log", answers=lambda: answers(f"http://127.0.0.1:{port}/v2/")):
            yield f"127.0.0.1:{port}"
