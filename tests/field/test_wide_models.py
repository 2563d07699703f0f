"""What a start costs is bounded by cells, rows times features, whatever the model's width, trees, thresholds,
classes or outputs: what is too wide to be verified within the bound is served by scikit-learn, which says so.

Counted are cells and allocated bytes, not seconds.
"""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from asking import PROTOCOLS, equal
from driftlead_inference.engines.onnx import convert, reference
from driftlead_inference.engines.onnx.engine import Session
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.prepare.probing import accepted_missing, accepts_huge, predictor
from driftlead_inference.rows.signature import unnamed
from driftlead_inference.rows.validation import RowValidator
from hosting import hosted
from neighbours.models import saved

MB = 1024**2
AT_ONCE = 1_000_000  # cells that any engine is asked at once
IN_ALL = 60_000_000  # cells of one start: probes of nulls and of huge numbers, reference rows for two engines


def table(width: int, rows: int = 80) -> Any:
    return np.random.default_rng(0).normal(size=(rows, width))


def forest(width: int, trees: int = 20, rows: int = 80, **options: Any) -> Any:
    x = table(width, rows)
    return RandomForestClassifier(trees, random_state=0, **options).fit(x, x[:, 7] > 0)


def many_classes(count: int) -> Any:
    x = table(8, 2 * count)
    return GaussianNB().fit(x, np.arange(2 * count) % count)


def many_outputs(count: int) -> Any:
    x = table(8)
    return LinearRegression().fit(x, np.repeat(x[:, :1], count, axis=1))


def many_thresholds(trees: int, rows: int) -> Any:
    x = table(10, rows)
    noise = np.random.default_rng(1).normal(size=rows)
    return ExtraTreesClassifier(trees, random_state=0).fit(x, x[:, 0] + noise > 0)


CONVERTED: dict[str, Callable[[], Any]] = {
    "200 features": lambda: forest(200),
    "500 features": lambda: forest(500),
    "2,000 features": lambda: forest(2000),
    "2,000 features in a regression": lambda: LinearRegression().fit(table(2000), table(1)[:, 0]),
    "3,000 features without nulls": lambda: LogisticRegression().fit(table(3000), table(1)[:, 0] > 0),
    "many thresholds": lambda: many_thresholds(10, 2000),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=50).fit(table(300), table(1)[:, 0]),
    "300 classes": lambda: many_classes(300),
    "500 outputs": lambda: many_outputs(500),
    "two outputs of a forest": lambda: RandomForestRegressor(10).fit(table(200), table(2)),
    "neighbours": lambda: KNeighborsClassifier(3).fit(table(20, 5000), table(1, 5000)[:, 0] > 0),
    "a kernel": lambda: KernelRidge(kernel="rbf").fit(table(20, 1000), table(1, 1000)[:, 0]),
    "products of features": lambda: make_pipeline(
        PolynomialFeatures(2), StandardScaler(), LogisticRegression()
    ).fit(table(100), table(1)[:, 0] > 0),
}  # fmt: skip
NOT_CONVERTED: dict[str, tuple[Callable[[], Any], str]] = {
    "5,000 features": (lambda: forest(5000), "too wide to verify"),
    "20,000 features": (lambda: forest(20_000, 5), "too wide to verify"),
    "20,000 features without nulls": (
        lambda: LogisticRegression().fit(table(20_000), table(1)[:, 0] > 0), "too wide to verify",
    ),
    "products of many features": (
        lambda: make_pipeline(PolynomialFeatures(2), LogisticRegression()).fit(
            table(300), table(1)[:, 0] > 0
        ),
        "too wide to verify",
    ),
    "20,000 outputs": (lambda: many_outputs(20_000), "too wide to verify"),
    "many nodes": (lambda: many_thresholds(60, 20_000), "nodes"),
}  # fmt: skip


