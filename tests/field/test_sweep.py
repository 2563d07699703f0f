"""Every estimator of scikit-learn that predicts, with scikit-learn's own parameters for tests, is served
without one wrong answer: row by row and many at once, by scikit-learn and by ONNX Runtime where that was
verified.

Then every transformer in front of a classifier, and every classifier of text. Wanted is always `predict` of
the fitted estimator here. A row for which it raises or overflows is refused (422), and one for which it gives
NaN (500).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import all_estimators, get_tags
from sklearn.utils._test_common.instance_generator import _construct_instances

from answer_types import describes_its_answer, near
from asking import Client, Refusal, rows_of
from hosting import hosted
from neighbours.models import saved

ROWS, WIDTH = 140, 5
TEXTS = np.array(["zürich", "Äther", "b c"])
# What stands in some cell of a row: zeros, ones, large, the next number, what float32 rounds, tiny.
EDGES = (0.0, 1.0, 1e6, -1e6, 0.1, 1e-40, 2.0**24 + 1)


def instances() -> Iterator[tuple[str, Any]]:
    """A name and an estimator with scikit-learn's own test parameters, of every class."""
    for name, made in all_estimators():
        if name == "FrozenEstimator":  # stands for the one that it holds
            continue
        for at, estimator in enumerate(_construct_instances(made)):
            yield f"{name}{at or ''}", estimator


INSTANCES = dict(instances())
INSTANCES["DummyClassifier"].set_params(strategy="prior")  # by its tests' own it throws dice
# A square matrix of kernel values has no rows for a request.
PREDICTORS = [
    name
    for name, each in INSTANCES.items()
    if hasattr(each, "predict") and not get_tags(each).input_tags.pairwise
]
CLASSIFIERS = [
    name
    for name in PREDICTORS
    if is_classifier(INSTANCES[name]) and get_tags(INSTANCES[name]).target_tags.single_output
]
TRANSFORMERS = [
    name
    for name, each in INSTANCES.items()
    if hasattr(each, "transform") and not hasattr(each, "predict") and get_tags(each).input_tags.two_d_array
]


def table(estimator: Any) -> pd.DataFrame:
    """Numbers as the estimator's tags ask for them, with gaps where it takes gaps."""
    tags = get_tags(estimator).input_tags
    dice = np.random.default_rng(0)
    values = dice.normal(size=(ROWS, WIDTH))
    if tags.positive_only or tags.categorical:
        values = np.abs(values)
    if tags.categorical and not tags.allow_nan:
        values = np.floor(values)
    if tags.allow_nan:
        values[dice.random(values.shape) < 0.05] = np.nan
    if tags.one_d_array and not tags.two_d_array:
        values = values[:, :1]
    return pd.DataFrame(values, columns=list("abcde")[: values.shape[1]])


def target(estimator: Any, x: pd.DataFrame) -> Any:
    """Classes or numbers that depend on the rows, as many outputs as the tags ask for."""
    tags = get_tags(estimator)
    first = x["a"].fillna(0).to_numpy()
    y: Any = first * 2 + 0.1 * np.random.default_rng(1).normal(size=len(x))
    if is_classifier(estimator):
        several = tags.classifier_tags is None or tags.classifier_tags.multi_class
        y = (first > np.median(first)).astype(int) + (first > np.quantile(first, 0.8)) * int(several)
    if tags.target_tags.positive_only:
        y = np.abs(y) + 0.1
    if tags.target_tags.multi_output and not tags.target_tags.single_output:
        y = np.stack([y, y[::-1]], axis=1)
    return y


def questions(x: pd.DataFrame) -> pd.DataFrame:
    """Rows of the training, shifted ones, and the edges of number formats."""
    dice = np.random.default_rng(2)
    near_by = x.iloc[dice.integers(0, ROWS, 20)] + dice.normal(size=(20, x.shape[1]))
    edges = pd.DataFrame([[edge] * x.shape[1] for edge in EDGES], columns=x.columns)
    first = x.iloc[:1].fillna(0.5)
    rounded = [np.nextafter(first, np.inf), first.astype("float32").astype(float)]
    missing = pd.DataFrame([[np.nan] * x.shape[1]], columns=x.columns)
    return pd.concat([x.head(10), near_by, edges, *rounded, missing], ignore_index=True)


