"""Models that are not scikit-learn's own: boosters of other libraries, and Python that somebody wrote for
MLflow."""

import sys
from pathlib import Path
from typing import Any

import cloudpickle
import lightgbm
import mlflow
import mlflow.lightgbm
import mlflow.pyfunc
import mlflow.xgboost
import numpy as np
import pandas as pd
import pytest
import xgboost

from driftlead_formats.exit_codes import ExitCode
from neighbours.inference import Inference, failed_start, inference_server
from neighbours.models import FEATURES, rows, target

# The classes below travel inside the pickle: the server cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

FRAME = pd.DataFrame(rows(), columns=[f"c{at}" for at in range(FEATURES)])
CLASSES = target(rows())
ASKED = rows(5, seed=3)


def described(answers: Any) -> dict[str, Any]:
    """What `save_model` of any flavour is told of a model's input and output."""
    signature = mlflow.models.infer_signature(FRAME, answers)
    return {"signature": signature, "input_example": FRAME[:1]}


def as_mlflow_answers(folder: Path) -> np.ndarray:
    """What MLflow itself answers to the rows that are asked."""
    frame = pd.DataFrame(ASKED, columns=FRAME.columns)
    return np.asarray(mlflow.pyfunc.load_model(str(folder)).predict(frame))


def answered(server: Inference) -> np.ndarray:
    """What the server answers to the same."""
    return np.asarray(server.predict(ASKED.tolist())["predictions"])


@pytest.fixture(scope="module")
def booster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "booster"
    model = xgboost.XGBClassifier(n_estimators=5).fit(FRAME, CLASSES)
    needs = {"pip_requirements": ["xgboost"]}
    mlflow.xgboost.save_model(model, folder, **described(model.predict(FRAME)), **needs)
    return folder


def test_an_xgboost_classifier_is_served_with_its_probabilities_and_missing_values(booster: Path) -> None:
    model = mlflow.xgboost.load_model(str(booster))
    holes = ASKED.copy()
    holes[:, 1] = np.nan
    with inference_server(booster) as server:
        assert answered(server).tolist() == as_mlflow_answers(booster).tolist()
        status, likely = server.ask("/predict?probabilities=true", {"features": ASKED.tolist()})
        nulls = server.predict([[row[0], None, *row[2:]] for row in ASKED.tolist()])["predictions"]
        health = server.ask("/health")[1]
    assert status == 200
    assert np.allclose(likely["probabilities"], model.predict_proba(ASKED), atol=1e-6)
    assert nulls == model.predict(holes).tolist()
    assert health["engine"] == "xgboost"
    assert "no converter for XGBClassifier" in health["engine_reason"]


def test_a_lightgbm_booster_answers_as_mlflow_does(tmp_path: Path) -> None:
    model = lightgbm.train({"verbose": -1}, lightgbm.Dataset(FRAME, CLASSES), 5)
    folder, needs = tmp_path / "light", {"pip_requirements": ["lightgbm"]}
    mlflow.lightgbm.save_model(model, folder, **described(model.predict(FRAME)), **needs)
    with inference_server(folder) as server:
        assert answered(server).tolist() == as_mlflow_answers(folder).tolist()
        health = server.ask("/health")[1]
    assert health["engine"] == "pyfunc"
    assert health["warnings"] == []


class Scores(mlflow.pyfunc.PythonModel):
    """Two numbers a row, with what was learned in an artifact beside the code."""

    def load_context(self, context: Any) -> None:
        self.factor = float(Path(context.artifacts["factor"]).read_text())

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        score = model_input.sum(axis=1)
        return pd.DataFrame({"score": score, "scaled": score * self.factor})


def saved(folder: Path, model: Any, artifact: Path) -> Path:
    """A Python model with one artifact."""
    options = described(pd.DataFrame({"score": [0.0], "scaled": [0.0]}))
    options["pip_requirements"] = ["pandas"]
    options.pop("input_example")
    mlflow.pyfunc.save_model(folder, python_model=model, artifacts={"factor": str(artifact)}, **options)
    return folder


def test_python_that_somebody_wrote_for_mlflow_is_served_with_its_artifacts(tmp_path: Path) -> None:
    (tmp_path / "factor.txt").write_text("2.5")
    folder = saved(tmp_path / "scores", Scores(), tmp_path / "factor.txt")
    with inference_server(folder) as server:
        assert np.allclose(answered(server), as_mlflow_answers(folder))
        refused = server.ask(
            "/invocations",
            {"inputs": ASKED.tolist(), "params": {"factor": 3}},
            **{"content-type": "application/json"},
        )
        health = server.ask("/health")[1]
    assert np.allclose(as_mlflow_answers(folder)[:, 1], ASKED.sum(axis=1) * 2.5)
    assert refused[0] == 422
    assert refused[1]["field"] == "params"
    assert health["engine"] == "pyfunc"


def test_what_a_python_model_raises_at_load_stands_in_the_termination_message(tmp_path: Path) -> None:
    (tmp_path / "factor.txt").write_text("two and a half")
    folder = saved(tmp_path / "scores", Scores(), tmp_path / "factor.txt")
    code, message = failed_start(folder, tmp_path)
    assert code == ExitCode.LOAD_FAILED
    assert "two and a half" in message["message"]


def test_a_booster_whose_library_the_image_lacks_names_it_and_the_recipe(
    booster: Path, tmp_path: Path
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys\nsys.modules['xgboost'] = None\n")
    code, message = failed_start(booster, tmp_path, PYTHONPATH=str(without))
    assert code == ExitCode.REQUIREMENTS_MISSING
    assert "pip install xgboost" in message["message"]
    assert "spec.inference.image" in message["message"]
