"""An answer that has not exactly one entry for each row, or that another row decides, is never served.

What somebody wrote for MLflow may give anything. Where MLflow's own scoring server makes rows of it, so do
we; where there are no rows, the start is refused with the numbers of rows and of answers. A model whose
count is wrong only for some requests refuses those.
"""

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
from sklearn.base import BaseEstimator, ClassifierMixin

from asking import PROTOCOLS, Refusal, at_once, equal, kept, refused_start, served, wrong_protocols
from driftlead_formats.exit_codes import ExitCode

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the server cannot import this file
TABLE = pd.DataFrame(np.arange(6.0).reshape(2, 3), columns=list("abc"))
Given = Callable[[pd.DataFrame], Any]


class Written(mlflow.pyfunc.PythonModel):
    """Somebody's Python: gives whatever `give` makes of the rows."""

    def __init__(self, give: Given) -> None:
        self.give = give

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return self.give(model_input)


def score(table: pd.DataFrame) -> Any:
    return np.asarray(table)[:, 0].astype(float)


def numbers(table: pd.DataFrame) -> list[float]:
    return [float(value) for value in score(table)]


# Right answers in forms that are not arrays; what each row's answer is for [7, 0, 0] and [1, 0, 0].
ROW_BY_ROW: dict[str, tuple[Given, list[Any]]] = {
    "a list": (numbers, [7.0, 1.0]),
    "a tuple": (lambda table: tuple(numbers(table)), [7.0, 1.0]),
    "a Series with another index": (lambda t: pd.Series(numbers(t), index=range(5, 5 + len(t))), [7.0, 1.0]),
    "a frame of one column": (lambda table: pd.DataFrame({"score": numbers(table)}), [7.0, 1.0]),
    # mlflow#4897: a dict of columns is a table to MLflow's scoring server
    "a dict of columns": (
        lambda t: {"score": numbers(t), "half": [value / 2 for value in numbers(t)]},
        [[7.0, 3.5], [1.0, 0.5]],
    ),
    "a dict of one column": (lambda table: {"score": numbers(table)}, [7.0, 1.0]),
    "a dict of arrays": (lambda t: {"score": score(t), "half": score(t) / 2}, [[7.0, 3.5], [1.0, 0.5]]),
    "a dict with text": (
        lambda t: {"label": ["x" if value > 3 else "y" for value in score(t)], "score": numbers(t)},
        [["x", 7.0], ["y", 1.0]],
    ),
    "a frame with text": (
        lambda t: pd.DataFrame({"label": np.where(score(t) > 3, "x", "y"), "score": score(t)}),
        [["x", 7.0], ["y", 1.0]],
    ),
    # numpy's numbers within, as any model computes them: mlflow#10026
    "a list of dicts": (
        lambda t: [{"label": "x" if value > 3 else "y", "score": value} for value in score(t)],
        [{"label": "x", "score": 7.0}, {"label": "y", "score": 1.0}],
    ),
    "times": (
        lambda t: np.datetime64("2026-01-01", "ns") + score(t).astype("timedelta64[D]"),
        ["2026-01-08T00:00:00.000000000", "2026-01-02T00:00:00.000000000"],
    ),
    "lists of lists": (lambda t: [[value, value / 2] for value in numbers(t)], [[7.0, 3.5], [1.0, 0.5]]),
    "a column": (lambda table: score(table).reshape(-1, 1), [7.0, 1.0]),
    "numpy's numbers": (lambda table: list(score(table)), [7.0, 1.0]),
}
# No entry a row, whatever is asked, or no entries at all.
NEVER: dict[str, Given] = {
    "one number": lambda table: float(score(table).sum()),
    "numpy's one number": lambda table: score(table).sum(),
    "one text": lambda table: "fine",
    "nothing": lambda table: None,
    "an empty list": lambda table: [],
    "one for all rows": lambda table: [float(score(table).mean())],
    "one too many": lambda table: [*numbers(table), 0.0],
    "one too few": lambda table: numbers(table)[:-1],
    "always two": lambda table: [1.0, 2.0],
    "answers in a row": lambda table: score(table).reshape(1, -1),
    "the features' names": list,
    "a dict of totals": lambda table: {"label": "x", "score": float(score(table).sum())},
    "a dict with a short column": lambda table: {"score": [*numbers(table), 0.0], "half": numbers(table)},
    "a generator": lambda table: (value for value in numbers(table)),
    "a set": lambda table: set(numbers(table)),
    "sparse": lambda table: sparse.csr_matrix(score(table).reshape(-1, 1)),
    "complex": lambda table: score(table).astype(complex),
    "deduplicated": lambda table: sorted(set(np.asarray(table)[:, 1].tolist())),
}


