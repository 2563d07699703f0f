"""What `log_model` registers is served, and answers its own training rows at MLflow: whatever the types of
the columns are, and wherever the model's code stands.

People's functions stand in a notebook or beside the script: the version
was registered and no server could load it. Integer columns became doubles, and MLflow refused the frame of
training.
"""

import json
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import driftlead_drift
from asking import answers_of, rows_of, served, wrong_protocols
from driftlead_drift.training import loading

ROOT = Path(__file__).resolve().parents[2]
ROWS = 120


@pytest.fixture(autouse=True, scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A registry in a file; what a version requires is not looked for, which takes seconds."""
    home = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr("mlflow.models.infer_pip_requirements", lambda *_, **__: ["scikit-learn"])
        patch.setattr(
            "mlflow.sklearn.infer_pip_requirements", lambda *_, **__: ["scikit-learn"], raising=False
        )
        mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
        yield
        mlflow.set_tracking_uri(None)


def logged(model: Any, X: Any, name: str = "Field") -> Path:  # noqa: N803
    """The folder of the version that `log_model` registers."""
    version = driftlead_drift.log_model(model, X, registered_model=name)
    return Path(mlflow.artifacts.download_artifacts(version.uri))


def versions(name: str) -> int:
    return len(mlflow.MlflowClient().search_model_versions(f"name='{name}'"))


def types_of(folder: Path) -> dict[str, tuple[str, bool]]:
    """Each column's type in the signature, and whether it is required."""
    inputs = mlflow.models.Model.load(str(folder)).signature.inputs.to_dict()
    return {each["name"]: (each["type"], each["required"]) for each in inputs}


dice = np.random.default_rng(11)
NUMBERS = dice.integers(0, 100, ROWS)
GAPPY = [None if at % 5 == 0 else int(value) for at, value in enumerate(NUMBERS)]
PLACES = dice.choice(["zürich", "b c", "x"], ROWS)
DAYS = pd.Timestamp("2026-01-01") + pd.to_timedelta(dice.integers(0, 900, ROWS), unit="D")
# Values, the type in the signature, whether it is required, the type that MLflow needs where it is another.
COLUMNS: dict[str, tuple[Any, str, bool, Any]] = {
    "int8": (NUMBERS.astype("int8"), "integer", True, None),
    "int16": (NUMBERS.astype("int16"), "integer", True, None),
    "int32": (NUMBERS.astype("int32"), "integer", True, None),
    "int64": (NUMBERS, "long", True, None),
    "uint8": (NUMBERS.astype("uint8"), "integer", True, None),
    "uint16": (NUMBERS.astype("uint16"), "integer", True, None),
    "uint32": (NUMBERS.astype("uint32"), "long", True, None),
    "uint64": (NUMBERS.astype("uint64"), "long", True, "int64"),
    "float16": (NUMBERS.astype("float16"), "float", True, "float32"),
    "float32": (NUMBERS.astype("float32"), "float", True, None),
    "float64 with gaps": (np.array(GAPPY, dtype=float), "double", False, None),
    "Int64": (pd.array(NUMBERS, dtype="Int64"), "long", True, None),
    "UInt8": (pd.array(NUMBERS, dtype="UInt8"), "integer", True, None),
    "Int64 with gaps": (pd.array(GAPPY, dtype="Int64"), "double", False, "float64"),
    "Int8 with gaps": (pd.array(GAPPY, dtype="Int8"), "double", False, "float64"),
    "Float64 with gaps": (pd.array(GAPPY, dtype="Float64"), "double", False, None),
    "bool": (NUMBERS > 50, "boolean", True, None),
    "boolean": (pd.array(NUMBERS > 50, dtype="boolean"), "boolean", True, None),
    "objects of int": (pd.Series(NUMBERS.tolist(), dtype=object), "long", True, None),
}


def test_columns_keep_their_types_and_their_own_rows_predict_at_mlflow() -> None:
    table = pd.DataFrame({name: values for name, (values, *_) in COLUMNS.items()})
    plain = table.astype({"objects of int": "int64"})
    model = HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=3).fit(plain, NUMBERS % 3)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        folder = logged(model, table, "Types")
    assert types_of(folder) == {name: (kind, required) for name, (_, kind, required, _) in COLUMNS.items()}
    changed = {name: given for name, (*_, given) in COLUMNS.items() if given is not None}
    sentences = [str(each.message) for each in told if " registered " in str(each.message)]
    assert {name for name in COLUMNS if any(f"'{name}'" in each for each in sentences)} == set(changed)
    said = mlflow.pyfunc.load_model(str(folder)).predict(table.astype(changed))
    assert np.asarray(said).tolist() == model.predict(table).tolist()


