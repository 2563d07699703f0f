"""Ready means that a row was answered. A model that can never answer is rejected at its start.

Zeros may be refused for their values; a missing `predict`, another number of features, other names or types
are never the zeros' fault.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.manifold import TSNE
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from asking import PROTOCOLS, answers_of, equal, kept, refused_start, rows_of, served
from driftlead_formats.exit_codes import BLAMES_MODEL, ExitCode
from neighbours.models import saved

cloudpickle.register_pickle_by_value(sys.modules[__name__])
X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
Y = (X.a > 0).astype(int)
HERE = os.getpid()  # travels with the pickled function
REASONS = {code.reason for code in BLAMES_MODEL}


def by_name(front: Any, *names: str) -> Any:
    return ColumnTransformer([("n", front, list(names))])


def signed(table: Any) -> Any:
    return mlflow.models.infer_signature(table)


NEVER: dict[str, tuple[Callable[[], Any], Any]] = {
    # no `predict` at all: mlflow#2837 and its kin
    "PCA": (lambda: PCA(2).fit(X), None),
    "DBSCAN": (lambda: DBSCAN().fit(X), None),
    "agglomerative": (lambda: AgglomerativeClustering(2).fit(X), None),
    "a scaler": (lambda: StandardScaler().fit(X), signed(X)),
    "t-SNE": (lambda: TSNE(perplexity=5).fit(X), signed(X)),
    "a pipeline of transformers": (lambda: make_pipeline(StandardScaler(), PCA(2)).fit(X), signed(X)),
    "a selection of features": (lambda: SelectKBest(k=2).fit(X, Y), signed(X)),
    "outliers without novelty": (lambda: LocalOutlierFactor().fit(X), signed(X)),
    "a pipeline without a predicting end": (
        lambda: make_pipeline(StandardScaler(), LocalOutlierFactor()).fit(X), signed(X),
    ),
    "one column more than the model": (lambda: LogisticRegression().fit(X[["a", "b"]], Y), signed(X)),
    "one column less": (lambda: LogisticRegression().fit(X, Y), signed(X[["a", "b"]])),
    "arrays of another width": (
        lambda: LogisticRegression().fit(X.to_numpy(), Y), signed(X[["a", "b"]].to_numpy()),
    ),
    "other names": (
        lambda: make_pipeline(by_name(StandardScaler(), "a", "b"), LogisticRegression()).fit(X, Y),
        signed(X.rename(columns={"a": "A"})),
    ),
    "names that are missing": (
        lambda: make_pipeline(FunctionTransformer(lambda t: t[["a", "b"]]), LinearRegression()).fit(X, Y),
        signed(X[["a", "c"]]),
    ),
    "text where numbers were": (
        lambda: LogisticRegression().fit(X, Y), signed(X.astype({"a": str})),
    ),
    "not fitted": (LogisticRegression, signed(X)),
    "a transformer that is not fitted": (
        lambda: make_pipeline(StandardScaler(), LogisticRegression()), signed(X),
    ),
    "what raises whatever comes": (
        lambda: make_pipeline(FunctionTransformer(broken), LogisticRegression()).fit(X, Y), signed(X),
    ),
}  # fmt: skip


def broken(table: Any) -> Any:
    """Fails wherever it runs but here."""
    if os.getpid() != HERE:
        raise AttributeError("the lookup table is on another machine")
    return table


@pytest.mark.parametrize("case", NEVER)
def test_what_can_never_answer_is_rejected_without_an_example(
    case: str, python: Path, tmp_path: Path
) -> None:
    make, signature = NEVER[case]
    folder = kept(tmp_path / "m", make(), X, input_example=None, signature=signature)
    reason, message = refused_start(folder, tmp_path, python)
    assert reason in REASONS, message
    assert len(message) > 20


@pytest.mark.parametrize("case", ["PCA", "one column more than the model", "other names", "not fitted"])
def test_and_with_an_example(case: str, python: Path, tmp_path: Path) -> None:
    make, signature = NEVER[case]
    folder = kept(tmp_path / "m", make(), X, input_example=None, signature=signature or signed(X))
    example = {"columns": list(X), "data": X.head(1).to_numpy().tolist()}
    (folder / "serving_input_example.json").write_text(json.dumps({"dataframe_split": example}))
    reason, message = refused_start(folder, tmp_path, python)
    assert reason in REASONS, message


def test_zeros_that_are_refused_for_their_values_do_not_reject_a_model(python: Path, tmp_path: Path) -> None:
    """Text that the encoder never saw: the next request may be fine."""
    table = pd.DataFrame({"kind": ["x", "y"] * 20, "n": np.arange(40.0)})
    model = make_pipeline(ColumnTransformer([("k", OneHotEncoder(), ["kind"])]), LogisticRegression())
    model.fit(table, [0, 1] * 20)
    folder = kept(tmp_path / "m", model, table, input_example=None)
    with served(folder, python, list(table)) as client:
        assert PROTOCOLS["predict"](client, rows_of(table.head(2))) == [0, 1]


def test_numbers_that_refuse_zeros_do_not_reject_a_model(python: Path, tmp_path: Path) -> None:
    table = X.abs() + 1
    model = make_pipeline(FunctionTransformer(inverse), LinearRegression()).fit(table, Y)
    folder = kept(tmp_path / "m", model, table, input_example=None)
    with served(folder, python, list(table)) as client:
        assert equal(PROTOCOLS["predict"](client, rows_of(table.head(2))), answers_of(model, table.head(2)))


def inverse(table: Any) -> Any:
    """Zero has none: infinity, which the regression refuses."""
    return 1 / np.asarray(table)


@pytest.mark.parametrize(
    "query", ["/readyz", "/v2/health/ready", "/ping", "/v1/models/Field", "/v2/models/Field/ready"]
)
def test_ready_in_every_protocols_words_after_a_row_was_answered(query: str, ready_client: Any) -> None:
    status, _ = ready_client.server.ask(query)
    assert status == 200
    assert PROTOCOLS["predict"](ready_client, [[1, 2, 3]])


@pytest.fixture(scope="module")
def ready_client(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = saved(tmp_path_factory.mktemp("m") / "m", LogisticRegression().fit(X, Y), X)
    with served(folder, python, list(X)) as client:
        yield client


def test_an_estimator_without_signature_or_width_is_rejected_with_what_to_do(
    python: Path, tmp_path: Path
) -> None:
    model = make_pipeline(FunctionTransformer(inverse, validate=False))
    folder = kept(tmp_path / "m", model, X, input_example=None, signature=None)
    reason, message = refused_start(folder, tmp_path, python)
    assert reason in {ExitCode.SIGNATURE_MISSING.reason, ExitCode.SMOKE_FAILED.reason}
    assert "signature" in message or "predict" in message
