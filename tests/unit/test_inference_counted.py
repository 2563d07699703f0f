"""Answers are counted: one for each row, or none is served."""

from typing import Any

import numpy as np
import pytest

from driftlead_inference.engines.base import LoadedEngine
from driftlead_inference.model.answers import UnusableAnswer, counted
from driftlead_inference.model.flavours import plain
from driftlead_inference.rows.signature import unnamed


@pytest.mark.parametrize(
    "answers",
    [1.0, None, "fine", [], [1.0], [1.0, 2.0, 3.0], {"score": 1.0}, {"a": [1, 2], "b": [1]}, {1.0, 2.0},
     (value for value in (1.0, 2.0)), np.array([1j, 2j]), np.array([[1.0, 2.0]])],
)  # fmt: skip
def test_what_is_not_one_answer_a_row_is_refused(answers: Any) -> None:
    with pytest.raises(UnusableAnswer, match="asked for 2 rows"):
        counted((plain(answers), None), 2)


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ([1, 2], [1, 2]),
        ({"score": [1.0, 2.0]}, [1.0, 2.0]),
        ({"label": ["x", "y"], "score": np.array([1.0, 2.0])}, [["x", 1.0], ["y", 2.0]]),
        (np.array([[1.0], [2.0]]), [1.0, 2.0]),
    ],
)
def test_a_table_of_answers_is_one_answer_a_row(answers: Any, wanted: list[Any]) -> None:
    assert counted((plain(answers), None), 2)[0].tolist() == wanted


class Short:
    flavour = "sklearn"

    def predict(self, data: Any, probabilities: bool = False) -> tuple[Any, Any]:
        return np.zeros(1), None


def test_the_engine_counts_on_the_array_path_too() -> None:
    engine = LoadedEngine(Short(), unnamed(1), "array", ())
    with pytest.raises(UnusableAnswer, match="asked for 2 rows, the model gave 1 answers"):
        engine.predict([[0.0], [1.0]], np.zeros((2, 1)))
