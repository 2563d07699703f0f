"""The same rows asked in every protocol that the server speaks; answers come back as one list a request."""

import csv
import io
import json
import math
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neighbours.inference import Inference, inference_server
from neighbours.models import saved

Rows = Sequence[Sequence[Any]]
NAME = "Field"
OCTETS = {"Content-Type": "application/octet-stream"}
PACKED = {"INT64": "<i8", "FP64": "<f8", "BOOL": "?"}


class Refusal(Exception):  # noqa: N818 - an answer like any other
    """The server said no: status and problem document."""

    def __init__(self, status: int, said: Any) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status
        self.said = said if isinstance(said, dict) else {"detail": said}


@dataclass
class Client:
    """A server and the names of its model's columns (None: it has none)."""

    server: Inference
    names: Sequence[str] | None = None
    loaded: Mapping[str, Any] = field(default_factory=dict)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """The JSON answer of a POST. Raises `Refusal`."""
        status, said = self.server.ask(path, body, **{"Content-Type": "application/json", **headers})
        if status != 200:
            raise Refusal(status, said)
        return said

    def by_name(self, rows: Rows) -> list[dict[str, Any]]:
        """Rows as objects."""
        return [dict(zip(self.names or (), row, strict=True)) for row in rows]


def value_of(cell: Any) -> Any:
    """A pandas cell as a JSON value: missing is null, times are ISO 8601."""
    if cell is None or cell is pd.NaT or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, pd.Timestamp):
        return cell.isoformat()
    return cell.item() if isinstance(cell, np.generic) else cell


def rows_of(table: Any) -> list[list[Any]]:
    """A frame's or array's rows as JSON values, each of its column's own type."""
    if isinstance(table, np.ndarray):
        return [[value_of(cell) for cell in row] for row in table.tolist()]
    columns = [[value_of(cell) for cell in table.iloc[:, at].tolist()] for at in range(table.shape[1])]
    return [list(row) for row in zip(*columns, strict=True)]


def datatype(column: Sequence[Any]) -> str:
    """The V2 type of a column's values."""
    kinds = {type(value) for value in column if value is not None}
    if kinds <= {bool}:
        return "BOOL"
    if kinds <= {int}:
        return "INT64"
    return "FP64" if kinds <= {int, float} else "BYTES"


