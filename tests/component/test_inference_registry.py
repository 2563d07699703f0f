"""One version from a real registry and S3: served, logged, cached, and let go without losing a request."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import boto3
import mlflow
import mlflow.sklearn
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from driftlead_formats.exit_codes import ExitCode
from driftlead_log.migrate import migrate
from hack.ports import free_port
from neighbours import S3, mlflow_server, s3_server
from neighbours.inference import Inference, failed_start, inference_server
from neighbours.models import regression, rows, target

NAME = "Demo"


@pytest.fixture(scope="module")
def neighbours() -> Iterator[tuple[ExitStack, str, dict[str, str]]]:
    """A registry with one version in S3: closing the stack ends both; the version's run; variables."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        s3: S3 = stack.enter_context(s3_server())
        for name, value in s3.environment().items():
            patch.setenv(name, value)
        uri = stack.enter_context(mlflow_server(artifacts="s3://mlflow", environment=s3.environment()))
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        table = rows()
        signature = mlflow.models.infer_signature(table, target(table))
        with mlflow.start_run() as run:
            mlflow.sklearn.log_model(
                regression(),
                name="model",
                signature=signature,
                input_example=table[:1],
                registered_model_name=NAME,
                pip_requirements=["scikit-learn"],
            )
        mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")
        yield stack, run.info.run_id, {**s3.environment(), "MLFLOW_TRACKING_URI": uri}


def logged(dsn: str, *query: object) -> list[asyncpg.Record]:
    """Rows of a query."""

    async def fetch() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetch(*query)
        finally:
            await connection.close()

    return asyncio.run(fetch())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pod")


def logging_to(database: str, environment: dict[str, str], **changes: str) -> dict[str, str]:
    """Variables of a pod that logs."""
    return {
        **environment,
        "DRIFTLEAD_LOG_MODE": "async",
        "DRIFTLEAD_POSTGRES_DSN": database,
        "DRIFTLEAD_DEPLOYMENT": "canary",
        "DRIFTLEAD_NAMESPACE": "team-a",
        **changes,
    }


def test_a_version_is_served_and_each_prediction_logged_in_the_seeds_columns(
    neighbours: tuple[ExitStack, str, dict[str, str]], database: str, home: Path
) -> None:
    migrate(database)
    _, _, environment = neighbours
    with inference_server(f"models:/{NAME}/1", home, **logging_to(database, environment)) as server:
        reply = server.predict([0.5] * 20)
        many = server.predict([[1.0] * 20, [-1.0] * 20])
        status, _ = server.ask("/predict", b'{"features": [\r\n\t%b\n]}' % b",\n".join([b"0.25"] * 20))
        assert status == 200
        health = server.ask("/health")[1]
        as_mlflow_client_asks(server)
        metrics = server.ask("/metrics")[1]
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(30) == ExitCode.DRAINED
    assert reply["model_version"] == "1"
    assert many["predictions"] == [1, 0]
    assert health["run_id"]
    assert health["log"]["mode"] == "async"
    assert (
        'driftlead_inference_requests_total{route="/predict",stage="prod",status="200",version="1"} 3.0'
        in metrics
    )
    found = logged(database, "SELECT * FROM inference_logs ORDER BY seq")
    assert len(found) == 6
    assert json.loads(found[3]["features"]) == [0.25] * 20
    first = found[0]
    assert (first["model_name"], first["model_version"], first["deployment"]) == (NAME, "1", "canary")
    assert json.loads(first["features"]) == [0.5] * 20
    assert first["prediction"] == reply["prediction"]
    assert first["request_id"] == reply["request_id"]
    assert first["latency_ms"] > 0
    assert [row["row"] for row in found[1:3]] == [0, 1]


