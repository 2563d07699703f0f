"""ONNX Runtime serves only where it repeats scikit-learn: what is converted, what is found out, what is
refused."""

from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

from driftlead_inference.engines.onnx import convert as onnx_convert
from driftlead_inference.engines.onnx import trees
from driftlead_inference.engines.onnx.convert import convert, usual_size
from driftlead_inference.engines.onnx.engine import Session
from driftlead_inference.engines.onnx.reference import reference_rows
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.prepare.probing import accepted_missing, accepts_huge, predictor, takes_arrays
from driftlead_inference.rows.signature import unnamed
from driftlead_inference.rows.validation import RowValidator

DICE = np.random.default_rng(5)
TABLE = DICE.normal(size=(600, 4))
CLASSES = (TABLE[:, 0] + TABLE[:, 1] ** 2 > 0.5).astype(int)
THREE = CLASSES + (TABLE[:, 2] > 1)
HOLES = np.where(DICE.random(TABLE.shape) < 0.1, np.nan, TABLE)


def distance(one: Any, other: Any) -> float:
    """A metric that no converter knows."""
    return float(np.abs(one - other).sum())


class Foreign(LogisticRegression):
    """An estimator of somebody's own."""


def studied(estimator: Any) -> tuple[Loaded, RowValidator]:
    """A model and its validator, probed as the preparing process does."""
    loaded = Loaded("sklearn", estimator, None)
    signature = unnamed(4)
    row = [0.1, 0.2, 0.3, 0.4]
    assert takes_arrays(loaded, signature, row)
    predict = predictor(loaded, signature, "array")
    return loaded, RowValidator(
        signature, frozenset(accepted_missing(predict, row)), accepts_huge(predict, row)
    )


def parity(estimator: Any) -> onnx_convert.ParityResult:
    loaded, validator = studied(estimator)
    return convert(loaded, validator, "array", [0.1, 0.2, 0.3, 0.4], None)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, CLASSES),
        make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(HOLES, CLASSES),
        RandomForestClassifier(10, random_state=1).fit(TABLE, CLASSES),
        RandomForestClassifier(10, random_state=1).fit(HOLES, CLASSES),
        RandomForestClassifier(10, random_state=1).fit(HOLES, THREE),
        RandomForestClassifier(10, random_state=1).fit(TABLE, np.where(CLASSES, "late", "on time")),
        RandomForestClassifier(10, random_state=1).fit(TABLE, CLASSES == 1),
        RandomForestRegressor(10, random_state=1).fit(TABLE, TABLE[:, 0] * 3),
        RandomForestRegressor(10, random_state=1).fit(TABLE, TABLE[:, :2]),
        DecisionTreeClassifier(random_state=1).fit(TABLE, CLASSES),
        DecisionTreeClassifier(min_samples_split=1000).fit(TABLE, CLASSES),
        LogisticRegression().fit(TABLE, np.where(CLASSES, "late", "on time")),
        SVC(random_state=1).fit(TABLE, CLASSES),
        SVR().fit(TABLE, TABLE[:, 0]),
        GradientBoostingClassifier(n_estimators=10, random_state=1).fit(TABLE, CLASSES),
        GradientBoostingRegressor(n_estimators=10, random_state=1).fit(TABLE, TABLE[:, 0]),
    ],
    ids=[
        "regression",
        "imputed",
        "forest",
        "forest with holes",
        "forest of three classes with holes",
        "forest of text",
        "forest of true and false",
        "forest regressor",
        "forest of two numbers",
        "tree",
        "tree of one leaf",
        "text classes",
        "svc",
        "svr",
        "boosting",
        "boosting regressor",
    ],
)
def test_what_onnx_repeats_is_served_by_it_missing_values_included(estimator: Any) -> None:
    found = parity(estimator)
    assert found.model, found.reason
    loaded, validator = studied(estimator)
    rows = HOLES if validator.accepts_missing else TABLE
    answers, _ = Session(found.model, found.dtype).run(rows)
    expected = loaded.predict(rows)[0]
    assert onnx_convert.differences(expected, answers, None, None, usual_size(expected)) == 0


def test_a_null_is_refused_at_the_door_where_scikit_learn_refuses_it() -> None:
    _, validator = studied(LogisticRegression().fit(TABLE, CLASSES))
    assert validator.accepts_missing == frozenset()


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (HistGradientBoostingRegressor(max_iter=5).fit(TABLE, TABLE[:, 0]), "splits are not published"),
        (make_pipeline(StandardScaler(), SVC(kernel="linear")).fit(TABLE, CLASSES), "differs on"),
        (KNeighborsClassifier(3, metric=distance).fit(TABLE, CLASSES), "not convertible"),
        (Foreign().fit(TABLE, CLASSES), "no converter for Foreign"),
    ],
    ids=["histogram boosting", "linear svc", "own metric", "own class"],
)
def test_what_onnx_does_not_repeat_is_left_to_scikit_learn_which_says_why(estimator: Any, why: str) -> None:
    found = parity(estimator)
    assert not found.model
    assert why in found.reason


