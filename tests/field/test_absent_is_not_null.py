"""A column that was not sent is refused by name; a missing value must be written as null (an empty cell).

The model takes nulls, so it would answer. mlflow#5302 and mlflow#6235 are people whose misspelt column was
filled in silently; Excel's CSV begins with a byte order mark and may be cut by semicolons.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from asking import NAME, PROTOCOLS, Client, Refusal, answers_of, kept, served, wrong_protocols

NAMES = ["income", "age", "debt"]
CSV = {"Content-Type": "text/csv"}


@pytest.fixture(scope="module")
def model() -> HistGradientBoostingClassifier:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=NAMES)
    return HistGradientBoostingClassifier(max_iter=20).fit(table, (table.income > table.debt).astype(int))


@pytest.fixture(scope="module")
def client(
    model: HistGradientBoostingClassifier, python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=NAMES)
    folder = kept(tmp_path_factory.mktemp("model") / "m", model, table)
    with served(folder, python, NAMES) as client:
        yield client


def tensor(name: str, *values: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(values), 1], "datatype": "FP64", "data": list(values)}


V1, V2 = f"/v1/models/{NAME}:predict", f"/v2/models/{NAME}/infer"
WHOLE = {"income": 2, "age": 0, "debt": 0}
# Path, body, the column that is named in the refusal.
ABSENT: dict[str, tuple[str, Any, str]] = {
    "predict": ("/predict", {"features": {"age": 0, "debt": 0}}, "income"),
    "predict, several": ("/predict", {"features": [WHOLE, {"age": 1, "debt": 0}]}, "income"),
    "predict, nothing at all": ("/predict", {"features": {}}, "income"),
    "predict, misspelt": ("/predict", {"features": {"Income": 2, "age": 0, "debt": 0}}, "ncome"),
    "v1": (V1, {"instances": [{"income": 2, "debt": 0}]}, "age"),
    "v1, the second row": (V1, {"instances": [WHOLE, {"income": 2, "age": 0}]}, "debt"),
    "v2": (V2, {"inputs": [tensor("income", 2), tensor("age", 0)]}, "debt"),
    "v2, misspelt": (V2, {"inputs": [tensor("income", 2), tensor("age", 0), tensor("Debt", 0)]}, "ebt"),
    "v2, flat": (V2, {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [0]},
                                 {"name": "debt", "shape": [1], "datatype": "FP64", "data": [0]}]}, "income"),
    "records": ("/invocations", {"dataframe_records": [{"age": 0, "debt": 0}]}, "income"),
    "records, misspelt": (
        "/invocations", {"dataframe_records": [{"Income": 2, "age": 0, "debt": 0}]}, "income",
    ),
    "records, a blank": (
        "/invocations", {"dataframe_records": [{"income ": 2, "age": 0, "debt": 0}]}, "income",
    ),
    "split": ("/invocations", {"dataframe_split": {"columns": ["age", "debt"], "data": [[0, 0]]}}, "income"),
    "split, misspelt": (
        "/invocations",
        {"dataframe_split": {"columns": ["Income", "age", "debt"], "data": [[2, 0, 0]]}},
        "income",
    ),
    "instances": ("/invocations", {"instances": [{"income": 2, "age": 0}]}, "debt"),
    "inputs": ("/invocations", {"inputs": {"income": [2], "age": [0]}}, "debt"),
    "inputs, one row": ("/invocations", {"inputs": {"income": 2, "age": 0}}, "debt"),
}  # fmt: skip
CSV_ABSENT = {
    "not sent": (b"age,debt\n0,0\n", "income"),
    "misspelt": (b"Income,age,debt\n2,0,0\n", "income"),
    "semicolons": (b"income;age;debt\n2;0;0\n", "income"),
    "tabs": (b"income\tage\tdebt\n2\t0\t0\n", "income"),
    "bars": (b"income|age|debt\n2|0|0\n", "income"),
    "no header": (b"2,0,0\n1,0,0\n", "income"),
    "sep=": (b"sep=,\nincome,age,debt\n2,0,0\n", ""),
    "one known column of three": (b"income,a,b\n2,0,0\n", "age"),
}
DOUBLED: dict[str, tuple[str, Any, dict[str, str]]] = {
    "csv": ("/invocations", b"income,age,debt,income\n2,0,0,-2\n", CSV),
    "split": (
        "/invocations",
        {"dataframe_split": {"columns": ["income", "age", "debt", "income"], "data": [[2, 0, 0, -2]]}},
        {},
    ),
    "v2": (
        V2,
        {"inputs": [tensor("income", 2), tensor("age", 0), tensor("debt", 0), tensor("income", -2)]},
        {},
    ),
}


@pytest.mark.parametrize("case", ABSENT)
def test_a_column_that_was_not_sent_is_refused_by_name(client: Client, case: str) -> None:
    path, body, name = ABSENT[case]
    with pytest.raises(Refusal) as refused:
        client.post(path, body)
    assert refused.value.status == 422
    assert name in json.dumps(refused.value.said)


@pytest.mark.parametrize("case", CSV_ABSENT)
def test_csv_without_a_required_column_is_refused_by_name(client: Client, case: str) -> None:
    body, name = CSV_ABSENT[case]
    with pytest.raises(Refusal) as refused:
        client.post("/invocations", body, **CSV)
    assert refused.value.status == 422
    assert name in refused.value.said["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbfincome,age,debt\n2,0,0\n",  # Excel's byte order mark: mlflow#8012
        b'\xef\xbb\xbf"income","age","debt"\r\n2,0,0\r\n',
        b"income, age, debt\n2, 0, 0\n",
        b" income ,age,debt\n2,0,0\n",
        b"debt,age,income\n0,0,2\n",
        b",income,age,debt\n0,2,0,0\n",  # the row number that pandas writes unasked
        b"income,age,debt\n\n2,0,0\n\n",
    ],
)
def test_csv_that_holds_every_column_is_answered(
    client: Client, model: HistGradientBoostingClassifier, body: bytes
) -> None:
    said = client.post("/invocations?probabilities=true", body, **CSV)
    table = pd.DataFrame([[2.0, 0.0, 0.0]], columns=NAMES)
    assert said["predictions"] == answers_of(model, table)
    assert np.allclose(said["probabilities"], model.predict_proba(table))


@pytest.mark.parametrize("case", DOUBLED)
def test_a_column_that_came_twice_is_refused_by_name(client: Client, case: str) -> None:
    path, body, headers = DOUBLED[case]
    with pytest.raises(Refusal) as refused:
        client.post(path, body, **headers)
    assert refused.value.status == 422
    assert "income" in refused.value.said["detail"]


def test_a_null_that_was_written_is_answered(client: Client, model: HistGradientBoostingClassifier) -> None:
    rows = [[2, None, 0], [None, 0, 0], [None, None, None]]
    table = pd.DataFrame(rows, columns=NAMES, dtype=float)
    assert wrong_protocols(client, rows, answers_of(model, table)) == {}


@pytest.mark.parametrize("text", ["", "NaN", "nan", "NA", "null", "None"])
def test_an_empty_cell_is_null_whatever_stands_for_it(
    client: Client, model: HistGradientBoostingClassifier, text: str
) -> None:
    # what pandas writes with na_rep, and what Java and R write
    body = f"income,age,debt\n2,{text},0\n".encode()
    table = pd.DataFrame([[2.0, np.nan, 0.0]], columns=NAMES)
    assert client.post("/invocations", body, **CSV)["predictions"] == answers_of(model, table)


def test_more_columns_than_the_model_takes_are_left_out_as_mlflow_does(client: Client) -> None:
    assert client.post("/invocations", {"dataframe_records": [{"income": 2, "age": 0, "debt": 0, "id": 7}]})
    assert client.post("/invocations", b"id,income,age,debt\n7,2,0,0\n", **CSV)


def test_an_optional_column_may_be_absent(python: Path, tmp_path: Path) -> None:
    """MLflow marks a column as optional where the training rows had gaps in it."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 3)), columns=NAMES)
    table.loc[::3, "age"] = np.nan
    model = HistGradientBoostingClassifier(max_iter=20).fit(table, (table.income > table.debt).astype(int))
    with served(kept(tmp_path / "m", model, table), python, NAMES) as client:
        wanted = answers_of(model, pd.DataFrame([[2.0, np.nan, 0.0]], columns=NAMES))
        for path, body, headers in (
            ("/predict", {"features": [{"income": 2, "debt": 0}]}, {}),
            (V1, {"instances": [{"income": 2, "debt": 0}]}, {}),
            ("/invocations", {"dataframe_records": [{"income": 2, "debt": 0}]}, {}),
            ("/invocations", {"dataframe_split": {"columns": ["income", "debt"], "data": [[2, 0]]}}, {}),
            ("/invocations", b"income,debt\n2,0\n", CSV),
        ):
            assert client.post(path, body, **headers)["predictions"] == wanted, path
        said = client.post(V2, {"inputs": [tensor("income", 2), tensor("debt", 0)]})
        assert said["outputs"][0]["data"] == wanted
        for path, body in (
            ("/predict", {"features": {"age": 0, "debt": 0}}),
            (V2, {"inputs": [tensor("age", 0)]}),
        ):
            with pytest.raises(Refusal):
                client.post(path, body)


