"""Postgres, S3 and MLflow by TLS of one's own authority: pods believe them by what the chart mounts."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from driftlead_formats.exit_codes import ExitCode
from neighbours import mlflow_server, postgres, s3_server
from neighbours.certificates import authority
from neighbours.inference import COMMAND, inference_server, settings
from neighbours.models import baseline_file, register, rows

MODEL = "Demo"
BELIEVED = ("AWS_CA_BUNDLE", "MLFLOW_TRACKING_SERVER_CERT_PATH", "PGSSLROOTCERT")


@dataclass(frozen=True)
class Pods:
    """The folder of connections as the chart makes it, a pod's other variables, and the way without TLS."""

    connections: Path
    variables: dict[str, str]
    plain: str

    def without(self, name: str, folder: Path) -> dict[str, str]:
        """The variables of a pod that does not know the authority of one neighbour."""
        folder.mkdir()
        for file in self.connections.iterdir():
            if file.name != name:
                (folder / file.name).write_bytes(file.read_bytes())
        return {**self.variables, "DRIFTLEAD_CONNECTIONS_DIR": str(folder)}


@pytest.fixture(scope="module", autouse=True)
def no_authorities_of_this_machine() -> Iterator[None]:
    """A pod has none of these, and an environment variable would win over the mounted file."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*BELIEVED, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    home = tmp_path_factory.mktemp("tls")
    own, connections = authority(home / "ca"), home / "connections"
    connections.mkdir()
    with postgres(authority=own) as database, s3_server(authority=own) as store:
        plain = database.create_database()
        files = {
            **store.environment(),
            "DRIFTLEAD_POSTGRES_DSN": f"{plain}?sslmode=verify-full",
            "DRIFTLEAD_REPORT_BUCKET": "mlflow",
            "DRIFTLEAD_CA_BUNDLE": own.certificate.read_text(),
            **dict.fromkeys(BELIEVED, str(connections / "DRIFTLEAD_CA_BUNDLE")),
        }
        for name, value in files.items():
            (connections / name).write_text(value)
        with (
            mlflow_server(artifacts="s3://mlflow", authority=own) as uri,
            pytest.MonkeyPatch.context() as patch,
        ):
            for name in (*BELIEVED, *store.environment()):
                patch.setenv(name, files[name])
            register(uri, MODEL)
            patch.undo()
            variables = {"MLFLOW_TRACKING_URI": uri, "DRIFTLEAD_CONNECTIONS_DIR": str(connections)}
            yield Pods(connections, variables, plain)


def drift(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """The command line of the drift pods."""
    command = [sys.executable, "-m", "driftlead_drift", *words]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)


async def logged(dsn: str) -> int:
    """How many predictions the log holds."""
    connection = await asyncpg.connect(dsn, ssl="disable")
    try:
        return int(await connection.fetchval("SELECT count(*) FROM inference_logs"))
    finally:
        await connection.close()


def test_a_version_is_loaded_predictions_are_logged_and_checked_and_the_report_is_kept(
    pods: Pods, tmp_path: Path
) -> None:
    migrated = drift(pods.variables, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    with inference_server(
        f"models:/{MODEL}/1", tmp_path, **pods.variables, DRIFTLEAD_LOG_MODE="durable"
    ) as pod:
        for _ in range(3):
            pod.predict(rows(200).tolist())

    assert asyncio.run(logged(pods.plain)) == 600
    words = ["check", "--model", f"models:/{MODEL}/1", "--deployment", "prod", "--window", "1h"]
    words += ["--period", "none", "--baseline", str(baseline_file(tmp_path)), "--json"]
    checked = drift(pods.variables, *words)
    assert checked.returncode in (0, 2), checked.stdout + checked.stderr
    said = json.loads(checked.stdout)
    assert said["rows"] == 600, checked.stderr
    assert said["uri"].startswith("s3://mlflow/")


@pytest.mark.parametrize("name", BELIEVED)
def test_a_pod_that_is_not_told_of_the_authority_refuses_the_neighbour_and_says_why(
    name: str, pods: Pods, tmp_path: Path
) -> None:
    variables = pods.without(name, tmp_path / "connections")
    if name == "PGSSLROOTCERT":
        refused = drift(variables, "migrate")
        assert refused.returncode == 1
        assert "root.crt" in refused.stderr or "CERTIFICATE_VERIFY_FAILED" in refused.stderr
        return
    code = (
        ExitCode.POD_CANNOT_REACH_ARTIFACTS if name == "AWS_CA_BUNDLE" else ExitCode.POD_CANNOT_REACH_REGISTRY
    )
    command = [*COMMAND, "--model", f"models:/{MODEL}/1", "--port", "0", "--host", "127.0.0.1"]
    environment = {**os.environ, **settings(tmp_path, **variables)}
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=200)
    assert ended.returncode == code, ended.stdout[-2000:]
    assert "CERTIFICATE_VERIFY_FAILED" in ended.stdout + ended.stderr
