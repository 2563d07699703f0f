"""Whether answers are of the estimator's own types, and what V2's metadata says of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from asking import Client, tensors

V2 = {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64", "U": "BYTES", "O": "BYTES"}


def typed(values: Any) -> Any:
    """Values with their types: 1, 1.0 and true are three."""
    return [typed(each) for each in values] if isinstance(values, list) else (type(values), values)


def near(seen: Any, wanted: Any) -> bool:
    """Whether answers are of the same types and equal, numbers to ONNX Runtime's tolerance."""
    if isinstance(seen, list) and isinstance(wanted, list):
        return len(seen) == len(wanted) and all(map(near, seen, wanted))
    if type(seen) is float and type(wanted) is float:
        return seen == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    return typed(seen) == typed(wanted)


def describes_its_answer(client: Client, rows: Sequence[Sequence[Any]], wanted: Any) -> None:
    """V2's metadata is what V2 answers, and what the estimator says: an array of answers to these rows."""
    said = {each["name"]: each for each in client.server.ask("/v2/models/Field")[1]["outputs"]}
    keys = ("name", "shape", "datatype", "data")
    inputs = [dict(zip(keys, each, strict=True)) for each in tensors(client, rows)]
    outputs = [{"name": name} for name in said]
    answer = client.post("/v2/models/Field/infer", {"inputs": inputs, "outputs": outputs})
    for output in answer["outputs"]:
        about = said[output["name"]]
        assert output["datatype"] == about["datatype"]
        assert output["shape"] == [len(rows), *about["shape"][1:]]
        assert about["shape"][0] == -1
        assert len(output["data"]) == np.prod(output["shape"])
    own = "UINT64" if wanted.dtype == np.uint64 else V2[wanted.dtype.kind]
    assert said["predict"]["datatype"] == own
    assert said["predict"]["shape"] == [-1, int(np.prod(wanted.shape[1:]))]
