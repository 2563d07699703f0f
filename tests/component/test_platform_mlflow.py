"""MLflow 2 and 3, with a login, below a prefix, by TLS of one's own authority: all components work."""

import asyncio
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.storage.registry import Registry as DriftRegistry
from driftlead_drift.storage.registry import wanted
from driftlead_formats import tracking
from driftlead_operator.decisions.facts import RegistryWrite
from driftlead_operator.errors import RegistryRefusedError, RegistryUnreachableError
from driftlead_operator.registry.mlflow import Registry, read_declarations
from neighbours import mlflow_server
from neighbours.certificates import Authority, authority
from neighbours.inference import inference_server
from neighbours.mlflow import ADMIN, installed
from neighbours.operators import declare

MODEL = "Demo"
READER = ("reader", "may-only-read-here")
LOG = """
import mlflow, numpy, sys
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
table = numpy.random.default_rng(7).normal(size=(200, 3))
model = LogisticRegression().fit(table, table[:, 0] > 0)
place = {"name" if mlflow.__version__[0] == "3" else "artifact_path": "model"}
for _ in range(2):
    mlflow.sklearn.log_model(model, **place, registered_model_name=sys.argv[1],
        signature=infer_signature(table, model.predict(table)), pip_requirements=["scikit-learn"])
"""
"""What a user's notebook does, by the client of the server's own line."""


@dataclass
class Server:
    """A registry with two versions of a model; what the operator mounts for it, and what pods do."""

    uri: str
    files: dict[str, str] = field(default_factory=dict)
    connections: dict[str, str] = field(default_factory=dict)

    def registry(self, folder: Path, **changes: str) -> Registry:
        """The operator's client, its registry declared as the chart does."""
        files = {**self.files, **changes}
        authorities = files.pop("ca", "")
        home = declare(folder, "default", self.uri, **files)
        if authorities:
            (home / "default/ca.crt").write_text(authorities)
        return Registry(read_declarations(home)["default"])


def call(server: Server, path: str, user: tuple[str, str], body: dict[str, Any]) -> None:
    """One call of MLflow's REST API as a user."""
    headers = {"Content-Type": "application/json", "Authorization": tracking.basic(*user)}
    request = urllib.request.Request(
        f"{server.uri}/api/2.0/mlflow/{path}", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=30, context=tracking.trust()):
        return


def fill(server: Server, line: str) -> None:
    """Two versions, logged and registered by an administrator with the client of that line."""
    environment = {
        "MLFLOW_TRACKING_URI": server.uri,
        "PATH": os.environ["PATH"],
        "GIT_PYTHON_REFRESH": "quiet",
    }
    if server.files.get("username"):
        environment |= {"MLFLOW_TRACKING_USERNAME": ADMIN[0], "MLFLOW_TRACKING_PASSWORD": ADMIN[1]}
    if authorities := server.connections.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
        environment["MLFLOW_TRACKING_SERVER_CERT_PATH"] = authorities
    command = [installed(line).with_name("python"), "-c", LOG, MODEL]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def with_login(uri: str, own: Authority | None = None) -> Server:
    """The operator is an administrator there, pods may only read."""
    server = Server(uri, {"username": ADMIN[0], "password": ADMIN[1]})
    server.connections = {"MLFLOW_TRACKING_USERNAME": READER[0], "MLFLOW_TRACKING_PASSWORD": READER[1]}
    if own:
        server.files["ca"] = own.certificate.read_text()
        server.connections["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(own.certificate)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.connections.items():
            patch.setenv(name, value)
        call(server, "users/create", ADMIN, {"username": READER[0], "password": READER[1]})
    return server


KINDS = ["2-with-login", "3-with-login-by-tls", "3-below-a-prefix"]


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    line = request.param[0]
    own = authority(tmp_path_factory.mktemp("tls") / "ca") if "tls" in request.param else None
    prefix, login = "/ml/flow" if "prefix" in request.param else "", "login" in request.param
    with mlflow_server(program=installed(line), prefix=prefix, login=login, authority=own) as uri:
        found = with_login(uri, own) if login else Server(uri)
        fill(found, line)
        yield found


def test_the_operator_sees_versions_and_moves_stages_and_aliases(server: Server, tmp_path: Path) -> None:
    async def look(registry: Registry) -> dict[str, tuple[str, tuple[str, ...]]]:
        model = await registry.model(MODEL)
        assert model
        versions, more = await registry.versions_page(model=MODEL)
        assert not more
        named = {version: alias for alias, version in model.aliases.items()}
        return {each.version: (each.stage, (named.get(each.version, ""),)) for each in versions[MODEL]}

    async def life() -> None:
        async with server.registry(tmp_path) as registry:
            listed, _ = await registry.models_page()
            assert [each.name for each in listed] == [MODEL]
            before = await registry.model(MODEL)
            await registry.write(RegistryWrite(model=MODEL, version="1", stage="Production"))
            await registry.write(
                RegistryWrite(model=MODEL, version="2", stage="Production", alias="champion")
            )
            assert await look(registry) == {"1": ("Archived", ("",)), "2": ("Production", ("champion",))}
            after = await registry.model(MODEL)
            assert before and after and before.fingerprint != after.fingerprint
            assert await registry.model("Nobody") is None
            with pytest.raises(RegistryRefusedError, match="9"):
                await registry.write(RegistryWrite(model=MODEL, version="9", alias="champion"))

    asyncio.run(life())


def test_a_version_is_served_with_what_stands_in_the_pods_connections(server: Server, tmp_path: Path) -> None:
    connections = tmp_path / "connections"
    connections.mkdir()
    for name, value in server.connections.items():
        (connections / name).write_text(value)
    places = {"MLFLOW_TRACKING_URI": server.uri, "DRIFTLEAD_CONNECTIONS_DIR": str(connections)}
    for _ in range(2):  # the second time from the cache, after one question to the registry
        with inference_server(f"models:/{MODEL}/1", tmp_path, **places) as pod:
            assert pod.predict([3.0, 0.0, 0.0])["prediction"] == 1
            assert "the registry cannot be asked" not in pod.log.read_text()


def test_the_drift_check_finds_a_version_and_its_files(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.connections.items():
        monkeypatch.setenv(name, value)
    registry = DriftRegistry(server.uri)
    assert registry.resolve(wanted(MODEL)) == "2"
    found = registry.version(MODEL, "2")
    text = registry.file(found, "MLmodel")
    assert text and b"python_function" in text
    assert registry.file(found, "driftlead/baseline.json") is None


@pytest.mark.parametrize("server", KINDS[:2], indirect=True)
def test_wrong_credentials_and_unknown_authorities_are_named_in_words(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(folder: Path = tmp_path, **changes: str) -> None:
        async with server.registry(folder, **changes) as registry:
            await registry.model(MODEL)

    with pytest.raises(RegistryUnreachableError, match="answered registered-models/get with 401"):
        asyncio.run(ask(password="wrong"))
    for name, value in {**server.connections, "MLFLOW_TRACKING_PASSWORD": "wrong"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CannotJudgeError, match=r"HTTP 401.*MLFLOW_TRACKING_USERNAME"):
        DriftRegistry(server.uri).resolve(wanted(MODEL))
    if "ca" in server.files:
        with pytest.raises(RegistryUnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            asyncio.run(ask(folder=tmp_path / "without", ca=""))
        monkeypatch.delenv("MLFLOW_TRACKING_SERVER_CERT_PATH")
        with pytest.raises(CannotJudgeError, match="CERTIFICATE_VERIFY_FAILED"):
            DriftRegistry(server.uri).resolve(wanted(MODEL))