@dataclass
class Counts:
    """The cells of every question to the estimator and to ONNX Runtime."""

    asked: list[int] = field(default_factory=list)

    def of(self, rows: int, width: int, *answers: Any) -> None:
        sizes = [each.size // rows for each in answers if each is not None]
        self.asked.append(rows * max(width, *sizes))


def counted(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Counts from here on."""
    counts = Counts()
    predict, run = Loaded.predict, Session.run

    def predicts(self: Loaded, data: Any, probabilities: bool = False) -> Any:
        found = predict(self, data, probabilities)
        counts.of(*data.shape, *found)
        return found

    def runs(self: Session, matrix: Any, *, probabilities: bool = False) -> Any:
        found = run(self, matrix, probabilities=probabilities)
        counts.of(*matrix.shape, *found)
        return found

    monkeypatch.setattr(Loaded, "predict", predicts)
    monkeypatch.setattr(Session, "run", runs)
    monkeypatch.setattr(convert, "race", lambda *_: (True, 0.0, 0.0))
    return counts


def started(estimator: Any) -> convert.ParityResult:
    """What a start finds out about an estimator: nulls, huge numbers, whether ONNX Runtime may serve."""
    width = estimator.n_features_in_
    loaded, row = Loaded("sklearn", estimator, None), [0.0] * width
    predict = predictor(loaded, unnamed(width), "array")
    validator = RowValidator(
        unnamed(width), frozenset(accepted_missing(predict, row)), accepts_huge(predict, row)
    )
    return convert.convert(loaded, validator, "array", row, None)


def cost(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any]) -> tuple[convert.ParityResult, int]:
    """What was found out, and the most bytes that were allocated for it; checks the cells."""
    estimator = make()
    started(forest(10, 1))  # imports the converter
    counts = counted(monkeypatch)
    tracemalloc.start()
    try:
        found = started(estimator)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(counts.asked) <= AT_ONCE, found.reason
    assert sum(counts.asked) <= IN_ALL, found.reason
    return found, peak


@pytest.mark.parametrize("case", CONVERTED)
def test_what_is_verified_is_verified_within_the_bound(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, peak = cost(monkeypatch, CONVERTED[case])
    assert peak < 350 * MB, f"{peak // MB} MB: {found.reason}"
    assert "too wide" not in found.reason, found.reason


@pytest.mark.parametrize("case", NOT_CONVERTED)
def test_what_is_too_large_is_left_to_scikit_learn_at_little_cost(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, words = NOT_CONVERTED[case]
    found, peak = cost(monkeypatch, make)
    assert not found.model
    assert words in found.reason, found.reason
    assert peak < 150 * MB, f"{peak // MB} MB: {found.reason}"


@pytest.mark.parametrize("width", [10, 200, 2000])
def test_each_threshold_and_each_null_stands_in_some_row_whatever_the_width(width: int) -> None:
    estimator = forest(width, 10)
    validator = RowValidator(unnamed(width), frozenset(range(width)))
    rows = reference.reference_rows(estimator, validator, [0.0] * width)
    assert rows.size <= reference.MOST_CELLS
    for tree in estimator.estimators_:
        inner = tree.tree_.feature >= 0
        for at, cut in zip(tree.tree_.feature[inner], tree.tree_.threshold[inner], strict=True):
            assert {cut, np.nextafter(cut, np.inf), np.nextafter(cut, -np.inf)} <= set(rows[:, at])
    alone = rows[np.isnan(rows).sum(axis=1) == 1]
    assert np.isnan(alone).any(axis=0).all()


def test_a_wide_model_without_a_file_of_its_own_says_why_and_answers(tmp_path: Path) -> None:
    estimator, x = forest(5000), table(5000)
    with hosted(saved(tmp_path / "m", estimator, x), tmp_path / "home", onnx="auto") as client:
        health = client.server.ask("/health")[1]
        assert health["engine"] == "sklearn"
        assert "too wide to verify" in health["engine_reason"]
        rows = [[None, *x[0][1:].tolist()], x[1].tolist()]
        asked = np.array(rows, dtype=float)
        for name in ("predict", "v1", "split", "v2-json"):
            assert equal(PROTOCOLS[name](client, rows), estimator.predict(asked).tolist())


def test_a_forest_of_500_features_is_served_by_onnx_runtime(tmp_path: Path) -> None:
    estimator, x = forest(500), table(500)
    with hosted(saved(tmp_path / "m", estimator, x), tmp_path / "home", onnx="auto") as client:
        assert client.server.ask("/health")[1]["engine"] == "onnx"
        assert equal(PROTOCOLS["predict"](client, x[:20].tolist()), estimator.predict(x[:20]).tolist())