@pytest.mark.parametrize("name", [" income", "income ", " Total Length "])
def test_a_name_with_blanks_is_a_name(name: str, python: Path, tmp_path: Path) -> None:
    """CICIDS2017, which half of intrusion detection trains on, has a blank before most of its names."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=[name, "age"])
    model = HistGradientBoostingClassifier(max_iter=5).fit(table, (table[name] > 0).astype(int))
    with served(kept(tmp_path / "m", model, table), python, list(table)) as client:
        assert wrong_protocols(client, [[2, 0], [-2, 0]], [1, 0]) == {}


@pytest.fixture(scope="module")
def by_place(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A model of an array: its features have no names."""
    table = np.random.default_rng(0).normal(size=(200, 3))
    model = HistGradientBoostingClassifier(max_iter=20).fit(table, (table[:, 0] > table[:, 2]).astype(int))
    with served(kept(tmp_path_factory.mktemp("model") / "m", model, table[:20]), python) as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        b"f0,f1,f2\n2,0,0\n",
        b"0,1,2\n2,0,0\n",  # pandas' names of an array's columns
        b",0,1,2\n0,2,0,0\n",  # and its row numbers
        b"Unnamed: 0,f0,f1,f2\n0,2,0,0\n",
        b"income,age,debt\n2,0,0\n",
        b"\xef\xbb\xbf f0, f1, f2\r\n2,0,0\r\n",
    ],
)
def test_csv_of_features_without_names_is_read_by_place(by_place: Client, body: bytes) -> None:
    assert by_place.post("/invocations", body, **CSV)["predictions"] == [1]