def test_rows_of_all_types_are_served_as_they_were_trained(python: Path) -> None:
    """Text and booleans with gaps, categories, times with and without a zone: nine columns, one model."""
    table = pd.DataFrame(
        {
            "count": NUMBERS,
            "amount": np.where(NUMBERS % 7 == 0, np.nan, NUMBERS / 3),
            "open": NUMBERS % 2 == 0,
            "place": pd.Series(
                [None if at % 9 == 0 else each for at, each in enumerate(PLACES)], dtype=object
            ),
            "town": pd.Series(PLACES, dtype="string"),
            "kind": pd.Categorical(PLACES),
            "day": DAYS.astype("datetime64[us]"),
            "seen": pd.Series(DAYS).dt.tz_localize("UTC") + pd.to_timedelta(NUMBERS, unit="h"),
        }
    )
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["place", "town", "kind"]),
        (FunctionTransformer(lambda days: days.apply(lambda each: each.dt.day_of_year)), ["day"]),
        (
            FunctionTransformer(
                lambda seen: seen.apply(lambda each: each.dt.tz_convert("Asia/Tokyo").dt.hour)
            ),
            ["seen"],
        ),
        remainder="passthrough",
    )
    target = (table["count"] + (table["place"] == "x") * 40 + table["day"].dt.day_of_year / 9 > 70).astype(
        int
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=3))
    with pytest.warns(UserWarning) as told:
        folder = logged(model.fit(table, target), table)
    assert "'kind': pandas categories" in {str(each.message).split(" are registered")[0] for each in told}
    assert types_of(folder)["count"] == ("long", True)
    assert types_of(folder)["place"] == ("string", False)
    with served(folder, python, list(table)) as client:
        assert wrong_protocols(client, rows_of(table), answers_of(model, table)) == {}


def test_null_in_a_whole_number_is_answered_where_the_model_answers_it(python: Path) -> None:
    table = pd.DataFrame({"count": NUMBERS, "amount": np.where(NUMBERS % 7 == 0, np.nan, 1.0)})
    model = HistGradientBoostingClassifier(max_iter=10).fit(table, NUMBERS > 40)
    gone = pd.DataFrame({"count": [np.nan, 7.0], "amount": [1.0, 1.0]})
    with served(logged(model, table), python, list(table)) as client:
        assert wrong_protocols(client, [[None, 1.0], [7, 1.0]], answers_of(model, gone)) == {}
    strict = LogisticRegression().fit(table[["count"]], NUMBERS > 40)
    with served(logged(strict, table[["count"]]), python, ["count"]) as client:
        status, said = client.server.ask("/predict", {"features": [None]})
        assert (status, "'count'" in said["detail"]) == (422, True)


class Clip(TransformerMixin, BaseEstimator):
    """A transformer of this module, which no package installed."""

    def fit(self, X: Any, y: Any = None) -> "Clip":  # noqa: N803
        self.top_ = float(np.max(np.asarray(X)))
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        return limited(np.asarray(X), self.top_)


def limited(values: Any, top: float) -> Any:
    """A function that `Clip` calls: it must come along."""
    return np.minimum(values, top / 2)


def ratio(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"r": frame["a"] / (1 + frame["b"].abs())})


def of_factor(factor: float) -> Any:
    def scaled(frame: pd.DataFrame) -> Any:
        return frame * factor

    return scaled


helper = types.ModuleType("helper_of_field_tests")
exec("import numpy\ndef root(values):\n    return numpy.sqrt(numpy.abs(values))\n", helper.__dict__)
sys.modules[helper.__name__] = helper
OWN = {
    "functions": (
        FunctionTransformer(lambda frame: frame[["a", "b"]] * 2),
        FunctionTransformer(of_factor(3.0)),
        FunctionTransformer(ratio),
    ),
    "classes and modules": (
        Clip(),
        FunctionTransformer(helper.root),
        FunctionTransformer(lambda values: helper.root(values) + 1),
    ),
    "nothing of one's own": (FunctionTransformer(np.abs), StandardScaler()),
}


@pytest.mark.parametrize("own", OWN)
def test_code_that_is_not_installed_comes_along(own: str, python: Path) -> None:
    table = pd.DataFrame(dice.normal(size=(80, 2)), columns=["a", "b"])
    model = make_pipeline(*OWN[own], LogisticRegression()).fit(table, table["a"] > table["b"])
    folder = logged(model, table, "Code")
    assert (folder / "model.skops").is_file() is (own == "nothing of one's own")
    with served(folder, python, ["a", "b"]) as client:
        assert wrong_protocols(client, rows_of(table[:9]), answers_of(model, table[:9])) == {}


SCRIPT = """
import sys, pandas as pd, numpy as np, mlflow, driftlead_drift
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from beside import doubled
mlflow.set_tracking_uri(sys.argv[1])
mlflow.sklearn.infer_pip_requirements = lambda *a, **k: ["scikit-learn"]
LIMIT = 0.25
def cut(frame):
    return doubled(frame.clip(-LIMIT, LIMIT))
class Sign(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        return self
    def predict(self, X):
        return (np.asarray(X)[:, 0] > LIMIT).astype(int)
X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"])
model = make_pipeline(FunctionTransformer(cut), Sign()).fit(X, X.a > 0)
print(driftlead_drift.log_model(model, X, registered_model="Script").uri, model.predict(X.head(9)).tolist())
"""


