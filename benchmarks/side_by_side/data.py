"""The models and the bodies: the same fitted estimator and the same 5,000 rows for every server."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import mlflow
import mlflow.sklearn
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from driftlead_formats import baseline

ROWS = 20_000
FEATURES = 20
BODIES = 5_000


@dataclass(frozen=True)
class Dialect:
    """How a protocol puts one row into a body, and reads the answer out of a reply."""

    wrap: Callable[[list[float]], object]
    read: Callable[[Any], float]


def _tensor(row: list[float]) -> object:
    return {"inputs": [{"name": "input-0", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}


DIALECTS = {
    "features": Dialect(lambda row: {"features": row}, lambda reply: reply["prediction"]),
    "rows": Dialect(lambda row: {"features": [row]}, lambda reply: reply[0]),
    "inputs": Dialect(lambda row: {"inputs": [row]}, lambda reply: reply["predictions"][0]),
    "instances": Dialect(lambda row: {"instances": [row]}, lambda reply: reply["predictions"][0]),
    "tensor": Dialect(_tensor, lambda reply: reply["outputs"][0]["data"][0]),
}


@dataclass(frozen=True)
class Recipe:
    """A model: what is fitted, and on how many rows."""

    name: str
    says: str
    make: Callable[[], Any]
    rows: int = ROWS


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "regression",
            "StandardScaler + LogisticRegression",
            lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        ),
        Recipe(
            "forest",
            "RandomForestClassifier, 100 trees",
            lambda: RandomForestClassifier(100, random_state=0),
        ),
        # A kernel's fit is quadratic in its rows.
        Recipe("svc", "StandardScaler + SVC", lambda: make_pipeline(StandardScaler(), SVC()), 5_000),
        Recipe(
            "boosting",
            "HistGradientBoostingClassifier, 100 iterations",
            lambda: HistGradientBoostingClassifier(early_stopping=False, random_state=0),
        ),
    )
}


def train(home: Path, names: Iterable[str]) -> None:
    """Fits the models; each is left as an MLflow folder with a baseline, as joblib, and with what it says of
    the rows."""
    table, classes = make_classification(ROWS, FEATURES, random_state=0)
    binned = baseline.build({f"f{at}": table[:, at] for at in range(FEATURES)}, prediction=classes)
    dice = random.Random(1)
    rows = [[round(float(value), 6) for value in dice.choice(table)] for _ in range(BODIES)]
    for name, dialect in DIALECTS.items():
        lines = (json.dumps(dialect.wrap(row)) for row in rows)
        (home / f"{name}.txt").write_text("\n".join(lines) + "\n")
    for name in names:
        recipe = RECIPES[name]
        model = recipe.make()
        model.fit(table[: recipe.rows], classes[: recipe.rows])
        mlflow.sklearn.save_model(
            model,
            home / name,
            signature=mlflow.models.infer_signature(table, classes),
            input_example=table[:1],
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
        (home / name / "driftlead").mkdir()
        (home / name / baseline.ARTIFACT).write_bytes(binned.to_json())
        joblib.dump(model, home / f"{name}.joblib")
        (home / f"{name}.expected").write_text(json.dumps(model.predict(rows).tolist()))


def expected(home: Path, model: str) -> list[float]:
    """What the model says of each row, by scikit-learn itself."""
    return [float(value) for value in json.loads((home / f"{model}.expected").read_text())]


def bodies(home: Path, dialect: str) -> list[bytes]:
    """Each row's body."""
    return (home / f"{dialect}.txt").read_bytes().splitlines()