def saved(folder: Path, give: Given, *, example: bool) -> Path:
    """A Python model with or without an input example."""
    options = {"input_example": TABLE[:1]} if example else {}
    mlflow.pyfunc.save_model(
        folder,
        python_model=Written(give),
        signature=infer_signature(TABLE),
        pip_requirements=["cloudpickle"],
        **options,
    )
    return folder


@pytest.mark.parametrize("form", ROW_BY_ROW)
def test_any_form_with_an_entry_a_row_is_served(form: str, python: Path, tmp_path: Path) -> None:
    give, wanted = ROW_BY_ROW[form]
    with served(saved(tmp_path / "m", give, example=False), python, list(TABLE)) as client:
        assert wrong_protocols(client, [[7, 0, 0], [1, 0, 0]], wanted) == {}
        assert equal(PROTOCOLS["predict"](client, [[7, 0, 0]]), wanted[:1])


@pytest.mark.parametrize("form", NEVER)
def test_without_an_entry_a_row_the_start_is_refused(form: str, python: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", NEVER[form], example=len(form) % 2 == 0)
    reason, message = refused_start(folder, tmp_path, python)
    assert reason == ExitCode.SMOKE_FAILED.reason, message
    assert "row" in message, message


def test_a_count_that_is_wrong_later_refuses_that_request_alone(python: Path, tmp_path: Path) -> None:
    """It leaves out what it does not like, which no probe can know."""
    folder = saved(tmp_path / "m", lambda table: [v for v in numbers(table) if v < 100], example=True)
    with served(folder, python, list(TABLE)) as client:
        assert PROTOCOLS["predict"](client, [[7, 0, 0], [1, 0, 0]]) == [7.0, 1.0]
        for rows in ([[500, 0, 0]], [[7, 0, 0], [500, 0, 0]], [[500, 0, 0], [7, 0, 0], [1, 0, 0]]):
            for name in ("predict", "v1", "v2-json", "records", "csv"):
                with pytest.raises(Refusal) as refused:
                    PROTOCOLS[name](client, rows)
                assert refused.value.status == 500  # the model's fault, which counts against a canary
                assert "row" in refused.value.said["detail"]
        assert PROTOCOLS["predict"](client, [[7, 0, 0]]) == [7.0]


def test_a_count_that_is_wrong_for_many_rows_is_refused_at_the_start(python: Path, tmp_path: Path) -> None:
    """Two rows come out right by chance, three do not."""
    folder = saved(tmp_path / "m", lambda table: numbers(table)[:2], example=True)
    reason, message = refused_start(folder, tmp_path, python)
    assert reason == ExitCode.SMOKE_FAILED.reason
    assert "3" in message
    assert "2" in message


@pytest.mark.parametrize(
    "give",
    [lambda table: [b"abc"] * len(table), lambda table: score(table).astype("timedelta64[us]")],
    ids=["bytes", "durations"],
)
def test_what_json_would_hold_as_something_else_is_refused(give: Given, python: Path, tmp_path: Path) -> None:
    """base64 and P1D, which nobody reads as what they were."""
    reason, message = refused_start(saved(tmp_path / "m", give, example=True), tmp_path, python)
    assert reason == ExitCode.SMOKE_FAILED.reason, message
    assert "JSON" in message


# Answers whose index says which row each is for: pandas' own way to keep rows and answers together.
BY_INDEX: dict[str, Given] = {
    "a sorted frame": lambda t: pd.DataFrame({"s": score(t)}, index=t.index).sort_values("s"),
    "a sorted Series": lambda t: pd.Series(score(t), index=t.index).sort_values(ascending=False),
    "the best first": lambda t: t.sort_values("a", ascending=False)["a"],
    "a dict of sorted Series": lambda t: {"s": pd.Series(score(t), index=t.index).sort_values()},
}


@pytest.mark.parametrize("form", BY_INDEX)
def test_answers_that_carry_the_rows_index_are_given_to_their_rows(
    form: str, python: Path, tmp_path: Path
) -> None:
    with served(saved(tmp_path / "m", BY_INDEX[form], example=True), python, list(TABLE)) as client:
        rows = [[7, 0, 0], [1, 0, 0], [4, 0, 0]]
        assert wrong_protocols(client, rows, [7.0, 1.0, 4.0]) == {}
        assert at_once(client.server, *rows) == [7.0, 1.0, 4.0]


# What a row is answered with is decided by its neighbours, which are other clients' rows.
BY_NEIGHBOURS: dict[str, Given] = {
    "sorted": lambda table: np.sort(score(table)),
    "sorted in place": lambda table: (table.sort_values("a", inplace=True), table["a"].tolist())[1],
    "the best first": lambda table: sorted(numbers(table), reverse=True),
    "ranks": lambda table: pd.Series(score(table)).rank().tolist(),
    "shares": lambda table: np.exp(score(table)) / np.exp(score(table)).sum(),
    "from the mean": lambda table: score(table) - score(table).mean(),
    "quantiles": lambda table: ["high" if v >= np.median(score(table)) else "low" for v in score(table)],
}


@pytest.mark.parametrize("form", BY_NEIGHBOURS)
@pytest.mark.parametrize("example", [True, False])
def test_an_answer_that_depends_on_the_rows_beside_it_is_refused_at_the_start(
    form: str, example: bool, python: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "m", BY_NEIGHBOURS[form], example=example)
    reason, message = refused_start(folder, tmp_path, python)
    assert reason == ExitCode.SMOKE_FAILED.reason, message
    assert "rows beside it" in message


def at_most_three(table: pd.DataFrame) -> Any:
    if len(table) > 3:
        raise ValueError("too many rows")
    return numbers(table)


def test_a_model_that_answers_few_rows_only_is_refused(python: Path, tmp_path: Path) -> None:
    reason, message = refused_start(saved(tmp_path / "m", at_most_three, example=True), tmp_path, python)
    assert reason == ExitCode.SMOKE_FAILED.reason
    assert "together" in message


def test_a_model_that_draws_lots_is_served(python: Path, tmp_path: Path) -> None:
    """Its answers differ from one time to the next, whatever stands beside them."""
    folder = saved(
        tmp_path / "m", lambda table: np.random.default_rng().normal(size=len(table)), example=True
    )
    with served(folder, python, list(TABLE)) as client:
        assert len(PROTOCOLS["predict"](client, [[7, 0, 0], [1, 0, 0]])) == 2


def test_equal_rows_are_two_rows(python: Path, tmp_path: Path) -> None:
    """A model that answers each different row once has too few answers."""
    folder = saved(tmp_path / "m", lambda table: table.drop_duplicates()["a"].tolist(), example=True)
    reason, message = refused_start(folder, tmp_path, python)
    assert reason == ExitCode.SMOKE_FAILED.reason, message


def test_a_masked_answer_is_no_answer(python: Path, tmp_path: Path) -> None:
    """numpy keeps a number under the mask, and gives it to whoever asks for an array."""
    folder = saved(tmp_path / "m", lambda t: np.ma.masked_array(score(t), mask=score(t) > 3), example=True)
    with served(folder, python, list(TABLE)) as client:
        assert PROTOCOLS["predict"](client, [[1, 0, 0]]) == [1.0]
        with pytest.raises(Refusal) as refused:
            PROTOCOLS["predict"](client, [[7, 0, 0]])
        assert refused.value.status == 500


class Sure(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of somebody's own, whose probabilities are whatever `give` makes of the right ones."""

    def __init__(self, give: Callable[[Any], Any]) -> None:
        self.give = give

    def fit(self, table: Any, y: Any) -> "Sure":
        self.classes_, self.fitted_ = np.unique(y), True
        return self

    def predict(self, table: Any) -> Any:
        return (score(table) > 3).astype(int)

    def predict_proba(self, table: Any) -> Any:
        return self.give(np.stack([1 - score(table) / 10, score(table) / 10], axis=1))


def broken(likely: Any) -> Any:
    raise ZeroDivisionError("no probabilities today")


WRONG_PROBABILITIES: dict[str, Callable[[Any], Any]] = {
    "one column": lambda likely: likely[:, :1],
    "a third column": lambda likely: np.c_[likely, likely[:, 0]],
    "flat": lambda likely: likely[:, 1],
    "twice as many rows": lambda likely: np.r_[likely, likely],
    "a row less": lambda likely: likely[:-1],
    "none": lambda likely: None,
    "one number": lambda likely: float(likely.sum()),
    "broken": broken,
    "broken for two rows": lambda likely: likely if len(likely) == 1 else broken(likely),
    "sorted": lambda likely: np.sort(likely, axis=0),
}


@pytest.mark.parametrize("form", WRONG_PROBABILITIES)
@pytest.mark.parametrize("example", [True, False])
def test_probabilities_are_counted_too(form: str, example: bool, python: Path, tmp_path: Path) -> None:
    model = Sure(WRONG_PROBABILITIES[form]).fit(TABLE, [0, 1])
    folder = kept(tmp_path / "m", model, TABLE, **({} if example else {"input_example": None}))
    reason, message = refused_start(folder, tmp_path, python)
    assert reason == ExitCode.SMOKE_FAILED.reason, message


@pytest.mark.parametrize("form", [list, pd.DataFrame, np.asfortranarray])
def test_probabilities_in_any_form_are_given_to_their_rows(form: Any, python: Path, tmp_path: Path) -> None:
    folder = kept(tmp_path / "m", Sure(form).fit(TABLE, [0, 1]), TABLE)
    with served(folder, python, list(TABLE)) as client:
        said = client.post("/predict?probabilities=true", {"features": [[7, 0, 0], [1, 0, 0]]})
        assert np.allclose(said["probabilities"], [[0.3, 0.7], [0.9, 0.1]])