def fitted(estimator: Any, x: pd.DataFrame, y: Any) -> Any:
    try:
        return estimator.fit(x, y)
    except TypeError:  # clusters and outliers of some classes take no target
        return estimator.fit(x)


def answer(model: Any, row: pd.DataFrame) -> Any:
    """What `predict` says of one row; the status of the refusal where it says nothing."""
    try:
        given = np.asarray(model.predict(row))
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return 422
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        return 500 if np.isnan(given).any() else 422
    return given.tolist()[0]


def check(client: Client, model: Any, asked: pd.DataFrame) -> None:
    """Holds single rows, all rows in one request, probabilities and V2 against the estimator."""
    rows, good = rows_of(asked), []
    for at, row in enumerate(rows):
        wanted = answer(model, asked.iloc[[at]])
        try:
            said = client.post("/predict", {"features": row})["prediction"]
        except Refusal as refusal:
            # A null that the model answers with NaN is refused at the door.
            assert wanted in (422, refusal.status) or (wanted == 500 and None in row), (row, refusal, wanted)
        else:
            assert near(said, wanted), (row, said, wanted)
            good.append(at)
    assert len(good) >= 10, "hardly a row was answered"
    together, ask = np.asarray(model.predict(asked.iloc[good])), [rows[at] for at in good]
    said = client.post("/predict?probabilities=true", {"features": ask})
    assert near(said["predictions"], together.tolist())
    if isinstance(getattr(model, "classes_", None), np.ndarray):
        assert ("probabilities" in said) == hasattr(model, "predict_proba")
    if "probabilities" in said:
        assert hasattr(model, "predict_proba")
        likely = model.predict_proba(asked.iloc[good])
        seen = np.array(said["probabilities"], dtype=float)
        assert np.allclose(seen, likely, atol=1e-5, equal_nan=True)
    describes_its_answer(client, ask, together)


def sweep(model: Any, x: pd.DataFrame, home: Path, **options: Any) -> None:
    """Serves a fitted model by ONNX Runtime where that was verified, and by scikit-learn."""
    folder, asked = saved(home / "m", model, x, **options), questions(x)
    with hosted(folder, home / "auto", list(x), onnx="auto") as client:
        check(client, model, asked)
        converted = client.server.ask("/health")[1]["engine"] == "onnx"
    if converted:
        with hosted(folder, home / "off", list(x), onnx="off") as client:
            check(client, model, asked)


@pytest.mark.parametrize("name", PREDICTORS)
def test_every_estimator_is_served_without_a_wrong_answer(name: str, tmp_path: Path) -> None:
    estimator = INSTANCES[name]
    x = table(estimator)
    model = fitted(estimator, x, target(estimator, x))
    if not hasattr(model, "predict"):
        pytest.skip("does not apply: it predicts only before it is fitted")
    sweep(model, x, tmp_path)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_every_transformer_before_a_classifier_is_served(name: str, tmp_path: Path) -> None:
    x = table(INSTANCES[name])
    y = (x["a"].fillna(0) > x["a"].median()).astype(int)
    model = make_pipeline(INSTANCES[name], LogisticRegression())
    for rows in (x, x.fillna(0.5)):  # what keeps gaps is asked without
        try:
            model.fit(rows, y)
            model.predict(rows.head(1))
        except (ValueError, TypeError, AttributeError) as error:
            why = str(error)[:80]
        else:
            sweep(model, rows, tmp_path)
            return
    pytest.skip(f"does not apply: it is not for a table of numbers, or for one row ({why})")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_of_text_is_served_from_an_array_without_signature(
    name: str, tmp_path: Path
) -> None:
    estimator = INSTANCES[name]
    x = table(estimator)
    classes = target(estimator, x)
    model = fitted(estimator, x.to_numpy(), TEXTS[classes].astype(object))
    folder = saved(tmp_path / "m", model, x.to_numpy(), signature=None, input_example=None)
    with hosted(folder, tmp_path / "home", onnx="auto") as client:
        check(client, model, questions(x).set_axis(range(x.shape[1]), axis=1))


def test_the_sweep_misses_no_class() -> None:
    """The numbers of scikit-learn 1.9; a later one has more."""
    assert len(PREDICTORS) >= 120
    assert len(CLASSIFIERS) >= 40
    assert len(TRANSFORMERS) >= 60
