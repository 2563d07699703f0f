"""A value reaches the model as training held it: missing text, whole numbers, large ones, float32, truth.

Each case is a pipeline that tells apart what JSON does not. Every protocol must give `predict` of a frame
with the training's types, alone, beside other rows, and beside another client's rows.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, TargetEncoder
from sklearn.tree import DecisionTreeClassifier

from asking import (
    PROTOCOLS,
    Client,
    Refusal,
    answers_of,
    at_once,
    equal,
    kept,
    rows_of,
    served,
    wrong_protocols,
)

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the server cannot import this file
ROWS = 60


@dataclass(frozen=True)
class Case:
    """A fitted estimator, a frame of the training's types to ask it, and what others may send meanwhile.

    `sent`: the JSON rows of `asked`, where they are not simply its values.
    """

    estimator: Any
    asked: Any
    trained: Any
    others: list[list[Any]] = field(default_factory=list)
    sent: list[list[Any]] | None = None
    example: bool = True

    @property
    def names(self) -> list[str] | None:
        return list(self.trained.columns) if isinstance(self.trained, pd.DataFrame) else None

    @property
    def rows(self) -> list[list[Any]]:
        return rows_of(self.asked) if self.sent is None else self.sent


def encoded(encoder: Any, *columns: str) -> Any:
    """The encoder on these columns, and a tree behind it."""
    return make_pipeline(ColumnTransformer([("c", encoder, list(columns))]), DecisionTreeClassifier())


def texts(table: Any) -> Any:
    """Whatever a table holds, as text."""
    return np.asarray(table, dtype=object).astype(str)


def plain_texts(table: Any) -> Any:
    """The same by numpy's own way, in which an array of integers and one of floats read differently."""
    return np.asarray(table).astype(str)


AS_TEXT = (FunctionTransformer(plain_texts), OneHotEncoder(handle_unknown="ignore"))


