"""Fixtures that component tests of several modules share."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from driftlead_log.migrate import apply
from driftlead_operator.cluster.api_server import ApiServer
from neighbours import Postgres, operators


@pytest.fixture
async def api(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    """An administrator's connection to an API server that knows our kind."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    async with ApiServer() as server:
        await operators.install_crd(server)
        yield server


@pytest.fixture
async def where(api: ApiServer, request: pytest.FixtureRequest) -> str:
    """A namespace for this test alone."""
    words = request.node.originalname.replace("_", "-")[:50].strip("-")
    return await operators.namespace(api, f"{words}-{uuid.uuid4().hex[:6]}")


@pytest.fixture
def registries(mlflow_uri: str, tmp_path: Path, where: str) -> Path:
    """The declared registry `default`; the model named like the namespace has 1 in Production, and 2."""
    operators.register(mlflow_uri, where, 2)
    operators.move(mlflow_uri, where, "1", "Production")
    return operators.declare(tmp_path / "registries", "default", mlflow_uri)


@pytest.fixture
async def dsn(postgres_server: Postgres) -> str:
    """A database for this test alone, with our tables."""
    made = postgres_server.create_database()
    await apply(made)
    return made


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """An administrator's connection to it."""
    opened = await asyncpg.connect(dsn)
    yield opened
    await opened.close()