def test_a_script_with_its_own_class_and_a_module_beside_it_is_served(python: Path, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def doubled(frame):\n    return frame * 2\n")
    (tmp_path / "train.py").write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, str(tmp_path / "train.py"), mlflow.get_tracking_uri()],
        cwd=Path.cwd(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    uri, _, wanted = ended.stdout.strip().splitlines()[-1].partition(" ")
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"]).head(9)
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    with served(folder, python, ["a", "b"]) as client:
        assert wrong_protocols(client, rows_of(table), json.loads(wanted)) == {}


class Locked(StandardScaler):
    """What no format can write."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = __import__("threading").Lock()


class Elsewhere(LogisticRegression):
    """What loads, and then cannot work: it reads a file of this machine."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise FileNotFoundError("/data/words.txt is not on this machine")


def epoch(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype("int64") / 1e15


def hours(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.apply(lambda each: each.dt.hour)


def trees(*steps: Any) -> Any:
    return make_pipeline(*steps, HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=1))


REFUSED: dict[str, tuple[Any, str, str]] = {
    "a lock": (trees(Locked()), "numbers", "cannot be written"),
    "a file of this machine": (Elsewhere(), "numbers", "words.txt is not on this machine"),
    "the unit of a time": (trees(FunctionTransformer(epoch)), "times", "the unit or zone of a time"),
    "the zone of a time": (trees(FunctionTransformer(hours)), "zones", "the unit or zone of a time"),
    "lengths of time": (trees(FunctionTransformer(epoch)), "lengths", "has no type of MLflow"),
    "huge unsigned": (trees(), "huge", "end at 9223372036854775807"),
    "a name twice": (trees(), "twice", "'a' stands twice"),
}
TABLES: dict[str, pd.DataFrame] = {
    "numbers": pd.DataFrame({"a": NUMBERS / 7, "b": NUMBERS % 5}),
    "times": pd.DataFrame({"a": DAYS.astype("datetime64[us]")}),
    "zones": pd.DataFrame({"a": pd.date_range("2026-01-01", periods=ROWS, freq="7h", tz="Asia/Tokyo")}),
    "lengths": pd.DataFrame({"a": pd.to_timedelta(NUMBERS, unit="h")}),
    "huge": pd.DataFrame({"a": NUMBERS.astype("uint64") + np.uint64(2**63)}),
    "twice": pd.DataFrame(np.stack([NUMBERS, NUMBERS], axis=1), columns=["a", "a"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_server_could_use_is_refused_before_it_is_registered(case: str) -> None:
    model, rows, words = REFUSED[case]
    table = TABLES[rows]
    model.fit(table.to_numpy() if rows == "twice" else table, NUMBERS > 50)
    name = f"Refused {case}"
    with pytest.raises(ValueError, match=words), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        driftlead_drift.log_model(model, table, registered_model=name)
    assert versions(name) == 0
    assert mlflow.active_run() is None


@pytest.mark.parametrize("rows", ["array", "list", "series"])
def test_rows_without_names_are_refused_with_what_to_do(rows: str) -> None:
    numbers = TABLES["numbers"].to_numpy()
    model = LogisticRegression().fit(numbers, NUMBERS > 50)
    given = {"array": numbers, "list": numbers.tolist(), "series": TABLES["numbers"]["a"]}[rows]
    with pytest.raises(TypeError, match=r"pandas DataFrame .* pd.DataFrame\(X, columns=\[\.\.\.\]\)"):
        driftlead_drift.log_model(model, given, registered_model="Array")
    assert versions("Array") == 0


def test_answers_that_are_not_one_a_row_are_refused() -> None:
    texts = pd.Series(["good day", "bad night"] * 40, name="text")
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [1, 0] * 40)
    with pytest.raises(ValueError, match="1 answers to 80 rows"):
        driftlead_drift.log_model(model, texts.to_frame(), registered_model="Texts")


def test_a_model_that_answers_by_chance_is_registered() -> None:
    table = TABLES["numbers"]
    model = DummyClassifier(strategy="uniform").fit(table, NUMBERS > 50)
    assert logged(model, table, "Chance").is_dir()


def test_what_was_registered_by_value_is_forgotten_again() -> None:
    import cloudpickle  # noqa: PLC0415

    before = set(cloudpickle.list_registry_pickle_by_value())
    with loading.by_value():
        assert __name__ in cloudpickle.list_registry_pickle_by_value()
        assert not {"sklearn", "numpy", "json"} & set(cloudpickle.list_registry_pickle_by_value())
    assert set(cloudpickle.list_registry_pickle_by_value()) == before


def test_installed_is_what_a_package_brought_or_python_itself() -> None:
    for name in ("sklearn.pipeline", "numpy", "json", "mlflow.sklearn", "_thread"):
        assert loading.installed(sys.modules[name]), name
    for name in (__name__, helper.__name__, "asking", "__main__"):
        assert not loading.installed(sys.modules[name]), name
    assert not loading.installed(types.ModuleType("made_here"))