def tensors(client: Client, rows: Rows) -> list[tuple[str, list[int], str, list[Any]]]:
    """Name, shape, type and values of each input: one a column, or one table where columns have no names."""
    if client.names is None:
        flat = [value for row in rows for value in row]
        return [("input", [len(rows), len(rows[0])], datatype(flat), flat)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return [
        (name, [len(rows), 1], datatype(column), column)
        for name, column in zip(client.names, columns, strict=True)
    ]


def v2_answers(said: Mapping[str, Any]) -> list[Any]:
    """The first output's values, row by row."""
    output = said["outputs"][0]
    rows, width = output["shape"]
    data = output["data"]
    return data if width == 1 else [data[at * width : (at + 1) * width] for at in range(rows)]


def predict(client: Client, rows: Rows) -> list[Any]:
    return client.post("/predict", {"features": rows})["predictions"]


def predict_each(client: Client, rows: Rows) -> list[Any]:
    return [client.post("/predict", {"features": row})["prediction"] for row in rows]


def predict_by_name(client: Client, rows: Rows) -> list[Any]:
    return client.post("/predict", {"features": client.by_name(rows)})["predictions"]


def predict_by_asgi(client: Client, rows: Rows) -> list[Any]:
    """A query goes by the application, whatever the front."""
    return client.post("/predict?probabilities=false", {"features": rows})["predictions"]


def v1(client: Client, rows: Rows) -> list[Any]:
    return client.post(f"/v1/models/{NAME}:predict", {"instances": rows})["predictions"]


def v1_by_name(client: Client, rows: Rows) -> list[Any]:
    return client.post(f"/v1/models/{NAME}:predict", {"instances": client.by_name(rows)})["predictions"]


def v2_json(client: Client, rows: Rows) -> list[Any]:
    inputs = [
        {"name": name, "shape": shape, "datatype": kind, "data": values}
        for name, shape, kind, values in tensors(client, rows)
    ]
    return v2_answers(client.post(f"/v2/models/{NAME}/infer", {"inputs": inputs}))


def v2_binary(client: Client, rows: Rows) -> list[Any]:
    inputs, tails = [], []
    for name, shape, kind, values in tensors(client, rows):
        each = {"name": name, "shape": shape, "datatype": kind}
        if None in values and kind != "FP64":  # bytes have no null: this one stays JSON
            inputs.append({**each, "data": values})
            continue
        tail = (
            b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in values)
            if kind == "BYTES"
            else np.array([math.nan if v is None else v for v in values], dtype=PACKED[kind]).tobytes()
        )
        inputs.append({**each, "parameters": {"binary_data_size": len(tail)}})
        tails.append(tail)
    head = json.dumps({"inputs": inputs}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    said = client.post(f"/v2/models/{NAME}/infer", head + b"".join(tails), **OCTETS, **length)
    return v2_answers(said)


def split(client: Client, rows: Rows) -> list[Any]:
    table = {"data": rows} | ({"columns": list(client.names)} if client.names else {})
    return client.post("/invocations", {"dataframe_split": table})["predictions"]


def records(client: Client, rows: Rows) -> list[Any]:
    return client.post("/invocations", {"dataframe_records": client.by_name(rows)})["predictions"]


def inputs(client: Client, rows: Rows) -> list[Any]:
    columns = dict(zip(client.names or (), map(list, zip(*rows, strict=True)), strict=True))
    return client.post("/invocations", {"inputs": columns})["predictions"]


def as_csv(client: Client, rows: Rows) -> list[Any]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(client.names or [f"f{at}" for at in range(len(rows[0]))])
    writer.writerows([["" if value is None else value for value in row] for row in rows])
    said = client.post("/invocations", text.getvalue().encode(), **{"Content-Type": "text/csv"})
    return said["predictions"]


Asking = Callable[[Client, Rows], list[Any]]
BY_PLACE: dict[str, Asking] = {
    "predict": predict, "predict-each": predict_each, "predict-asgi": predict_by_asgi, "v1": v1,
    "v2-json": v2_json, "v2-binary": v2_binary, "split": split, "csv": as_csv,
}  # fmt: skip
PROTOCOLS: dict[str, Asking] = {
    **BY_PLACE,
    "predict-by-name": predict_by_name,
    "v1-by-name": v1_by_name,
    "records": records,
    "inputs": inputs,
}


def answers_of(estimator: Any, table: Any) -> list[Any]:
    """What `predict` says here, as JSON values."""
    answers = np.asarray(estimator.predict(table))
    return [value_of(answer) if not isinstance(answer, list) else answer for answer in answers.tolist()]


def equal(seen: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Whether answers are the same: text, classes and truth exactly, numbers to a millionth."""
    flat = [np.ravel(np.array(list(each), dtype=object)).tolist() for each in (seen, wanted)]
    return len(flat[0]) == len(flat[1]) and all(same(a, b) for a, b in zip(*flat, strict=True))


def same(one: Any, other: Any) -> bool:
    """Whether one answer is another."""
    if type(one) in (int, float) and type(other) in (int, float):
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-6)
    return type(one) is type(other) and bool(one == other)


def wrong_protocols(client: Client, rows: Rows, wanted: Sequence[Any]) -> dict[str, Any]:
    """The protocols that give other answers than these, or none, and what they say."""
    wrong: dict[str, Any] = {}
    for name, ask in (PROTOCOLS if client.names is not None else BY_PLACE).items():
        try:
            seen: Any = ask(client, rows)
        except Refusal as refusal:
            seen = [str(refusal)]
        if not equal(seen, wanted):
            wrong[name] = seen
    return wrong


@contextmanager
def served(
    folder: Path, python: Path, names: Sequence[str] | None = None, **changes: str
) -> Iterator[Client]:
    """A model's folder behind a server that starts quickly."""
    options = {"DRIFTLEAD_ONNX": "off", "DRIFTLEAD_LINGER_SECONDS": "0", "DRIFTLEAD_NAME": NAME, **changes}
    with inference_server(folder, python=python, **options) as server:
        yield Client(server, names)


def refused_start(folder: Path, home: Path, python: Path, **changes: str) -> tuple[str | None, str]:
    """Reason and message of a start that fails; no reason where the server became ready all the same."""
    changes = {"DRIFTLEAD_ONNX": "off", "DRIFTLEAD_LINGER_SECONDS": "0", **changes}
    try:
        with inference_server(folder, home, python=python, **changes) as server:
            return None, f"ready, with the warnings {server.ask('/health')[1]['warnings']}"
    except RuntimeError:
        said = json.loads((home / "termination").read_text())
        return said["reason"], said["message"]


def kept(folder: Path, estimator: Any, table: Any, **options: Any) -> Path:
    """The estimator as MLflow saves it, with signature and an example, unless options say otherwise."""
    return saved(folder, estimator, table, **options)


def at_once(server: Inference, *rows: Sequence[Any]) -> list[Any]:
    """Single rows of several clients, sent so close together that they share a batch."""
    port = int(server.url.rsplit(":", 1)[1])
    talks = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in rows]
    try:
        for talk, row in zip(talks, rows, strict=True):
            body = json.dumps({"features": row}).encode()
            head = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            talk.sendall(head % len(body) + body)
        said = [talk.makefile("rb").read().rsplit(b"\r\n\r\n", 1)[1] for talk in talks]
    finally:
        for talk in talks:
            talk.close()
    return [json.loads(each).get("prediction") for each in said]
