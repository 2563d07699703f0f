"""A value that its column cannot hold is the client's, refused by name in every protocol; it is never
wrapped, made infinite, or taken for the model's failure, and another client's row is answered.

numpy refuses 300 in a column of uint8, which was a 500 that counts against a canary; a float32 column made
infinity of 1e39, and 2 was a truth value by one protocol alone.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from asking import BY_PLACE, PROTOCOLS, Client, Refusal, answers_of, at_once, equal, kept, rows_of, served

ROWS = 60
MIXED = pd.DataFrame(
    {
        "i": np.arange(ROWS, dtype="int32"),
        "f": np.arange(ROWS, dtype="float32"),
        "b": np.arange(ROWS) % 2 == 0,
        "s": ["x", "y"] * (ROWS // 2),
    }
)
Y = np.arange(ROWS) % 2
GOOD = {"i": 1, "f": 1.5, "b": True, "s": "x"}
# What the mixed model's columns cannot hold.
BEYOND: dict[str, dict[str, Any]] = {
    "int32, too large": {"i": 2**31},
    "int32, too small": {"i": -(2**31) - 1},
    "int32, of 64 bits": {"i": 2**63},
    "int32, as a float": {"i": 3e9},
    "float32, too large": {"f": 1e39},
    "float32, too small": {"f": -1e300},
    "a truth value of two": {"b": 2},
    "a truth value below zero": {"b": -1},
}


@pytest.fixture(scope="module")
def mixed(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    front = ColumnTransformer(
        [("n", "passthrough", ["i", "f", "b"]), ("s", OneHotEncoder(handle_unknown="ignore"), ["s"])]
    )
    model = make_pipeline(front, RandomForestClassifier(5, random_state=0)).fit(MIXED, Y)
    folder = kept(tmp_path_factory.mktemp("model") / "m", model, MIXED)
    with served(folder, python, list(MIXED)) as client:
        yield client


@pytest.fixture(scope="module")
def numbers(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Columns of numbers alone, which reach the model as one array."""
    table = MIXED[["i", "f", "b"]]
    model = HistGradientBoostingClassifier(max_iter=5).fit(table, Y)
    with served(kept(tmp_path_factory.mktemp("model") / "m", model, table), python, list(table)) as client:
        yield client


@pytest.mark.parametrize("case", BEYOND)
@pytest.mark.parametrize("fixture", ["mixed", "numbers"])
def test_a_value_beyond_its_column_is_refused_by_name_in_every_protocol(
    fixture: str, case: str, request: pytest.FixtureRequest
) -> None:
    client: Client = request.getfixturevalue(fixture)
    ((name, value),) = BEYOND[case].items()
    row = [{**GOOD, name: value}[column] for column in client.names or ()]
    for protocol, ask in PROTOCOLS.items():
        if protocol == "v2-binary":  # a tensor of a type says what it can hold
            continue
        with pytest.raises(Refusal) as refused:
            ask(client, [row])
        assert refused.value.status == 422, (protocol, refused.value)
        assert f"'{name}'" in json.dumps(refused.value.said), protocol


@pytest.mark.parametrize("case", BEYOND)
def test_a_value_beyond_its_column_changes_no_neighbour(case: str, mixed: Client) -> None:
    good = [list(GOOD.values()), [2, 2.5, False, "y"]]
    other = list({**GOOD, **BEYOND[case]}.values())
    alone = PROTOCOLS["predict"](mixed, good)
    assert equal(at_once(mixed.server, other, *good, other)[1:-1], alone)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "uint64", "int64", "float32"])
def test_a_tensors_type_bounds_its_values(dtype: str, python: Path, tmp_path: Path) -> None:
    table = (np.arange(180).reshape(60, 3) % 100).astype(dtype)
    model = HistGradientBoostingClassifier(max_iter=5).fit(table, Y)
    whole = np.issubdtype(dtype, np.integer)
    limits: Any = np.iinfo(dtype) if whole else np.finfo(dtype)
    low, high = (int(limits.min), int(limits.max)) if whole else (float(limits.min), float(limits.max))
    with served(kept(tmp_path / "m", model, table), python) as client:
        edges = [[low, 1, 2], [high, 1, 2]]
        for protocol in ("predict", "v1", "split", "v2-json") if dtype != "uint64" else ("predict", "v1"):
            wanted = answers_of(model, np.array(edges, dtype=dtype))
            assert equal(BY_PLACE[protocol](client, edges), wanted), protocol
        for value in (high + 1, low - 1) if whole else (high * 2, -1e300):
            for protocol in ("predict", "predict-each", "v1", "split", "csv"):
                with pytest.raises(Refusal) as refused:
                    BY_PLACE[protocol](client, [[value, 1, 2]])
                assert refused.value.status == 422, (protocol, value, refused.value)


def test_csv_numbers_are_those_that_other_programs_write(numbers: Client) -> None:
    """Python alone reads 1_0 as ten; what is refused is said as it was sent."""
    for text in (
        "1_0",
        "1__0",
        "0x10",
        "inf",
        "-Infinity",
        "1e400",
        "1,5",
        "1 000",
        "5%",
        "$5",
        "\u0663",
        "--1",
        ".",
    ):
        body = f'i,f,b\n1,"{text}",true\n'.encode()
        with pytest.raises(Refusal) as refused:
            numbers.post("/invocations", body, **{"Content-Type": "text/csv"})
        assert refused.value.status == 422
        assert "'f'" in refused.value.said["detail"]
        assert "null" not in refused.value.said["detail"]
    for text in ("1.5", "+1.5", "15e-1", "1.50", " 1.5 ", ".15E1", "1.5e0"):
        body = f"i,f,b\n1,{text},true\n".encode()
        said = numbers.post("/invocations", body, **{"Content-Type": "text/csv"})
        assert said["predictions"] == PROTOCOLS["predict"](numbers, [[1, 1.5, True]])


def test_whole_rows_of_the_training_frame_are_answered(mixed: Client) -> None:
    assert len(PROTOCOLS["csv"](mixed, rows_of(MIXED))) == ROWS