def plans(missing: Any = np.nan, dtype: Any = None) -> pd.DataFrame:
    """A text column of which a third is missing, and a number."""
    plan = pd.Series(["a", "b", missing] * (ROWS // 3), dtype=dtype)
    return pd.DataFrame({"plan": plan, "n": np.arange(float(ROWS))})


Y = [0, 0, 1] * (ROWS // 3)  # who has no plan is 1


def missing_text(encoder: Any, *, missing: Any = np.nan, dtype: Any = None, example: bool = True) -> Case:
    """Whoever has no plan is another class; asked are all three."""
    table = plans(missing, dtype)
    return Case(encoded(encoder, "plan").fit(table, Y), table.iloc[[2, 0, 1]], table, example=example)


def zips() -> pd.DataFrame:
    """Whole numbers that are names, and numbers that are not."""
    dice = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "zip": np.array([94110, 10001, 60601, 73301])[dice.integers(0, 4, 120)],
            "k": dice.integers(0, 3, 120),
        }
    )


def far_west(table: pd.DataFrame) -> Any:
    return np.isin(table["zip"], [94110, 60601]).astype(int)


def whole_numbers_as_text(dtype: str = "int64") -> Case:
    table = zips().astype(dtype)
    y = far_west(table)
    model = make_pipeline(*AS_TEXT, LogisticRegression()).fit(table, y)
    # The example is of one class alone, whatever its numbers: a probe of the example proves nothing.
    trained = table[y == 1]
    return Case(model, table.head(12), trained, others=[[None, 1], [94110.0, None]])


def one_column_as_text() -> Case:
    """As another client's null would make it: 94110.0."""
    table = pd.DataFrame({"zip": np.array([94110, 10001, 60601, 73301] * 20), "z": np.arange(80)})
    model = make_pipeline(
        ColumnTransformer([("c", make_pipeline(*AS_TEXT), ["zip"])]), LogisticRegression(C=100)
    ).fit(table, [1, 0, 0, 0] * 20)
    return Case(model, table.head(4), table, others=[[None, 1], [10001, None]])


def truth_as_text() -> Case:
    table = pd.DataFrame({"member": [True, False] * 30, "k": np.arange(ROWS) % 4})
    model = make_pipeline(*AS_TEXT, LogisticRegression(C=100)).fit(table, table["member"].astype(int))
    return Case(model, table.head(4), table, others=[[None, 1]])


def truth_written_as_numbers() -> Case:
    case = truth_as_text()
    sent = [[int(row[0]), row[1]] for row in rows_of(case.asked)]
    return Case(case.estimator, case.asked, case.trained, sent=sent)


def whole_numbers_written_as_fractions() -> Case:
    case = one_column_as_text()
    sent = [[float(value) for value in row] for row in rows_of(case.asked)]
    return Case(case.estimator, case.asked, case.trained, sent=sent)


def fractions_written_as_whole_numbers() -> Case:
    table = pd.DataFrame({"x": [1.0, 2.0, 2.5, 3.0] * 15, "y": np.arange(60.0)})
    model = make_pipeline(
        ColumnTransformer([("c", make_pipeline(*AS_TEXT), ["x"])]), LogisticRegression(C=100)
    ).fit(table, [1, 0, 1, 0] * 15)
    sent = [[1, 0], [2, 1], [2.5, 2], [3, 3]]
    return Case(model, table.head(4), table, sent=sent)


THIRDS = (1 / 3, 2 / 3, 4 / 3, 5 / 3)


def singles_as_text() -> Case:
    """float32 columns, in which a third is written with eight digits."""
    table = pd.DataFrame({"x": np.float32([*THIRDS] * 15), "y": np.float32(np.arange(60))})
    model = make_pipeline(
        ColumnTransformer([("c", make_pipeline(*AS_TEXT), ["x"])]), LogisticRegression(C=100)
    ).fit(table, [1, 0, 1, 0] * 15)
    sent = [[value, at] for at, value in enumerate(THIRDS)]
    return Case(model, table.head(4), table, sent=sent)


def probabilities_alone_differ() -> Case:
    """The label is the same for every row; only probabilities tell whether whole numbers stayed whole."""
    table = zips()
    y = (np.arange(120) % 7 == 0) & (table["zip"] == 94110)
    model = make_pipeline(*AS_TEXT, LogisticRegression()).fit(table, y.astype(int))
    return Case(model, table.head(12), table)


FIRST = 2**53


def large(values: list[int], estimator: Any = None) -> Case:
    """Identifiers that differ in their last digits alone."""
    table = pd.DataFrame({"user": np.array(values * 10), "k": np.arange(10 * len(values))})
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = estimator or make_pipeline(ColumnTransformer([("u", encoder, ["user"])]), LogisticRegression())
    return Case(
        model.fit(table, [1, 0] * (5 * len(values))), table.head(len(values)), table, others=[[1, None]]
    )


def last_digit(table: Any) -> Any:
    return np.asarray(table)[:, :1].astype("int64") % 2


def large_in_arrays() -> Case:
    """A tensor of int64 without names."""
    table = np.stack([np.array([FIRST + 1, FIRST, FIRST + 3, FIRST + 2] * 10), np.arange(40)], axis=1)
    model = make_pipeline(FunctionTransformer(last_digit), LogisticRegression(C=100)).fit(table, [1, 0] * 20)
    return Case(model, table[:4], table)


def singles_in_arrays() -> Case:
    """A tensor of float32 without names."""
    sent = [[value, at] for at, value in enumerate(THIRDS)]
    table = np.float32(sent * 10)
    model = make_pipeline(*AS_TEXT, LogisticRegression(C=100)).fit(table, [1, 0] * 20)
    return Case(model, table[:4], table, sent=sent)


DOCUMENTS = ["good great fine", "bad awful", "great", "awful bad bad", "fine good", "poor bad"]


def documents(vectorizer: Any) -> Case:
    """Fitted on a Series of texts, which is how text is usually fitted."""
    column = pd.Series(DOCUMENTS, name="text")
    model = make_pipeline(vectorizer, LogisticRegression(C=10)).fit(column, [1, 0, 1, 0, 1, 0])
    return Case(OnSeries(model), column.head(4).to_frame(), column.to_frame(), others=[["poor"], ["great"]])


class OnSeries:
    """Asks a pipeline of texts as it was fitted; `inner` is what is saved."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def predict(self, table: pd.DataFrame) -> Any:
        return self.inner.predict(table["text"])

    def predict_proba(self, table: pd.DataFrame) -> Any:
        return self.inner.predict_proba(table["text"])


def documents_in_a_column() -> Case:
    """The same by a column transformer, beside a number."""
    table = pd.DataFrame({"text": DOCUMENTS * 5, "n": np.arange(30.0)})
    model = make_pipeline(ColumnTransformer([("t", TfidfVectorizer(), "text")]), LogisticRegression())
    return Case(model.fit(table, [1, 0, 1, 0, 1, 0] * 5), table.head(5), table)


def gaps_of_both_kinds() -> Case:
    """One text column holds NaN where nothing is, the other None."""
    table = pd.DataFrame(
        {
            "a": pd.Series(["x", "y", np.nan] * 20),
            "b": pd.Series(["x", "y", "x", None] * 15, dtype=object),
        }
    )
    y = table["a"].isna().astype(int) + 2 * table["b"].isna().astype(int)
    model = encoded(OneHotEncoder(handle_unknown="ignore"), "a", "b").fit(table, y)
    return Case(model, table.iloc[[2, 3, 0, 11]], table)


def objects_with_gaps(values: list[Any], encoder: Any) -> Case:
    """A column of objects: read_csv makes one of truth values with a gap."""
    table = pd.DataFrame(
        {"member": pd.Series(values * (ROWS // 3), dtype=object), "n": np.arange(float(ROWS))}
    )
    model = encoded(encoder, "member").fit(table, Y)
    return Case(model, table.iloc[[2, 0, 1]], table, others=[[None, 1], [values[0], 1]])


def numbers_with_gaps() -> Case:
    """An integer column that had gaps in training is float64 there, and its whole numbers read so."""
    table = pd.DataFrame({"zip": [94110, np.nan, 60601, 73301] * 15, "k": np.arange(60)})
    model = make_pipeline(
        ColumnTransformer([("c", make_pipeline(*AS_TEXT), ["zip"])]), LogisticRegression(C=100)
    ).fit(table, [1, 1, 0, 0] * 15)
    return Case(model, table.head(4), table, sent=[[94110, 0], [None, 1], [60601, 2], [73301, 3]])


def nulls_that_trees_take() -> Case:
    """Null in an integer column of a model that takes them; whole numbers beside it stay what they are."""
    table = zips()
    model = HistGradientBoostingClassifier(max_iter=5).fit(table, far_west(table))
    return Case(model, table.head(4), table, others=[[None, None]])


def neighbours_by_distance() -> Case:
    """Numbers alone, to be given as an array: the usual case must not suffer."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 3)), columns=["a", "b", "c"])
    return Case(KNeighborsClassifier(3).fit(table, Y), table.head(8), table)


unknown = partial(OrdinalEncoder, handle_unknown="use_encoded_value", unknown_value=-1)
CASES: dict[str, Callable[[], Case]] = {
    # scikit-learn keeps None and NaN apart: scikit-learn#16702, #22867
    "missing text, one hot": lambda: missing_text(OneHotEncoder(handle_unknown="ignore")),
    "missing text, no example": lambda: missing_text(OneHotEncoder(handle_unknown="ignore"), example=False),
    "missing text, ordinal": lambda: missing_text(unknown(encoded_missing_value=-2)),
    "missing text, imputed": lambda: missing_text(
        make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), unknown())
    ),
    "missing text, by target": lambda: missing_text(TargetEncoder(smooth=1.0, random_state=0)),
    "missing text, written out": lambda: missing_text(make_pipeline(FunctionTransformer(texts), unknown())),
    "missing text, object": lambda: missing_text(unknown(), dtype=object),
    "missing text, None": lambda: missing_text(unknown(), missing=None, dtype=object),
    "missing text, None imputed": lambda: missing_text(
        make_pipeline(SimpleImputer(missing_values=None, strategy="constant", fill_value="none"), unknown()),
        missing=None,
        dtype=object,
    ),
    "missing text, both kinds": gaps_of_both_kinds,
    "neighbours, one column as text": one_column_as_text,
    "whole numbers as text": whole_numbers_as_text,
    "whole numbers as text, int32": lambda: whole_numbers_as_text("int32"),
    "whole numbers written as fractions": whole_numbers_written_as_fractions,
    "whole numbers with gaps": numbers_with_gaps,
    # scikit-learn#16702: objects with None or NaN among them are told apart from float64 with NaN
    "truth with NaN, one hot": lambda: objects_with_gaps(
        [True, False, np.nan], OneHotEncoder(handle_unknown="ignore")
    ),
    "truth with None, one hot": lambda: objects_with_gaps([True, False, None], OneHotEncoder()),
    "truth with None, ordinal": lambda: objects_with_gaps(
        [True, False, None], unknown(encoded_missing_value=-2)
    ),
    "numbers with None, one hot": lambda: objects_with_gaps([1, 2, None], OneHotEncoder()),
    "fractions with None, ordinal": lambda: objects_with_gaps([1.5, 2.0, None], unknown()),
    "fractions written as whole numbers": fractions_written_as_whole_numbers,
    "truth as text": truth_as_text,
    "truth written as numbers": truth_written_as_numbers,
    "float32 as text": singles_as_text,
    "float32 in arrays": singles_in_arrays,
    "probabilities alone": probabilities_alone_differ,
    "large integers": lambda: large([FIRST + 1, FIRST, FIRST + 3, FIRST + 2]),
    "large integers, negative": lambda: large([-FIRST - 1, -FIRST, -FIRST - 3, -FIRST - 2]),
    "large integers, near the end": lambda: large([2**63 - 1, 2**63 - 2, 2**63 - 3, 2**63 - 4]),
    "large integers, last digit": lambda: large(
        [FIRST + 1, FIRST, FIRST + 3, FIRST + 2],
        make_pipeline(FunctionTransformer(last_digit), LogisticRegression(C=100)),
    ),
    "large integers, in arrays": large_in_arrays,
    # Series or frame: mlflow#5474, scikit-learn#11370
    "documents, tfidf": lambda: documents(TfidfVectorizer()),
    "documents, counted": lambda: documents(CountVectorizer()),
    "documents, hashed": lambda: documents(HashingVectorizer(n_features=64)),
    "documents in a column": documents_in_a_column,
    "nulls that trees take": nulls_that_trees_take,
    "numbers alone": neighbours_by_distance,
}