def as_mlflow_client_asks(server: Inference) -> None:
    """MLflow's own scoring client finds what it expects."""
    client = ScoringServerClient("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    client.wait_server_ready(timeout=10)
    answer = client.invoke(pd.DataFrame(rows(2)))
    assert list(answer.get_predictions()[0]) in ([0, 0], [0, 1], [1, 0], [1, 1])


def test_an_ending_server_answers_every_request_that_it_took(
    neighbours: tuple[ExitStack, str, dict[str, str]], home: Path
) -> None:
    _, _, environment = neighbours
    outcomes: list[str] = []
    with inference_server(
        f"models:/{NAME}@champion", home, DRIFTLEAD_LINGER_SECONDS="2", **environment
    ) as server:
        clients = [threading.Thread(target=ask_while_ready, args=(server, outcomes)) for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(1)
        os.kill(server.process.pid, signal.SIGTERM)
        for client in clients:
            client.join(30)
        assert server.process.wait(30) == ExitCode.DRAINED
    assert len(outcomes) > 50
    assert set(outcomes) == {"answered"}


def ask_while_ready(server: Inference, outcomes: list[str]) -> None:
    """Asks on new connections for as long as endpoints would send somebody here."""
    try:
        while server.ask("/readyz")[0] == 200:
            server.predict([0.5] * 20)
            outcomes.append("answered")
    except OSError as error:
        outcomes.append(f"lost: {error}")


def unregistered(run: str) -> list[str]:
    """The URIs of the model that a run made, without a registered version: by its run, and by its own id."""
    (made,) = mlflow.MlflowClient().get_run(run).outputs.model_outputs
    return [f"runs:/{run}/model", f"models:/{made.model_id}"]


@pytest.mark.parametrize("form", [0, 1])
def test_what_a_run_made_is_served_without_a_version(
    neighbours: tuple[ExitStack, str, dict[str, str]], home: Path, form: int
) -> None:
    _, run, environment = neighbours
    uri = unregistered(run)[form]
    with inference_server(uri, home, DRIFTLEAD_NAME="Trial", **environment) as server:
        reply = server.predict([0.5] * 20)
        assert server.ask("/health")[1]["run_id"] == run
    assert (reply["model_name"], reply["model_version"]) == ("Trial", "0")


@pytest.mark.parametrize(
    "uri",
    [
        "models:/Demo/9",
        "models:/Demo@nobody",
        "models:/Nobody@champion",
        "runs:/0123456789abcdef/model",
        f"models:/m-{'0' * 32}",
    ],
)
def test_what_the_registry_does_not_have_is_not_found(
    neighbours: tuple[ExitStack, str, dict[str, str]], tmp_path: Path, uri: str
) -> None:
    code, message = failed_start(uri, tmp_path, **neighbours[2])
    assert code == ExitCode.VERSION_NOT_FOUND
    assert uri in message["message"]


@pytest.mark.parametrize("form", [None, 0, 1])
def test_artifacts_that_are_unreachable_at_the_first_start_blame_nobody(
    neighbours: tuple[ExitStack, str, dict[str, str]], tmp_path: Path, form: int | None
) -> None:
    _, run, environment = neighbours
    uri = "models:/Demo/1" if form is None else unregistered(run)[form]
    unreachable = f"http://127.0.0.1:{free_port()}"
    there = {**environment, "MLFLOW_S3_ENDPOINT_URL": unreachable, "AWS_ENDPOINT_URL_S3": unreachable}
    code, message = failed_start(uri, tmp_path, **there)
    assert code == ExitCode.POD_CANNOT_REACH_ARTIFACTS
    assert message["reason"] == "PodCannotReachArtifacts"
    assert (unreachable if form is None else "s3://mlflow") in message["message"]
    assert not list((tmp_path / "cache").glob("*/artifact"))


@pytest.mark.parametrize("uri", ["models:/Demo/1", "runs:/{run}/model"])
def test_a_store_that_came_back_empty_blames_nobody_and_the_version_serves_once_its_files_are_back(
    neighbours: tuple[ExitStack, str, dict[str, str]], tmp_path: Path, uri: str
) -> None:
    _, run, environment = neighbours
    exact = uri.format(run=run)
    with objects_gone(environment, lambda _: True):
        code, message = failed_start(exact, tmp_path, **environment)
        assert (code, message["reason"]) == (ExitCode.POD_CANNOT_REACH_ARTIFACTS, "PodCannotReachArtifacts")
        assert "the store has nothing at" in message["message"]
    with inference_server(exact, tmp_path, DRIFTLEAD_NAME="Trial", **environment) as server:
        assert server.predict([0.5] * 20)["model_name"] in (NAME, "Trial")


def test_a_version_that_has_files_and_no_mlmodel_is_to_blame(
    neighbours: tuple[ExitStack, str, dict[str, str]], tmp_path: Path
) -> None:
    with objects_gone(neighbours[2], lambda key: key.endswith("/MLmodel")):
        code, message = failed_start("models:/Demo/1", tmp_path, **neighbours[2])
    assert code == ExitCode.LOAD_FAILED
    assert "holds no file MLmodel" in message["message"]


@contextmanager
def objects_gone(environment: dict[str, str], which: Callable[[str], bool]) -> Iterator[None]:
    """Takes objects out of the store, as a store that was restored too late lacks them."""
    store = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    keys = [each["Key"] for each in store.list_objects_v2(Bucket="mlflow")["Contents"] if which(each["Key"])]
    kept = {key: store.get_object(Bucket="mlflow", Key=key)["Body"].read() for key in keys}
    for key in kept:
        store.delete_object(Bucket="mlflow", Key=key)
    try:
        yield
    finally:
        for key, body in kept.items():
            store.put_object(Bucket="mlflow", Key=key, Body=body)


def test_a_restarted_pod_serves_the_same_version_while_registry_and_s3_are_unreachable(
    neighbours: tuple[ExitStack, str, dict[str, str]], home: Path
) -> None:
    stack, run, environment = neighbours
    unregistered_uris = unregistered(run)
    stack.close()
    for uri in unregistered_uris:
        with inference_server(uri, home, DRIFTLEAD_NAME="Trial", **environment) as server:
            assert server.predict([0.5] * 20)["model_name"] == "Trial"
            assert server.ask("/health")[1]["run_id"] == run
    with inference_server(f"models:/{NAME}/1", home, **environment) as server:
        assert server.predict([0.5] * 20)["model_version"] == "1"
        assert server.ask("/health")[1]["engine"] == "onnx"
    for damaged in home.glob("cache/*/artifact/MLmodel"):
        damaged.write_text(damaged.read_text() + "\n# changed\n")
    with (
        pytest.raises(RuntimeError, match="ended before it answered"),
        inference_server(f"models:/{NAME}/1", home, **environment),
    ):
        pytest.fail("a damaged artifact was served")
    assert json.loads((home / "termination").read_text())["reason"] == "PodCannotReachRegistry"
