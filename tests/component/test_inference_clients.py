"""Clients that exist already are answered unchanged: Triton's, MLflow's, and curl in every protocol."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tritonclient.utils import InferenceServerException

from neighbours.inference import Inference, inference_server
from neighbours.models import named_frame, regression, rows, saved

ASKED = rows(3, seed=5)
FRAME = named_frame(3)


@dataclass(frozen=True)
class Served:
    """A server, where it listens, and the model that it should answer like."""

    server: Inference
    address: str
    model: Any


def served(folder: Path, model: Any, front: str) -> Iterator[Served]:
    with inference_server(folder, DRIFTLEAD_FRONT=front) as server:
        yield Served(server, server.url.removeprefix("http://"), model)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Twenty numbers without names, classes 0 and 1, by the wire front."""
    model = regression()
    folder = saved(tmp_path_factory.mktemp("model") / "plain", model, rows())
    yield from served(folder, model, "wire")


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Numbers and text by name, text classes, by the ASGI front."""
    frame = named_frame()
    transformer = make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")
    classes = np.where(frame["temp"] > 0, "late", "on time")
    model = make_pipeline(transformer, LogisticRegression(max_iter=500)).fit(frame, classes)
    yield from served(saved(tmp_path_factory.mktemp("model") / "named", model, frame), model, "asgi")


def test_tritons_client_finds_server_and_model_ready_and_described(plain: Served) -> None:
    client = triton.InferenceServerClient(plain.address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("plain")
    assert client.is_model_ready("plain", "0")
    assert not client.is_model_ready("another")
    assert client.get_server_metadata()["name"] == "driftlead"
    described = client.get_model_metadata("plain")
    assert described["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 20]}]
    assert [output["name"] for output in described["outputs"]] == ["predict", "predict_proba"]
    with pytest.raises(InferenceServerException, match="served here is plain"):
        client.get_model_metadata("another")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_tritons_client_infers_with_tensors_in_json_and_in_bytes(
    plain: Served, binary_in: bool, binary_out: bool, datatype: str
) -> None:
    client = triton.InferenceServerClient(plain.address)
    tensor = triton.InferInput("input", list(ASKED.shape), datatype)
    values = ASKED.astype(np.float32 if datatype == "FP32" else np.float64)
    tensor.set_data_from_numpy(values, binary_data=binary_in)
    outputs = [
        triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("predict", "predict_proba")
    ]
    result = client.infer("plain", [tensor], outputs=outputs, request_id="mine")
    assert result.get_response()["id"] == "mine"
    assert result.as_numpy("predict").ravel().tolist() == plain.model.predict(ASKED).tolist()
    assert np.allclose(result.as_numpy("predict_proba"), plain.model.predict_proba(ASKED), atol=1e-5)


def test_tritons_client_gets_what_it_did_not_choose_in_bytes(plain: Served) -> None:
    client = triton.InferenceServerClient(plain.address)
    tensor = triton.InferInput("input", list(ASKED.shape), "FP64").set_data_from_numpy(ASKED)
    result = client.infer("plain", [tensor], model_version="0")
    assert result.as_numpy("predict").dtype == np.int64
    assert result.as_numpy("predict").shape == (3, 1)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_tritons_client_may_compress_what_it_sends(plain: Served, algorithm: str) -> None:
    client = triton.InferenceServerClient(plain.address)
    tensor = triton.InferInput("input", list(ASKED.shape), "FP64").set_data_from_numpy(ASKED)
    result = client.infer("plain", [tensor], request_compression_algorithm=algorithm)
    assert result.as_numpy("predict").ravel().tolist() == plain.model.predict(ASKED).tolist()


def test_tritons_client_sends_a_tensor_for_each_feature_text_among_them(named: Served) -> None:
    client = triton.InferenceServerClient(named.address)
    described = client.get_model_metadata("named")
    tensors = []
    for part in described["inputs"]:
        column = FRAME[part["name"]].to_numpy().reshape(-1, 1)
        values = column.astype(object) if part["datatype"] == "BYTES" else column
        tensor = triton.InferInput(part["name"], [3, 1], part["datatype"])
        tensors.append(tensor.set_data_from_numpy(values))
    result = client.infer("named", tensors)
    answers = [text.decode() for text in result.as_numpy("predict").ravel()]
    assert answers == named.model.predict(FRAME).tolist()


def test_tritons_client_is_told_what_is_wrong_in_the_servers_words(plain: Served) -> None:
    client = triton.InferenceServerClient(plain.address)
    tensor = triton.InferInput("input", [1, 3], "FP64").set_data_from_numpy(np.zeros((1, 3)))
    with pytest.raises(InferenceServerException, match=r"the model takes \[rows, 20\]"):
        client.infer("plain", [tensor])


def test_mlflows_client_scores_frames_arrays_and_named_columns(plain: Served, named: Served) -> None:
    client = ScoringServerClient("127.0.0.1", int(plain.address.rpartition(":")[2]))
    client.wait_server_ready(timeout=10)
    client.ping()
    assert client.get_version() == version("mlflow-skinny")
    for data in (pd.DataFrame(ASKED), ASKED):
        answer = client.invoke(data).get_predictions()
        assert np.asarray(answer).ravel().tolist() == plain.model.predict(ASKED).tolist()
    by_name = ScoringServerClient("127.0.0.1", int(named.address.rpartition(":")[2]))
    texts = by_name.invoke(FRAME).get_predictions()
    assert np.asarray(texts).ravel().tolist() == named.model.predict(FRAME).tolist()


def test_the_body_that_mlflow_keeps_beside_the_model_is_answered(named: Served, tmp_path: Path) -> None:
    body = mlflow.models.convert_input_example_to_serving_input(FRAME)
    status, reply = named.server.ask("/invocations", body.encode(), **{"content-type": "application/json"})
    assert (status, reply["predictions"]) == (200, named.model.predict(FRAME).tolist())


@dataclass(frozen=True)
class Curled:
    """What curl printed: status, content type, body."""

    status: int
    kind: str
    body: str

    @property
    def document(self) -> Any:
        """The body, where it is JSON."""
        return json.loads(self.body)


def curl(served: Served, path: str, *arguments: str) -> Curled:
    """What curl prints of one request."""
    done = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code} %{content_type}", f"{served.server.url}{path}", *arguments],
        check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    body, _, said = done.stdout.rpartition("\n")
    status, _, kind = said.partition(" ")
    return Curled(int(status), kind, body)


TABLE = ASKED.tolist()
RECORDS = FRAME.to_dict("records")
JSON = ("-H", "Content-Type: application/json")
CSV = ("-H", "Content-Type: text/csv")
PLAIN: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "predict": ("/predict", JSON, {"features": TABLE}),
    "predict, without a content type": ("/predict", (), {"features": TABLE}),
    "KServe V1": ("/v1/models/plain:predict", JSON, {"instances": TABLE}),
    "invocations, split": ("/invocations", JSON, {"dataframe_split": {"data": TABLE}}),
    "invocations, instances": ("/invocations", JSON, {"instances": TABLE}),
    "invocations, inputs": ("/invocations", JSON, {"inputs": TABLE}),
    "invocations, CSV": ("/invocations", CSV, pd.DataFrame(ASKED).to_csv(index=False)),
}
NAMED: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "predict, by name": ("/predict", JSON, {"features": RECORDS}),
    "predict, by place": ("/predict", JSON, {"features": FRAME.to_numpy().tolist()}),
    "KServe V1, by name": ("/v1/models/named:predict", JSON, {"instances": RECORDS}),
    "invocations, split": ("/invocations", JSON, {"dataframe_split": FRAME.to_dict("split")}),
    "invocations, records": ("/invocations", JSON, {"dataframe_records": RECORDS}),
    "invocations, inputs by column": ("/invocations", JSON, {"inputs": FRAME.to_dict("list")}),
    "invocations, instances by name": ("/invocations", JSON, {"instances": RECORDS}),
    "invocations, CSV": ("/invocations", CSV, FRAME.to_csv(index=False)),
    "invocations, CSV with charset": (
        "/invocations",
        ("-H", "Content-Type: text/csv; charset=utf-8"),
        FRAME.to_csv(index=False),
    ),
}


def sent(body: Any) -> tuple[str, str]:
    """curl's words for a body."""
    return "--data-binary", body if isinstance(body, str) else json.dumps(body)