@pytest.fixture(scope="module", params=CASES)
def asked(
    request: pytest.FixtureRequest, python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Case, Client]]:
    """One server a case, for all protocols."""
    case = CASES[request.param]()
    options: dict[str, Any] = {} if case.example else {"input_example": None}
    inner = getattr(case.estimator, "inner", case.estimator)
    if inner is not case.estimator:
        options["signature"] = signature_of(case)
    folder = kept(tmp_path_factory.mktemp("model") / "m", inner, case.trained, **options)
    with served(folder, python, case.names) as client:
        yield case, client


def signature_of(case: Case) -> Any:
    return mlflow.models.infer_signature(case.trained, case.estimator.predict(case.trained))


def test_every_protocol_gives_the_estimators_answers(asked: tuple[Case, Client]) -> None:
    case, client = asked
    wanted = answers_of(case.estimator, case.asked)
    assert wrong_protocols(client, case.rows, wanted) == {}, wanted


def test_probabilities_are_the_estimators(asked: tuple[Case, Client]) -> None:
    case, client = asked
    wanted = case.estimator.predict_proba(case.asked)
    for row, likely in zip(case.rows, wanted.tolist(), strict=True):
        said = client.post("/predict?probabilities=true", {"features": row})
        assert np.allclose(said["probabilities"], likely, atol=1e-6), (row, said, likely)


