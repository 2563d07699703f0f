"""Small models, saved as MLflow saves them."""

from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from driftlead_formats.baseline import build

FEATURES = 20


def rows(count: int = 400, seed: int = 7) -> np.ndarray:
    """Numbers, (count, 20)."""
    return np.random.default_rng(seed).normal(size=(count, FEATURES))


def target(table: np.ndarray) -> np.ndarray:
    """A class that depends on two features."""
    return (table[:, 0] + table[:, 1] > 0).astype(int)


def regression() -> Any:
    """A fitted scaler and logistic regression."""
    table = rows()
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(table, target(table))


def named_frame(count: int = 400) -> pd.DataFrame:
    """Two numbers and a text column."""
    dice = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "temp": dice.normal(size=count),
            "seats": dice.integers(1, 300, size=count),
            "carrier": dice.choice(["AA", "UA"], size=count),
        }
    )


def saved(folder: Path, estimator: BaseEstimator, example: Any, **options: Any) -> Path:
    """A model folder, cloudpickled so that any estimator may stand in it."""
    if "signature" not in options:
        options["signature"] = mlflow.models.infer_signature(example, estimator.predict(example))
    options.setdefault("serialization_format", "cloudpickle")
    options.setdefault("pip_requirements", ["scikit-learn"])  # to find them out takes MLflow seconds
    mlflow.sklearn.save_model(
        estimator, folder, input_example=options.pop("input_example", example[:1]), **options
    )
    return folder


def baseline_file(folder: Path) -> Path:
    """A baseline of the rows above, as the drift check takes it."""
    table = rows(2000, seed=9).astype(np.float32)
    columns = {str(number): table[:, number] for number in range(FEATURES)}
    file = folder / "baseline.json"
    file.write_bytes(build(columns, prediction=target(table).astype(float)).to_json())
    return file


def register(uri: str, name: str) -> None:
    """Registers the regression above as the next version of a model."""
    mlflow.set_tracking_uri(uri)
    table = rows()
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            regression(),
            name="model",
            signature=mlflow.models.infer_signature(table, target(table)),
            input_example=table[:1],
            registered_model_name=name,
            pip_requirements=["scikit-learn"],
        )
