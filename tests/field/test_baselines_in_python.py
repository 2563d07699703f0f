"""A baseline made in Python has the features that a file's has: no row numbers, and no dates, whatever type
they are of. A new user's `time` column was a feature of categories, each of them new in every window."""

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from driftlead_drift.settings import BaselineSettings
from driftlead_drift.traffic.training_rows import training_rows
from driftlead_drift.training import make_baseline

ROWS = 300
HOURS = pd.date_range("2026-01-01", periods=ROWS, freq="h")
AMOUNT = np.random.default_rng(5).normal(size=ROWS)
DATES: dict[str, Any] = {
    "nanoseconds": HOURS.astype("datetime64[ns]"),
    "microseconds": HOURS.astype("datetime64[us]"),
    "with a zone": HOURS.tz_localize("Asia/Tokyo"),
    "with gaps": pd.Series(HOURS).where(np.arange(ROWS) % 7 > 0),
    "a zone and gaps": pd.Series(HOURS.tz_localize("UTC")).where(np.arange(ROWS) % 7 > 0),
    "objects": pd.Series([each.date() for each in HOURS], dtype=object),
    "text": HOURS.strftime("%Y-%m-%d %H:%M"),
    "ISO text": pd.Series([each.isoformat() for each in HOURS], dtype=object),
    "text of days": HOURS.strftime("%d.%m.%Y"),
    "text with gaps": pd.Series([None, *HOURS.strftime("%Y-%m-%d")[1:]], dtype=object),
    "strings with gaps": pd.array([None, *HOURS.strftime("%Y-%m-%d")[1:]], dtype="string"),
    "categories": pd.Categorical(HOURS.strftime("%Y-%m-%d")),
    "times of Python": pd.Series(
        [dt.datetime(2026, 1, 1 + at % 28, tzinfo=dt.UTC) for at in range(ROWS)], dtype=object
    ),
}
OTHERS: dict[str, Any] = {
    "text": ["zürich", "b"] * (ROWS // 2),
    "text and dates": ["2026-01-01", "soon"] * (ROWS // 2),
    "nothing but gaps": pd.Series([None] * ROWS, dtype=object),
    "years": np.arange(ROWS) % 30 + 1996,
    "whole numbers": np.arange(ROWS) % 200,
    "booleans with gaps": pd.Series([True, None, False] * (ROWS // 3), dtype=object),
}


def features(table: pd.DataFrame, **options: Any) -> tuple[set[str], list[str]]:
    """The baseline's features, and what was told."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        baseline = make_baseline(table, **options)
    sentences = [str(each.message) for each in told if each.category is UserWarning]
    return {feature.name for feature in baseline.features}, sentences


@pytest.mark.parametrize("case", DATES)
def test_a_column_of_dates_is_left_out_and_told(case: str) -> None:
    found, told = features(pd.DataFrame({"when": DATES[case], "amount": AMOUNT}))
    assert found == {"amount"}
    assert len(told) == 1
    assert "'when' holds dates" in told[0]
    assert "pass time=X['when']" in told[0]


@pytest.mark.parametrize("case", OTHERS)
def test_any_other_column_is_a_feature(case: str) -> None:
    assert features(pd.DataFrame({"when": OTHERS[case], "amount": AMOUNT})) == ({"when", "amount"}, [])


@pytest.mark.parametrize("name", ["Unnamed: 0", "index", "row_id", "Id"])
def test_row_numbers_are_left_out_and_told(name: str) -> None:
    table = pd.DataFrame({name: np.arange(ROWS) + 1, "amount": AMOUNT})
    found, told = features(table)
    assert found == {"amount"}
    assert told == [f"column '{name}' numbers the rows: it was left out"]
    assert features(table.assign(**{name: table[name] // 2}))[0] == {name, "amount"}


def test_who_named_the_time_is_not_asked_for_it() -> None:
    table = pd.DataFrame({"when": HOURS, "amount": AMOUNT})
    found, told = features(table, time=table["when"])
    assert found == {"amount"}
    assert "pass time=" not in told[0]


def test_what_is_named_as_calendar_stays_and_so_does_the_only_feature() -> None:
    table = pd.DataFrame({"when": HOURS.strftime("%Y-%m-%d"), "amount": AMOUNT})
    assert features(table, calendar=["when"])[0] == {"when", "amount"}
    assert features(table[["when"]])[0] == {"when"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_the_same_rows_has_the_same_features_and_says_which_flag_to_use(
    suffix: str, tmp_path: Path
) -> None:
    table = pd.DataFrame({"time": HOURS, "day": HOURS.strftime("%Y-%m-%d"), "amount": AMOUNT})
    file = tmp_path / f"rows.{suffix}"
    table.to_csv(file) if suffix == "csv" else table.to_parquet(file)
    rows = training_rows(BaselineSettings(data=file, out=tmp_path / "baseline.json"))
    assert set(rows.columns) == features(table)[0] == {"amount"}
    assert any("name it with --time-column 'time'" in note for note in rows.notes)