def test_another_clients_row_changes_nothing(asked: tuple[Case, Client]) -> None:
    case, client = asked
    if not case.others:
        pytest.skip("does not apply: no other row is of interest")
    wanted = answers_of(case.estimator, case.asked)
    for other in case.others * 3:
        seen = at_once(client.server, other, *case.rows[:4], other)[1:-1]
        assert equal(seen, wanted[:4]), (other, seen, wanted)


def test_a_row_of_the_same_request_changes_nothing(asked: tuple[Case, Client]) -> None:
    case, client = asked
    if not case.others:
        pytest.skip("does not apply: no other row is of interest")
    wanted = answers_of(case.estimator, case.asked)
    for other in case.others:
        try:
            seen = PROTOCOLS["predict"](client, [other, *case.rows])[1:]
        except Refusal as refusal:  # the model itself may refuse a null, by name, and then the whole request
            assert refusal.status == 422, refusal
            continue
        assert equal(seen, wanted), (other, seen, wanted)


def test_an_example_with_a_gap_is_an_example(python: Path, tmp_path: Path) -> None:
    """MLflow writes NaN into the example's JSON, which is none; zeros in its place prove less."""
    table = plans().iloc[[2, 0, 1]]
    model = encoded(OneHotEncoder(), "plan").fit(table, [1, 0, 0])  # it refuses the empty text
    with served(kept(tmp_path / "m", model, table, input_example=table), python, list(table)) as client:
        assert client.server.ask("/health")[1]["warnings"] == []
        assert PROTOCOLS["predict"](client, rows_of(table)) == [1, 0, 0]


def test_a_number_with_a_gap_in_the_example_is_an_example(python: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [np.nan, 1.0, 2.0], "kind": ["x", "y", "x"]})
    model = make_pipeline(
        ColumnTransformer([("a", SimpleImputer(), ["a"]), ("k", OneHotEncoder(), ["kind"])]),
        LinearRegression(),
    ).fit(table, [1.0, 2.0, 3.0])
    with served(kept(tmp_path / "m", model, table, input_example=table), python, list(table)) as client:
        assert client.server.ask("/health")[1]["warnings"] == []
        assert equal(PROTOCOLS["predict"](client, rows_of(table)), answers_of(model, table))
