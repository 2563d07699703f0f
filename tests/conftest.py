"""Fixtures for every level: each starts its neighbour once a session, and only when a test asks for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from neighbours import S3, Postgres, api_server, mlflow_server, postgres, s3_server

# Read when OpenMP is loaded: spinning threads starve whatever else runs on this machine, and each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# How long an example takes is the machine's affair: three lanes of tests share two cores. The rest is
# Hypothesis' own profile, which under CI draws the same examples every time.
settings.register_profile(
    "here", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("here")


@pytest.fixture(autouse=True)
def fresh_logs() -> Iterator[None]:
    """A command run within a test logs to that test's own output, which is closed afterwards."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def database(postgres_server: Postgres) -> str:
    """The DSN of a database that this module alone uses."""
    return postgres_server.create_database()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_uri() -> Iterator[str]:
    """A tracking server on SQLite with artifacts in a folder."""
    with mlflow_server() as uri:
        yield uri


@pytest.fixture(scope="session")
def mlflow_s3_uri(postgres_server: Postgres, s3: S3) -> Iterator[str]:
    """A tracking server as in production: PostgreSQL behind it, artifacts at s3://mlflow."""
    backend = postgres_server.create_database().replace("postgresql:", "postgresql+psycopg2:", 1)
    with mlflow_server(backend=backend, artifacts="s3://mlflow", environment=s3.environment()) as uri:
        yield uri


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    with api_server() as path:
        yield path
