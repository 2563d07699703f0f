"""The type of an answer is the estimator's own, whichever engine serves, whatever protocol or front is asked,
and whoever else is in the batch; and V2's metadata says the type and shape that its answers have."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from answer_types import describes_its_answer, near, typed
from asking import PROTOCOLS, Client, at_once
from driftlead_inference.settings import Front
from hosting import hosted
from neighbours.models import saved

cloudpickle.register_pickle_by_value(sys.modules[__name__])
DICE = np.random.default_rng(3)
X = DICE.normal(size=(90, 4))
TWO = (X[:, 0] > 0).astype(int)
THREE = TWO + (X[:, 1] > 0.5)

# The types of classes: onnx/sklearn-onnx#309 and #565 are two of them.
CLASSES: dict[str, Any] = {
    "truth": TWO == 1,
    "floats": TWO + 1.0,
    "three floats": THREE * 10.0,
    "negative floats": TWO * -1.0,
    "float32": THREE.astype("float32"),
    "integers": THREE,
    "far apart": np.where(TWO, 2**40, -7),
    "int8": THREE.astype("int8"),
    "uint8": THREE.astype("uint8") + 200,
    "uint64": np.where(TWO, 2**63 + 5, 1).astype("uint64"),
    "text": np.where(TWO, "spät", "pünktlich"),
    "text of numbers": np.where(TWO, "1.0", "2"),
    "text objects": np.where(TWO, "True", "False").astype(object),
}
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(5, random_state=0),
    "tree": lambda: DecisionTreeClassifier(random_state=0),
    "neighbours": lambda: KNeighborsClassifier(3),
    "bayes": GaussianNB,
}
OTHERS: dict[str, Callable[[], Any]] = {
    "clusters": lambda: KMeans(3, random_state=0).fit(X),
    "clusters by parts": lambda: MiniBatchKMeans(3, random_state=0).fit(X),
    "outliers": lambda: IsolationForest(n_estimators=10, random_state=0).fit(X),
    "a number": lambda: Ridge().fit(X, X[:, 0]),
    "a whole number": lambda: RandomForestRegressor(1, bootstrap=False, random_state=0).fit(X, THREE),
    "one column": lambda: LinearRegression().fit(X, X[:, :1]),
    "two numbers": lambda: LinearRegression().fit(X, X[:, :2]),
    "two numbers by a forest": lambda: RandomForestRegressor(5, random_state=0).fit(X, X[:, :2]),
    "two classes": lambda: RandomForestClassifier(5, random_state=0).fit(X, np.stack([TWO, THREE], 1)),
    "two truths": lambda: MultiOutputClassifier(LogisticRegression()).fit(X, np.stack([TWO, TWO], 1) == 1),
    "singles": lambda: Rounded("float32").fit(X, TWO),
    "small integers": lambda: Rounded("int16").fit(X, TWO),
    "truth of no class": lambda: Rounded("bool").fit(X, TWO),
    "half": lambda: Rounded("float16").fit(X, TWO),
}  # fmt: skip


class Rounded(RegressorMixin, BaseEstimator):
    """Answers its first feature in some type of numpy's."""

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = dtype

    def fit(self, table: Any, y: Any) -> "Rounded":
        self.n_features_in_ = table.shape[1]
        return self

    def predict(self, table: Any) -> Any:
        return np.asarray(table)[:, 0].astype(self.dtype)


class First(RegressorMixin, BaseEstimator):
    """Answers its first column, or its second where that is missing."""

    def fit(self, table: Any, y: Any) -> "First":
        self.feature_names_in_ = np.array(list(table), dtype=object)
        self.n_features_in_ = table.shape[1]
        return self

    def predict(self, table: Any) -> Any:
        first = np.asarray(table["v"])
        return np.where(np.isnan(first), table["w"], first) if first.dtype.kind == "f" else first


def check(client: Client, estimator: Any, asked: Any) -> None:
    """Holds every protocol, and V2's metadata, against `predict` here."""
    wanted = np.asarray(estimator.predict(asked))
    for name, ask in PROTOCOLS.items():
        if name in ("predict-by-name", "v1-by-name", "records", "inputs"):
            continue
        seen, expected = ask(client, asked.tolist()), wanted.tolist()
        if name.startswith("v2") and wanted.ndim == 2 and wanted.shape[1] == 1:
            expected = wanted[:, 0].tolist()  # a tensor of one column
        assert near(seen, expected), (name, seen, expected)
    describes_its_answer(client, asked.tolist(), wanted)


@pytest.mark.parametrize("onnx", ["off", "auto"])
@pytest.mark.parametrize("classes", CLASSES)
def test_classes_have_their_own_type_by_both_engines(classes: str, onnx: str, tmp_path: Path) -> None:
    engines = set()
    for at, (name, make) in enumerate(CLASSIFIERS.items()):
        model = make().fit(X, CLASSES[classes])
        folder = saved(tmp_path / name, model, X)
        kind = (Front.WIRE, Front.ASGI)[at % 2]
        with hosted(folder, tmp_path / f"{name}-home", onnx=onnx, kind=kind) as client:
            engines.add(client.server.ask("/health")[1]["engine"])
            check(client, model, X[:6])
    if onnx == "off":
        assert engines == {"sklearn"}
    elif classes != "uint64":  # whose largest numbers ONNX Runtime lacks
        assert "onnx" in engines


