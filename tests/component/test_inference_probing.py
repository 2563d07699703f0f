"""What a model takes is tried at load: each null and each huge number in a row of its own."""

from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from driftlead_inference.model.flavours import Loaded
from driftlead_inference.prepare.probing import accepted_missing, accepts_huge, predictor
from driftlead_inference.rows.signature import unnamed

DICE = np.random.default_rng(5)
TABLE = DICE.normal(size=(200, 4))
HOLES = np.where(DICE.random(TABLE.shape) < 0.1, np.nan, TABLE)
ROW = [0.1, 0.2, 0.3, 0.4]
SOME = make_column_transformer((SimpleImputer(), [0, 2]), remainder="passthrough")


class Counted:
    """A model that counts how often it is asked, and answers NaN where the third feature is missing."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, table: Any) -> np.ndarray:
        self.calls += 1
        return np.asarray(np.nan_to_num(table[:, 0]) + table[:, 2])


@pytest.mark.parametrize(
    ("model", "missing", "huge"),
    [
        (LinearRegression().fit(TABLE, TABLE[:, 0]), (), True),
        (make_pipeline(SOME, LinearRegression()).fit(TABLE, TABLE[:, 0]), (0, 2), True),
        (HistGradientBoostingRegressor(max_iter=3).fit(HOLES, TABLE[:, 0]), (0, 1, 2, 3), True),
        (RandomForestClassifier(3).fit(HOLES, TABLE[:, 0] > 0), (0, 1, 2, 3), False),
        (RandomForestClassifier(3).fit(TABLE, TABLE[:, 0] > 0), (0, 1, 2, 3), False),
        (Counted(), (0, 1, 3), True),
    ],
    ids=["no null", "some imputed", "boosting", "forest with holes", "forest", "NaN is no answer"],
)
def test_each_null_and_each_huge_number_is_tried(model: Any, missing: tuple[int, ...], huge: bool) -> None:
    predict = predictor(Loaded("sklearn", model, None), unnamed(4), "array")
    assert accepted_missing(predict, ROW) == missing
    assert accepts_huge(predict, ROW) is huge


def test_a_model_that_refuses_nothing_is_asked_once() -> None:
    model = Counted()
    accepted_missing(predictor(Loaded("sklearn", model, None), unnamed(4), "array"), ROW)
    assert model.calls == 1