def test_trees_on_derived_features_are_not_converted_since_no_row_could_prove_them() -> None:
    model = make_pipeline(PolynomialFeatures(), RandomForestClassifier(3)).fit(TABLE, CLASSES)
    assert "derived features" in parity(model).reason


@pytest.mark.parametrize("size", [1.0, 1e-9, 1e9])
def test_a_conversion_that_answers_otherwise_is_found_out_whatever_the_answers_size(
    monkeypatch: pytest.MonkeyPatch, size: float
) -> None:
    convert_another = onnx_convert.converted
    monkeypatch.setattr(
        onnx_convert,
        "converted",
        lambda estimator, width, dtype: convert_another(
            LinearRegression().fit(TABLE, size * TABLE[:, 1]), width, dtype
        ),
    )
    found = parity(LinearRegression().fit(TABLE, size * TABLE[:, 0]))
    assert not found.model
    assert "differs on" in found.reason


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_the_same_regression_in_other_units_is_converted(size: float) -> None:
    assert parity(RandomForestRegressor(5, random_state=1).fit(TABLE, size * TABLE[:, 0])).model


def test_without_the_sides_of_missing_values_a_forest_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_convert, "complete", lambda model, estimator, dtype: None)
    found = parity(RandomForestClassifier(10, random_state=1).fit(HOLES, CLASSES))
    assert not found.model
    assert "differs on" in found.reason


def test_votes_that_tie_are_counted_as_scikit_learn_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    dice = np.random.default_rng(7)
    table = dice.normal(size=(4000, 4))
    model = RandomForestClassifier(100, random_state=1).fit(
        table, (table[:, 0] + table[:, 1] > 0).astype(int)
    )
    found = parity(model)
    assert "as double" in found.reason, found.reason
    session = Session(found.model, found.dtype)
    asked = dice.normal(size=(20_000, 4))
    likely = model.predict_proba(asked)
    ties = asked[likely[:, 0] == 0.5]
    assert len(ties) > 10
    assert (session.run(ties)[0] == model.predict(ties)).all()
    assert all((session.run(row[np.newaxis])[0] == model.predict(row[np.newaxis])).all() for row in ties)


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(30, max_depth=4, random_state=1).fit(HOLES, CLASSES),
        RandomForestRegressor(30, random_state=1).fit(HOLES, TABLE[:, 0]),
        DecisionTreeClassifier(max_depth=4, random_state=1).fit(HOLES, CLASSES),
    ],
    ids=["forest", "forest regressor", "tree"],
)
def test_trees_of_one_score_answer_to_the_last_digits_on_rows_of_no_reference(estimator: Any) -> None:
    found = parity(estimator)
    assert "as double" in found.reason, found.reason
    dice = np.random.default_rng(11)
    rows = np.where(dice.random((5000, 4)) < 0.1, np.nan, dice.normal(size=(5000, 4)))
    answers, likely = Session(found.model, found.dtype).run(rows, probabilities=True)
    expected, probabilities = Loaded("sklearn", estimator, None).predict(rows, probabilities=True)
    np.testing.assert_allclose(answers, expected, rtol=1e-15, atol=1e-15)
    if probabilities is not None:
        np.testing.assert_allclose(likely, probabilities, rtol=1e-15, atol=1e-15)


def test_most_rows_of_a_split_go_where_onnx_runtime_finds_the_next_node_beside_it() -> None:
    model = RandomForestClassifier(3, random_state=1).fit(TABLE, CLASSES)
    node = to_onnx(model, TABLE.astype(np.float32), options={"zipmap": False}).graph.node[0]
    before = trees.read(node, trees.trees_of(model))
    assert before is not None
    after = trees.flipped(before, 4)
    split = ~after.leaf
    assert (before.samples[before.yes] > before.samples[before.no])[split].any()
    assert (after.samples[after.no] >= after.samples[after.yes])[split].all()


def test_the_reference_rows_hold_every_threshold_and_its_neighbours() -> None:
    estimator = RandomForestClassifier(3, random_state=1).fit(TABLE, CLASSES)
    _, validator = studied(estimator)
    rows = reference_rows(estimator, validator, [0.0] * 4)
    for tree in estimator.estimators_:
        inner = tree.tree_.feature >= 0
        for feature, cut in zip(tree.tree_.feature[inner], tree.tree_.threshold[inner], strict=True):
            near = {cut, np.nextafter(cut, np.inf), np.nextafter(cut, -np.inf)}
            assert near <= set(rows[:, feature])
    assert np.isnan(rows).any(axis=0).all()
    assert np.array_equal(rows, reference_rows(estimator, validator, [0.0] * 4), equal_nan=True)
