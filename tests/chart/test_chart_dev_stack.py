"""What the development stack's pods run, here against real neighbours: Postgres, S3 and MLflow's server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx2
import psycopg2
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config

from chart.rendering import CHART, Object, Render
from hack.ports import free_port
from neighbours import S3, Postgres, mlflow_server, postgres
from neighbours.mlflow import answers
from neighbours.processes import running

DEV = {"devStack": {"enabled": True}}
PASSWORDS = {"DRIFTLEAD_PASSWORD": 'it\'s a "secret"', "MLFLOW_PASSWORD": "$(id) \\ plain"}


@pytest.fixture
def fresh_postgres() -> Iterator[Postgres]:
    """A server as the official image leaves it: the superuser is `postgres`."""
    with postgres() as server:
        administrator = psycopg2.connect(server.dsn())
        administrator.autocommit = True
        administrator.cursor().execute("CREATE ROLE postgres SUPERUSER LOGIN")
        administrator.close()
        renamed = psycopg2.connect(server.dsn().replace("driftlead@", "postgres@"))
        renamed.autocommit = True
        renamed.cursor().execute("ALTER ROLE driftlead RENAME TO bootstrap")
        renamed.close()
        yield server


@pytest.mark.parametrize("how", ["run", "sourced"])
def test_postgres_first_start_makes_two_roles_each_with_its_own_database(
    how: str, fresh_postgres: Postgres
) -> None:
    script = str(CHART / "files/init-databases.sh")
    words = ["bash", "-e", script] if how == "run" else ["bash", "-ec", f". {script}"]
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(fresh_postgres.port), "POSTGRES_USER": "postgres"}
    path = f"{fresh_postgres.bin}:{os.environ['PATH']}"
    subprocess.run(words, check=True, env={**PASSWORDS, **place, "PATH": path}, capture_output=True)
    for name in ("driftlead", "mlflow"):
        dsn = f"postgresql://{name}@127.0.0.1:{fresh_postgres.port}/{name}"
        with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE mine (id int)")
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            assert cursor.fetchone() == (False,)


def prepare(backend: str, s3: S3, bucket: str) -> str:
    """Runs the init container's own script, with its own environment."""
    environment = {
        **os.environ,
        **s3.environment(),
        "MLFLOW_BACKEND_STORE_URI": backend,
        "BUCKET": bucket,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        [sys.executable, CHART / "files/prepare_mlflow.py"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def buckets(s3: S3) -> set[str]:
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name="us-east-1",
    )
    return {each["Name"] for each in client.list_buckets()["Buckets"]}


def with_driver(dsn: str) -> str:
    """As the chart gives it to MLflow."""
    return dsn.replace("postgresql:", "postgresql+psycopg2:", 1)


def test_mlflow_is_prepared_twice_as_well_as_once(database: str, s3: S3) -> None:
    for _ in range(2):
        said = prepare(with_driver(database), s3, "prepared")
        assert "database: done" in said
        assert "bucket: done" in said
        assert "prepared" in buckets(s3)


def revision(dsn: str) -> str:
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        (found,) = cursor.fetchone() or ("",)
    return str(found)


def test_an_older_schema_of_mlflow_is_upgraded_before_the_server_starts(database: str, s3: S3) -> None:
    backend = with_driver(database)
    with mlflow_server(backend=backend, artifacts="s3://mlflow", environment=s3.environment()):
        newest = revision(database)
    scripts = ScriptDirectory.from_config(_get_alembic_config(backend))
    step = scripts.get_revision(newest)
    assert step is not None
    older = step.down_revision
    assert isinstance(older, str)
    command.downgrade(_get_alembic_config(backend), older)
    assert revision(database) == older
    prepare(backend, s3, "prepared")
    assert revision(database) == newest


@pytest.fixture(scope="module")
def server(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow's server by the very command of its pod, on another port and on SQLite."""
    pod = render(DEV).one("Deployment", "driftlead-mlflow")["spec"]["template"]["spec"]
    home, port = tmp_path_factory.mktemp("mlflow"), free_port()
    words = [re.sub(r"^--port=.*", f"--port={port}", word) for word in pod["containers"][0]["command"]]
    probe: Object = pod["containers"][0]["readinessProbe"]["httpGet"]
    with running(
        [
            Path(sys.executable).with_name(words[0]),
            *words[1:],
            f"--backend-store-uri=sqlite:///{home}/db",
        ],
        log=home / "log",
        answers=lambda: answers(f"http://127.0.0.1:{port}{probe['path']}"),
        seconds=120,
        environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    ):
        yield f"http://127.0.0.1:{port}"


NAMES = [
    f"driftlead-mlflow{rest}" for rest in ("", ".driftlead", ".driftlead.svc", ".driftlead.svc.cluster.local")
]


@pytest.mark.parametrize("port", ["", ":5000", ":80"])
@pytest.mark.parametrize("host", [*NAMES, "localhost", "127.0.0.1", "10.244.0.7", "172.18.0.3"])
def test_mlflow_answers_a_call_by_every_spelling_of_its_name(host: str, port: str, server: str) -> None:
    reply = httpx2.get(
        f"{server}/api/2.0/mlflow/registered-models/search", headers={"Host": f"{host}{port}"}, timeout=30
    )
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("host", ["evil.example.com", "driftlead-mlflow.evil.com", "mlflow.driftlead.svc"])
def test_mlflow_refuses_names_that_are_not_its_own(host: str, server: str) -> None:
    reply = httpx2.get(
        f"{server}/api/2.0/mlflow/registered-models/search", headers={"Host": host}, timeout=30
    )
    assert reply.status_code == 403


def test_the_pod_is_probed_by_a_host_name_that_mlflow_takes(render: Render, server: str) -> None:
    pod = render(DEV).one("Deployment", "driftlead-mlflow")["spec"]["template"]["spec"]
    for kind in ("startupProbe", "readinessProbe"):
        probe = pod["containers"][0][kind]["httpGet"]
        headers = {each["name"]: each["value"] for each in probe["httpHeaders"]}
        assert httpx2.get(server + probe["path"], headers=headers, timeout=30).status_code == 200
