"""`/invocations` takes what MLflow's own client and pandas write: a gap is NaN, NaT, None or an empty cell.

MLflow's own server reads all of them as missing values, so clients and notebooks depend on it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from mlflow.utils.proto_json_utils import dump_input_data
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from asking import Client, Refusal, answers_of, kept, served

TEXTS = ["zürich", "NaN", 'a "NaN" \\', "Infinity"]
CSV = {"Content-Type": "text/csv"}


def table(rows: int = 120) -> pd.DataFrame:
    """Numbers, whole numbers, booleans, texts and times, each with gaps."""
    dice = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "amount": dice.normal(size=rows),
            "count": dice.integers(0, 9, rows).astype(float),
            "place": dice.choice(TEXTS, rows).astype(object),
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(dice.integers(0, 400, rows), unit="D"),
        }
    )
    for at, name in enumerate(frame):
        frame.loc[at::7, name] = pd.NaT if name == "day" else np.nan
    return frame


def weekdays(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(day=frame["day"].dt.day_of_week)


@pytest.fixture(scope="module")
def model() -> Any:
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["place"]), remainder="passthrough", sparse_threshold=0
    )
    trees = HistGradientBoostingClassifier(max_iter=30, min_samples_leaf=3)
    frame = table()
    target = (frame["amount"].fillna(1) + (frame["place"] == "NaN") * 2 - frame["day"].isna() > 0).astype(int)
    return make_pipeline(FunctionTransformer(weekdays), encode, trees).fit(frame, target)


@pytest.fixture(scope="module")
def client(model: Any, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = kept(tmp_path_factory.mktemp("model") / "m", model, table())
    with served(folder, python, list(table())) as client:
        yield client


def mlflow_client(client: Client) -> ScoringServerClient:
    return ScoringServerClient("127.0.0.1", int(client.server.url.rsplit(":", 1)[1]))


def test_a_frame_with_gaps_is_answered_as_it_is_in_process(client: Client, model: Any) -> None:
    frame = table(60)
    assert b"NaN" in dump_input_data(frame).encode()
    assert b'"NaT"' in dump_input_data(frame).encode()
    said = mlflow_client(client).invoke(frame).get_predictions()
    assert said.iloc[:, 0].tolist() == answers_of(model, frame)


@pytest.mark.parametrize("form", ["records", "split", "columns", "instances", "csv", "csv with nan"])
def test_each_form_of_a_gap_is_null(client: Client, model: Any, form: str) -> None:
    frame = table(60)
    wanted = answers_of(model, frame)
    if form == "csv":
        assert client.post("/invocations", frame.to_csv().encode(), **CSV)["predictions"] == wanted
        return
    if form == "csv with nan":  # a text is written as it is: only an empty cell is missing
        text = frame.assign(place=frame["place"].fillna("")).to_csv(na_rep="NaN", index=False).encode()
        assert client.post("/invocations", text, **CSV)["predictions"] == wanted
        return
    times = frame.assign(day=[str(day.isoformat()) for day in frame["day"]]).astype(object)
    document = {
        "records": {"dataframe_records": times.to_dict(orient="records")},
        "split": {"dataframe_split": times.to_dict(orient="split")},
        "columns": {"inputs": times.to_dict(orient="list")},
        "instances": {"instances": times.to_dict(orient="records")},
    }[form]
    body = json.dumps(document).encode()
    assert b"NaN" in body
    assert client.post("/invocations", body)["predictions"] == wanted


def test_a_text_that_says_nan_stays_a_text(client: Client, model: Any) -> None:
    """Also beside a gap, between quotes and backslashes."""
    frame = table(4).assign(place=TEXTS, amount=[np.nan, 0.0, np.nan, 1.0])
    said = mlflow_client(client).invoke(frame).get_predictions()
    assert said.iloc[:, 0].tolist() == answers_of(model, frame)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"instances":[[Infinity,1,"a",null]]}', "Infinity is not valid JSON: send a finite number"),
        (b'{"instances":[[-Infinity,NaN,"a",null]]}', "Infinity is not valid JSON: send a finite number"),
        (b'{"instances":[[NaN,1,"a",null]', "not valid JSON"),
        (b'{"instances":[[fooNaN,1,"a",null]]}', "not valid JSON"),
        (b'{"instances":[[1,1,"NaN,', "not valid JSON"),
        (b'{"instances":[[NaN,1,"\\', "not valid JSON"),
        (b"NaN", "must be a JSON object"),
        (b'{"instances":NaN}', "expected a list"),
        (b'{"instances":[[1,"NaT","a",null]]}', "expected a number"),
    ],
)
def test_what_is_no_gap_is_refused_with_a_sentence(client: Client, body: bytes, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        client.post("/invocations", body)
    assert refused.value.status == 422
    assert words in refused.value.said["detail"]


def test_predict_stays_json(client: Client) -> None:
    with pytest.raises(Refusal) as refused:
        client.post("/predict", b'{"features":[NaN,1,"a",null]}')
    assert "NaN is not valid JSON: send null for a missing value" in refused.value.said["detail"]


def test_a_gap_that_the_model_does_not_take_is_refused_by_name(python: Path, tmp_path: Path) -> None:
    frame = table().loc[:, ["amount", "count"]].fillna(0)
    model = LogisticRegression().fit(frame, frame["amount"] > 0)
    with served(kept(tmp_path / "m", model, frame), python, list(frame)) as client:
        for body, headers in (
            (b'{"dataframe_split":{"columns":["amount","count"],"data":[[NaN,1]]}}', {}),
            (b"amount,count\nNaN,1\n", CSV),
            (b"amount,count\n,1\n", CSV),
        ):
            with pytest.raises(Refusal) as refused:
                client.post("/invocations", body, **headers)
            detail = refused.value.said["detail"]
            assert "'amount'" in detail
            assert "missing or null, and the model gives no answer without it" in detail


def test_params_are_refused_with_the_reason(client: Client) -> None:
    with pytest.raises(Exception, match="requests share batches") as refused:
        mlflow_client(client).invoke(table(2), params={"threshold": 0.3})
    assert "params" in str(refused.value)
    assert len(mlflow_client(client).invoke(table(2), params={}).get_predictions()) == 2


def test_mlflow_itself_reads_these_gaps_so(model: Any, tmp_path: Path) -> None:
    """The reason for all of this: the same bytes at MLflow's own server."""
    from mlflow.pyfunc.scoring_server import invocations  # noqa: PLC0415

    loaded = mlflow.pyfunc.load_model(str(kept(tmp_path / "m", model, table())))
    frame = table(20)
    body = dump_input_data(frame)
    said = invocations(body, "application/json", loaded, loaded.metadata.get_input_schema())
    assert json.loads(said.response)["predictions"] == answers_of(model, frame)
