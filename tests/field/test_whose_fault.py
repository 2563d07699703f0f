"""What the input is to blame for is a 422 and costs a canary nothing; what the model or the server is to
blame for is a 500, or refuses the start. A neighbour's row is answered either way."""

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
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import GammaRegressor, LinearRegression, PoissonRegressor
from sklearn.naive_bayes import CategoricalNB
from sklearn.neighbors import RadiusNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

import driftlead_drift
from asking import BY_PLACE, Client, Refusal, at_once
from driftlead_inference.settings import Front
from hosting import hosted
from neighbours.models import saved

cloudpickle.register_pickle_by_value(sys.modules[__name__])
GOOD = [1.0, 0.0, 2.0]
BAD = [7.0, 0.0, 2.0]  # what the models below do not take
X = np.array([[i % 3, i % 2, (i // 3) % 3] for i in range(36)], dtype=float)
Y = X[:, 0] + X[:, 1]


def raising(error: Exception) -> Callable[[], Any]:
    return lambda: Moody(error).fit(X, Y)


class Moody(RegressorMixin, BaseEstimator):
    """Answers a sum; where a value is 7 it raises, or gives something else."""

    def __init__(self, mood: Any = None) -> None:
        self.mood = mood

    def fit(self, table: Any, y: Any) -> "Moody":
        self.n_features_in_ = table.shape[1]
        return self

    def predict(self, table: Any) -> Any:
        table = np.asarray(table)
        if (table != 7).all():
            return table.sum(axis=1)
        if isinstance(self.mood, Exception):
            raise self.mood
        return self.mood(table)


def seven(answer: Any) -> Callable[[Any], Any]:
    """Answers rows with a 7 so, and others by a number."""
    return lambda t: np.array([answer if 7 in row else 1.5 for row in t.tolist()])


def looked_up(table: Any) -> Any:
    return np.array([[{0.0: 1, 1.0: 2, 2.0: 3}[value] for value in row] for row in table])


def divided(table: Any) -> Any:
    return np.array([[1 // (7 - int(value)) for value in row] for row in table], dtype=float)


# What raises, or overflows, for values that the model has not learned or cannot compute with.
OF_INPUT: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    # scikit-learn#16028: CategoricalNB and categories beyond those of the training
    "a category beyond the training's": (lambda: CategoricalNB().fit(X, Y > 1), BAD),
    "a key that is not in a table": (
        lambda: make_pipeline(FunctionTransformer(looked_up), LinearRegression()).fit(X, Y), BAD,
    ),
    "a division by zero": (
        lambda: make_pipeline(FunctionTransformer(divided), LinearRegression()).fit(X, Y), BAD,
    ),
    "an index": (raising(IndexError("index 7 is out of bounds for axis 1 with size 3")), BAD),
    "a value": (raising(ValueError("unknown category 7")), BAD),
    "a kind of value": (raising(TypeError("'<' not supported between str and float")), BAD),
    "an overflow that is raised": (raising(OverflowError("math range error")), BAD),
    "an overflow of floats": (raising(FloatingPointError("overflow encountered in exp")), BAD),
    "an overflow to infinity": (lambda: PoissonRegressor().fit(X, Y), [1e6, 1.0, 1.0]),
    "an overflow of another kind": (lambda: GammaRegressor().fit(X, Y + 1), [1e6, 1e6, 1e6]),
    "an overflow between two steps": (
        lambda: make_pipeline(PolynomialFeatures(12), LinearRegression()).fit(X, Y), [1e30, 1.0, 1.0],
    ),
    "an infinite answer": (lambda: Moody(seven(np.inf)).fit(X, Y), BAD),
    "an answer beyond all floats": (lambda: Moody(seven(10**400)).fit(X, Y), BAD),
}  # fmt: skip
# What no value can be blamed for.
OF_MODEL: dict[str, Callable[[], Any]] = {
    "an attribute": raising(AttributeError("'NoneType' object has no attribute 'tree_'")),
    "not fitted": raising(NotFittedError("this scaler is not fitted yet")),
    "a file": raising(FileNotFoundError("/models/lookup.csv")),
    "a connection": raising(ConnectionError("the feature store does not answer")),
    "no memory": raising(MemoryError()),
    "an import": raising(ModuleNotFoundError("No module named 'lookup'")),
    "what runs": raising(RuntimeError("the session is closed")),
    "no implementation": raising(NotImplementedError("seven")),
    "NaN": lambda: Moody(seven(np.nan)).fit(X, Y),
    "a row without an answer": lambda: Moody(seven(None)).fit(X, Y),
    "an object": lambda: Moody(seven(object())).fit(X, Y),
    "too few": lambda: Moody(lambda t: np.zeros(len(t) + 1)).fit(X, Y),
    "None": lambda: Moody(lambda t: None).fit(X, Y),
    "sparse": lambda: Moody(lambda t: sparse.csr_matrix(t[:, :1])).fit(X, Y),
    "complex": lambda: Moody(lambda t: t[:, 0] * 1j).fit(X, Y),
    "an object of two": lambda: Moody(lambda t: np.array([["x", {1: object()}]] * len(t))).fit(X, Y),
    "no neighbour": lambda: RadiusNeighborsRegressor(radius=0.5).fit(X, Y),
}  # fmt: skip


def refused(client: Client, rows: list[list[Any]]) -> list[Refusal]:
    """What each protocol says, and the front itself of one row."""
    found = []
    for ask in BY_PLACE.values():
        with pytest.raises(Refusal) as caught:
            ask(client, rows)
        found.append(caught.value)
    return found


@pytest.mark.parametrize("kind", [Front.WIRE, Front.ASGI])
@pytest.mark.parametrize("case", OF_INPUT)
def test_what_the_values_are_to_blame_for_is_422(case: str, kind: Front, tmp_path: Path) -> None:
    make, bad = OF_INPUT[case]
    folder = saved(tmp_path / "m", make(), X[:20])
    with hosted(folder, tmp_path / "home", kind=kind) as client:
        for refusal in refused(client, [bad]):
            assert refusal.status == 422, refusal
            assert len(refusal.said["detail"]) > 20
        assert isinstance(BY_PLACE["predict"](client, [GOOD])[0], int | float)
        seen = at_once(client.server, GOOD, bad, GOOD)
        assert seen[1] is None
        assert None not in (seen[0], seen[2])


@pytest.mark.parametrize("case", OF_MODEL)
def test_what_no_value_is_to_blame_for_is_500(case: str, tmp_path: Path) -> None:
    with hosted(saved(tmp_path / "m", OF_MODEL[case](), X[:20]), tmp_path / "home") as client:
        for refusal in refused(client, [BAD]):
            assert refusal.status == 500, refusal
            assert "Traceback" not in refusal.said["detail"]
        seen = at_once(client.server, GOOD, BAD, GOOD)
        assert seen[1] is None
        assert None not in (seen[0], seen[2])


def test_rows_without_an_answer_are_named_so_that_the_others_can_be_asked(tmp_path: Path) -> None:
    model = RadiusNeighborsRegressor(radius=0.5).fit(X, Y)
    with hosted(saved(tmp_path / "m", model, X[:20]), tmp_path / "home") as client:
        rows = [GOOD, BAD, GOOD, BAD, *[[9.0, 9.0, at] for at in range(6)]]
        with pytest.raises(Refusal) as caught:
            client.post("/predict", {"features": rows})
        assert caught.value.said["detail"].startswith("rows 1, 3, 4, 5, 6 and 3 more:")
        assert caught.value.said["seen"] == [1, 3, 4, 5, 6, 7, 8, 9]
        left = [row for at, row in enumerate(rows) if at not in caught.value.said["seen"]]
        assert len(client.post("/predict", {"features": left})["predictions"]) == 2


def test_nan_beside_infinity_is_the_models(tmp_path: Path) -> None:
    mood = lambda t: np.stack([np.full(len(t), np.nan), np.full(len(t), np.inf)], axis=1)  # noqa: E731
    model = Moody(mood).fit(X, Y)
    with hosted(saved(tmp_path / "m", model, X[:20]), tmp_path / "home") as client:
        with pytest.raises(Refusal) as caught:
            client.post("/predict", {"features": BAD})
        assert caught.value.status == 500


def test_an_answer_that_json_cannot_hold_refuses_the_start(tmp_path: Path) -> None:
    class Written(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [object()] * len(model_input)

    table = pd.DataFrame(X, columns=list("abc"))
    for name, options in (("with", {"input_example": table[:1]}), ("without", {})):
        mlflow.pyfunc.save_model(
            tmp_path / name, python_model=Written(), signature=infer_signature(table),
            pip_requirements=["cloudpickle"], **options,
        )  # fmt: skip
        with (
            pytest.raises(Exception, match="type object, which JSON cannot hold"),
            hosted(tmp_path / name, tmp_path / f"{name}-home"),
        ):
            pass


def test_rows_without_names_are_refused_before_anything_is_logged() -> None:
    with pytest.raises(TypeError, match="they must be a pandas DataFrame"):
        driftlead_drift.log_model(LinearRegression().fit(X, Y), X, registered_model="Arrays")