@pytest.mark.parametrize("onnx", ["off", "auto"])
@pytest.mark.parametrize("case", OTHERS)
def test_numbers_clusters_and_several_outputs_have_their_own_type(
    case: str, onnx: str, tmp_path: Path
) -> None:
    model = OTHERS[case]()
    with hosted(saved(tmp_path / "m", model, X), tmp_path / "home", onnx=onnx) as client:
        check(client, model, X[:6])


def test_probabilities_are_described_too(tmp_path: Path) -> None:
    model = GaussianNB().fit(X, THREE)
    with hosted(saved(tmp_path / "m", model, X), tmp_path / "home") as client:
        said = client.server.ask("/v2/models/Field")[1]["outputs"]
        assert said[1] == {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]}
        describes_its_answer(client, X[:2].tolist(), model.predict(X[:2]))


def test_without_an_example_the_type_is_the_estimators_too(tmp_path: Path) -> None:
    for name, model in (
        ("clusters", KMeans(3, random_state=0).fit(X)),
        ("truth", LogisticRegression().fit(X, TWO == 1)),
    ):
        folder = saved(tmp_path / name, model, X, input_example=None, signature=None)
        with hosted(folder, tmp_path / f"{name}-home", onnx="auto") as client:
            check(client, model, X[:6])


def halved(table: Any) -> Any:
    return 1 / np.asarray(table)  # zeros have no answer


def test_nor_do_refused_zeros_change_the_type_of_classes(tmp_path: Path) -> None:
    table = np.abs(X) + 1
    model = make_pipeline(FunctionTransformer(halved), LogisticRegression()).fit(table, TWO == 1)
    folder = saved(tmp_path / "m", model, table, input_example=None)
    with hosted(folder, tmp_path / "home") as client:
        check(client, model, table[:6])


class Written(mlflow.pyfunc.PythonModel):
    """Somebody's Python: gives whatever `give` makes of the first column."""

    def __init__(self, give: Callable[[list[Any]], Any]) -> None:
        self.give = give

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return self.give(model_input.iloc[:, 0].tolist())


def of_python(folder: Path, give: Callable[[list[Any]], Any], table: pd.DataFrame) -> Path:
    mlflow.pyfunc.save_model(
        folder, python_model=Written(give), signature=infer_signature(table), input_example=table[:1],
        pip_requirements=["cloudpickle"],
    )  # fmt: skip
    return folder


# What the first row of the example makes the type; each row's answer must then be what it is alone.
PYTHON: dict[str, tuple[Callable[[list[Any]], Any], list[Any]]] = {
    "whole numbers beside fractions": (lambda c: [int(v) if v % 1 == 0 else v for v in c], [1, 2.5, 3]),
    "truth": (lambda c: [v > 2 for v in c], [False, True, True]),
    "text": (lambda c: [f"{v:g}" for v in c], ["1", "2.5", "3"]),
    "text beside numbers": (lambda c: ["one" if v == 1 else v for v in c], ["one", 2.5, 3.0]),
    "numpy's integers": (lambda c: [np.int32(v) for v in c], [1, 2, 3]),
    "objects": (lambda c: pd.Series([v * 2 for v in c], dtype=object), [2.0, 5.0, 6.0]),
    "lists of different lengths": (lambda c: [[1] * round(v) for v in c], [[1], [1, 1], [1, 1, 1]]),
    "tables": (lambda c: [{"score": v} for v in c], [{"score": 1.0}, {"score": 2.5}, {"score": 3.0}]),
}


@pytest.mark.parametrize("form", PYTHON)
def test_an_answer_of_python_is_what_it_is_alone(form: str, tmp_path: Path) -> None:
    give, wanted = PYTHON[form]
    table = pd.DataFrame({"v": [1.0, 2.5, 3.0]})
    with hosted(of_python(tmp_path / "m", give, table), tmp_path / "home", ["v"]) as client:
        rows = table.to_numpy().tolist()
        alone = [client.post("/predict", {"features": row})["prediction"] for row in rows]
        together = PROTOCOLS["predict"](client, rows)
        assert typed(together) == typed(alone)
        assert typed(together[:1]) == typed(wanted[:1])
        assert all(one == other for one, other in zip(together, wanted, strict=True))


def test_another_clients_null_does_not_change_the_type_of_my_answer(tmp_path: Path) -> None:
    """The column is whole numbers; beside a null it would be floats, and 3 would be 3.0."""
    table = pd.DataFrame({"v": np.array([3, 5, 7]), "w": 0.5})
    model = First().fit(table, [1, 2, 3])
    with hosted(saved(tmp_path / "m", model, table), tmp_path / "home", ["v", "w"]) as client:
        for _ in range(5):
            seen = at_once(client.server, [None, 1], [3, 1], [5, 1], [None, 2.5])
            assert typed(seen[1:3]) == typed([3, 5])
        rows = [[3, 1], [None, 2.5], [5, 1], [None, 2]]
        assert typed(PROTOCOLS["predict"](client, rows)) == typed([3, 2.5, 5, 2])
        assert typed(PROTOCOLS["predict-each"](client, rows)) == typed([3, 2.5, 5, 2])