@pytest.mark.parametrize(
    "body",
    [
        b"2,0,0\n-2,0,0\n",  # no header: the first row vanished
        b"2.5,0.1,-3\n-2,0,0\n",
        b"f0,f1,f2\n0,2,0,0\n",  # row numbers without a name: every value shifted by one
        b"f0,f1,f2\n2,0,0,\n",
        b"f0,f1,f2,f3\n2,0,0,9\n",
        b"id,f0,f1,f2\n7,2,0,0\n",
        b"f0,f1\n2,0\n",
        b"f2,f1,f0\n0,0,2\n",  # another order than the only one that the model knows
        b"2,1,0\n0,0,2\n",
        b"f0;f1;f2\n2;0;0\n",
    ],
)
def test_csv_of_another_width_or_order_is_refused(by_place: Client, body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        by_place.post("/invocations", body, **CSV)
    assert refused.value.status == 422


@pytest.mark.parametrize("columns", [["f2", "f1", "f0"], [2, 1, 0], [0, 1, 2, 3], [0, 1], []])
def test_split_of_another_width_or_order_is_refused(by_place: Client, columns: list[Any]) -> None:
    with pytest.raises(Refusal) as refused:
        by_place.post("/invocations", {"dataframe_split": {"columns": columns, "data": [[0, 0, 2]]}})
    assert refused.value.status == 422


MISSHAPEN: dict[str, Any] = {
    "a transposed table": {"shape": [2, 3], "data": [[2, -2], [0, 0], [0, 0]]},
    "ragged rows": {"shape": [2, 3], "data": [[2, 0, 0, -2], [0, 0]]},
    "another nesting": {"shape": [2, 3], "data": [[[2], [0]], [[0], [-2]], [[0], [0]]]},
    "lists and numbers": {"shape": [1, 3], "data": [[2], 0, 0]},
}


@pytest.mark.parametrize("case", MISSHAPEN)
def test_a_tensor_whose_data_have_another_shape_is_refused(client: Client, case: str) -> None:
    """Flattened and cut again the values would stand in other columns: triton-inference-server#3603."""
    with pytest.raises(Refusal) as refused:
        client.post(V2, {"inputs": [{"name": "input", "datatype": "FP64", **MISSHAPEN[case]}]})
    assert refused.value.status == 422
    assert "shape" in json.dumps(refused.value.said)


@pytest.mark.parametrize("shape", [[1, 4], [2, 2], [2, 1, 2]])
def test_a_features_tensor_has_one_value_a_row(client: Client, shape: list[int]) -> None:
    inputs = [{"name": name, "shape": shape, "datatype": "FP64", "data": [2, -2, 3, -3]} for name in NAMES]
    with pytest.raises(Refusal) as refused:
        client.post(V2, {"inputs": inputs})
    assert refused.value.status == 422
    for good in ([4], [4, 1], [4, 1, 1]):
        inputs = [{**each, "shape": good} for each in inputs]
        assert client.post(V2, {"inputs": inputs})["outputs"][0]["shape"] == [4, 1]


def test_by_place_every_value_is_needed(client: Client) -> None:
    for name in ("predict", "v1", "v2-json", "csv", "split"):
        by_place = Client(client.server, NAMES[:2])
        with pytest.raises(Refusal) as refused:
            PROTOCOLS[name](by_place, [[2, 0]])
        assert refused.value.status == 422