@pytest.mark.parametrize("form", PLAIN)
def test_curl_is_answered_whatever_protocol_it_speaks(plain: Served, form: str) -> None:
    path, headers, body = PLAIN[form]
    found = curl(plain, path, *headers, *sent(body))
    assert (found.status, found.kind) == (200, "application/json")
    assert found.document["predictions"] == plain.model.predict(ASKED).tolist()


@pytest.mark.parametrize("form", NAMED)
def test_curl_is_answered_where_features_have_names(named: Served, form: str) -> None:
    path, headers, body = NAMED[form]
    found = curl(named, path, *headers, *sent(body))
    assert (found.status, found.kind) == (200, "application/json")
    assert found.document["predictions"] == named.model.predict(FRAME).tolist()


@pytest.mark.parametrize("number", ["", "/versions/0"])
def test_curl_is_answered_in_the_open_inference_protocol(plain: Served, number: str) -> None:
    body = {"id": "7", "inputs": [{"name": "input", "shape": [3, 20], "datatype": "FP64", "data": TABLE}]}
    found = curl(plain, f"/v2/models/plain{number}/infer", *JSON, *sent(body))
    assert found.document == {
        "model_name": "plain",
        "model_version": "0",
        "id": "7",
        "outputs": [
            {
                "name": "predict",
                "shape": [3, 1],
                "datatype": "INT64",
                "data": plain.model.predict(ASKED).tolist(),
            }
        ],
    }


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/health", 200, '"status":"ok"'), ("/livez", 200, "ok"), ("/readyz", 200, "ok"),
        ("/ping", 200, "ok"), ("/version", 200, version("mlflow-skinny")), ("/v1/models", 200, '["plain"]'),
        ("/v1/models/plain", 200, '"ready":true'), ("/v2", 200, "binary_tensor_data"),
        ("/v2/health/live", 200, "true"), ("/v2/health/ready", 200, "true"),
        ("/v2/models/plain/ready", 200, "true"), ("/v2/models/plain/versions/0/ready", 200, "true"),
        ("/v2/models/plain/versions/9", 404, "served here is plain version 0"),
        ("/v1/models/other", 404, "served here is plain"), ("/docs", 200, "openapi.json"),
        ("/openapi.json", 200, "/invocations"), ("/metrics", 200, "driftlead_inference_requests_total"),
        ("/nowhere", 404, "/docs lists every route"), ("/predict", 405, "Method Not Allowed"),
    ],
)  # fmt: skip
def test_curl_finds_what_each_protocol_asks_before_it_predicts(
    plain: Served, path: str, status: int, words: str
) -> None:
    plain.server.predict(TABLE[0])
    found = curl(plain, path)
    assert found.status == status
    assert words in found.body.replace(": ", ":")
    if status >= 400:
        assert found.kind == "application/problem+json"
