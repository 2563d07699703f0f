"""The baseline's file: it comes back as it was, and says in a sentence when it does not."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from driftlead_formats.baseline import (
    Baseline,
    BaselineError,
    build,
)

RNG = np.random.default_rng(2)
HOSTILE = '</script><img src=x onerror=alert(1)> "\\ \x7f 日本 \ud800'


def columns(rows: int = 400) -> dict[str, np.ndarray]:
    return {
        "age": RNG.normal(40, 9, rows),
        "kind": np.array(["a", "b", None, "c"], dtype=object)[RNG.integers(0, 4, rows)],
        "new": RNG.random(rows) < 0.3,
        HOSTILE: RNG.integers(0, 5, rows).astype(float),
    }


def made(**more: Any) -> Baseline:
    return build(columns(), time=1.6e9 + np.arange(400) * 700.0, prediction=RNG.random(400), **more)


def test_a_baseline_comes_back_from_its_file_as_it_was() -> None:
    baseline = made(calendar=["age"], note="by hand")
    again = Baseline.from_json(baseline.to_json())
    assert again.to_json() == baseline.to_json()
    assert again.sha256 == baseline.sha256
    assert again.features[0].calendar
    assert again.blocks is not None and baseline.blocks is not None
    for a, b in zip(again.blocks.counts, baseline.blocks.counts, strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("baseline", [made(), build(columns()), build(columns(), groups=np.arange(400) % 30)])
def test_the_file_obeys_its_json_schema(baseline: Baseline) -> None:
    schema = json.loads((files("driftlead_formats") / "schemas" / "baseline-v1.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(baseline.to_json()))


def test_blocks_add_up_to_the_counts_and_hold_hours_in_order() -> None:
    baseline = made()
    assert baseline.blocks is not None
    assert baseline.blocks.unit == "hour"
    assert baseline.blocks.first % 3600 == 0
    assert baseline.blocks.length == 79
    for bins, counts in zip((*baseline.features, baseline.prediction), baseline.blocks.counts, strict=True):
        assert bins is not None
        assert (counts.sum(axis=0) == bins.counts).all()


def test_dates_without_a_time_of_day_are_kept_by_day() -> None:
    time = np.datetime64("2026-01-01", "D") + np.arange(400) // 10
    baseline = build(columns(), time=time)
    assert baseline.blocks is not None
    assert (baseline.blocks.unit, baseline.blocks.length) == ("day", 40)


def test_groups_are_dealt_whole_into_sets_of_like_size() -> None:
    groups = np.repeat(np.arange(80), 5)
    baseline = build({"g": groups.astype(float) % 7, "x": RNG.normal(size=400)}, groups=groups)
    assert baseline.independence == "groups"
    assert baseline.blocks is not None
    assert set(baseline.blocks.counts[1].sum(axis=1).tolist()) == {10}


def test_without_time_or_groups_independence_is_assumed() -> None:
    assert build(columns()).independence == "assumed"
    assert build(columns(), time=np.full(400, 1.6e9)).independence == "assumed"


def test_columns_in_another_order_count_the_same_and_additional_ones_do_no_harm() -> None:
    baseline = made()
    data = columns()
    turned = {name: data[name] for name in reversed(list(data))} | {"more": np.zeros(400)}
    for a, b in zip(baseline.count_columns(data), baseline.count_columns(turned), strict=True):
        assert (a == b).all()


def test_missing_columns_are_named() -> None:
    data = columns()
    del data["age"]
    with pytest.raises(BaselineError, match="lacks 'age' of the baseline's 4 features"):
        made().count_columns(data)


def test_json_rows_and_columns_count_the_same() -> None:
    baseline, data = made(), columns()
    rows = list(zip(*(c.tolist() for c in data.values()), strict=True))
    for a, b in zip(baseline.count(baseline.encode(rows)), baseline.count_columns(data), strict=True):
        assert (a == b).all()


def test_the_typical_row_is_one_that_a_model_has_seen() -> None:
    row = made().typical_row()
    assert isinstance(row[0], float) and 30 < row[0] < 50
    assert row[1] in ("a", "b", "c")
    assert row[2] in (0.0, 1.0)


@pytest.mark.parametrize("change", [
    lambda raw: raw["features"][0]["counts"].__setitem__(0, 5),
    lambda raw: raw.__setitem__("rows", 7),
    lambda raw: raw.__setitem__("sha256", "0" * 64),
])  # fmt: skip
def test_a_file_edited_by_hand_is_refused(change: Any) -> None:
    raw = json.loads(made().to_json())
    change(raw)
    with pytest.raises(BaselineError, match="write it again"):
        Baseline.from_json(json.dumps(raw))


@pytest.mark.parametrize(("content", "word"), [
    (b"", "not valid JSON"), (b"\xff\xfe", "not valid JSON"), (b"[" * 100_000, "not valid JSON"),
    (b"[]", "schema None"), (b"7", "schema"),
    (b'{"schema":"drift-report/v1"}', "drift-report/v1"), (b'{"schema":"driftlead-baseline/v1"}', "damaged"),
])  # fmt: skip
def test_what_is_no_baseline_is_told_in_a_sentence(content: bytes, word: str) -> None:
    with pytest.raises(BaselineError, match=word):
        Baseline.from_json(content)


@pytest.mark.parametrize("damage", [
    lambda raw: raw["features"].clear(),
    lambda raw: raw["features"].append(raw["features"][0]),
    lambda raw: raw["features"][0].__setitem__("edges", [2.0, 1.0]),
    lambda raw: raw["features"][0].__setitem__("kind", "colour"),
    lambda raw: raw["features"][0].__delitem__("edges"),
    lambda raw: raw["blocks"]["counts"].pop(),
    lambda raw: raw["blocks"]["counts"].__setitem__(0, "!"),
    lambda raw: raw["blocks"]["counts"].__setitem__(0, "AAAA"),
    lambda raw: raw.__setitem__("features", None),
])  # fmt: skip
def test_damage_is_found_before_anything_is_judged(damage: Any) -> None:
    raw = json.loads(made().to_json())
    damage(raw)
    with pytest.raises(BaselineError):
        Baseline.from_json(json.dumps(raw))


@pytest.mark.parametrize(("arguments", "word"), [
    ({"columns": {}}, "at least one feature"),
    ({"columns": {"x": np.zeros(0)}}, "no rows"),
    ({"columns": {"x": np.zeros(3), "y": np.zeros(2)}}, "differ in length"),
    ({"columns": {"x": np.zeros(3)}, "time": np.array(["a", "b", "c"])}, "datetime64"),
    ({"columns": {"x": np.zeros(3)}, "time": np.array([1.0, np.nan, 2.0])}, "1 of 3 rows have no time"),
    ({"columns": {"x": np.zeros(3)}, "calendar": ["month"]}, "'month'"),
    ({"columns": {"x": np.array([[1]] * 3, dtype=object).reshape(3)}}, None),
    ({"columns": {"when": np.zeros(3, dtype="datetime64[s]")}}, "feature 'when'"),
])  # fmt: skip
def test_data_that_can_be_no_baseline_is_told_in_a_sentence(
    arguments: dict[str, Any], word: str | None
) -> None:
    if word is None:
        assert build(**arguments).rows == 3
        return
    with pytest.raises(BaselineError, match=word):
        build(**arguments)


GOLDEN = json.loads((Path(__file__).parent / "data" / "binning-golden.json").read_text())


def test_the_golden_reference_gives_the_golden_file_to_the_byte() -> None:
    reference = {name: np.array(values, dtype=object) for name, values in GOLDEN["reference"].items()}
    again = build(
        reference,
        time=np.array(GOLDEN["time"]),
        prediction=np.array(GOLDEN["prediction"]),
        calendar=["items"],
    )
    kept = Baseline.from_json(GOLDEN["baseline"])
    assert again.sha256 == kept.sha256
    assert again.to_json().decode() == GOLDEN["baseline"]


def test_golden_rows_fall_into_the_golden_counts_however_they_are_cut() -> None:
    # The server, the log's reader and the check all count by this: a change here breaks stored histograms.
    baseline = Baseline.from_json(GOLDEN["baseline"])
    matrix = baseline.encode(GOLDEN["rows"])
    parts = [baseline.count(matrix[i : i + 1]) for i in range(len(matrix))]
    many = baseline.count(np.tile(matrix, (300, 1)))
    for i, golden in enumerate(GOLDEN["counts"]):
        assert baseline.count(matrix)[i].tolist() == golden
        assert sum(p[i] for p in parts).tolist() == golden  # type: ignore[union-attr]
        assert (many[i] // 300).tolist() == golden
