import numpy as np
import orjson
import pytest

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.traffic.counting import Counter
from driftlead_drift.traffic.rows import count_lines
from driftlead_drift.traffic.windows import condition, literal
from driftlead_formats.baseline import Baseline, build
from driftlead_formats.traffic import Traffic

SECONDS = 1_764_530_344.25
RANDOM = np.random.default_rng(7)
NUMBERS = {"a": RANDOM.normal(size=2000), "b": RANDOM.integers(0, 5, 2000).astype(float)}


@pytest.fixture(scope="module")
def numeric() -> Baseline:
    return build(NUMBERS, prediction=RANDOM.integers(0, 2, 2000).astype(float))


@pytest.fixture(scope="module")
def mixed() -> Baseline:
    colour = np.array([["red", 'a"b,c', "back\\slash"][i % 3] for i in range(2000)], dtype=object)
    return build(
        {"a": NUMBERS["a"], "colour": colour}, prediction=np.array(["yes", "no"] * 1000, dtype=object)
    )


def line(prediction: object, label: str | None, features: object) -> bytes:
    """A row as COPY writes it with the comma as delimiter: backslashes doubled, commas of a value escaped."""
    parts = [orjson.dumps(value) for value in (SECONDS, prediction, label, features)]
    return b",".join(part.replace(b"\\", b"\\\\").replace(b",", b"\\,") for part in parts) + b"\n"


def test_a_batch_of_numbers_counts_as_the_same_matrix(numeric: Baseline) -> None:
    rows = [[0.5, 1], [None, 4], [1e9, 2], [-3.25, None]]
    counter = Counter(numeric)
    count_lines(b"".join(line(1.0, None, row) for row in rows), counter)
    matrix = np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=np.float32)
    assert [c.tolist() for c in counter.features] == [c.tolist() for c in numeric.count(matrix)]
    assert counter.rows == 4
    assert counter.prediction is not None
    assert counter.prediction.sum() == 4


def test_text_with_quotes_commas_and_backslashes_finds_its_category(mixed: Baseline) -> None:
    counter = Counter(mixed)
    values = ["red", 'a"b,c', "back\\slash", "never seen", None, "red"]
    count_lines(b"".join(line(0.0, "yes", [0.1, value]) for value in values), counter)
    bins = mixed.features[1]
    counted = dict(zip(bins.labels, counter.features[1].tolist(), strict=True))
    assert counted == {"red": 2, 'a"b,c': 1, "back\\slash": 1, "MISSING": 1, "OTHER": 1}
    assert counter.prediction is not None
    assert counter.prediction.tolist()[mixed.prediction.categories.index("yes")] == 6  # type: ignore[union-attr]


def test_a_wrong_type_in_a_numeric_feature_is_a_missing_value(numeric: Baseline) -> None:
    counter = Counter(numeric)
    count_lines(line(0.0, None, ["12", 1]) + line(0.0, None, [[1], 1]), counter)
    assert counter.features[0][numeric.features[0].missing_bin] == 2


def test_rows_as_objects_are_read_by_name(numeric: Baseline) -> None:
    by_name, by_place = Counter(numeric), Counter(numeric)
    count_lines(line(0.0, None, {"b": 3, "a": 0.25}), by_name)
    count_lines(line(0.0, None, [0.25, 3]), by_place)
    assert [c.tolist() for c in by_name.features] == [c.tolist() for c in by_place.features]


@pytest.mark.parametrize("rows", [[[1.0]], [[1.0, 2.0, 3.0]], [[1.0, 2.0], [1.0]], ["text"]])
def test_rows_of_another_width_belong_to_another_model(numeric: Baseline, rows: list[object]) -> None:
    with pytest.raises(CannotJudgeError, match="belongs to another model"):
        count_lines(b"".join(line(0.0, None, row) for row in rows), Counter(numeric))


def test_a_prediction_without_value_is_counted_as_missing(numeric: Baseline) -> None:
    counter = Counter(numeric)
    count_lines(line(None, None, [1.0, 2.0]), counter)
    assert numeric.prediction is not None
    assert counter.prediction is not None
    assert counter.prediction[numeric.prediction.missing_bin] == 1


def test_no_name_can_leave_its_quotes() -> None:
    traffic = Traffic(model_name="x' OR '1'='1", model_version="3", deployment="a\\'b", resource="demo")
    where = condition(traffic)
    assert "model_name = E'x'' OR ''1''=''1'" in where
    assert "deployment = E'a\\\\''b'" in where
    assert "namespace" not in where
    with pytest.raises(CannotJudgeError, match="NUL"):
        literal("a\0b")
