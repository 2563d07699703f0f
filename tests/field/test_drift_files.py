"""Files as people have them: whatever cannot be read as meant is asked about, and never called stable.

Each case is a reference, a window, and the exit codes that are right: 0 no drift found, 2 drift, 1 it could
not be judged. Column x moves by one standard deviation, which no reader may overlook.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from drifting import BEFORE, FEWER, MOVED, ROWS, SAME, SECONDS, Drift, numbers


@pytest.fixture
def drift(python: Path, tmp_path: Path) -> Drift:
    return Drift(python, tmp_path)


Written = Callable[[pd.DataFrame], Any]


def texts(style: Callable[[float], str], separator: str = ",") -> Written:
    """CSV whose numbers are written in some way."""
    return lambda table: table.map(style).to_csv(index=False, sep=separator)


def with_text(word: str, every: int) -> Written:
    """Each so-many-th x is a word."""

    def written(table: pd.DataFrame) -> pd.DataFrame:
        other = table.astype(object)
        other.iloc[::every, 0] = word
        return other

    return written


# Ways to write numbers; each is read, asked about (1) or refused, and "stable" is wrong for what moved.
WRITTEN: dict[str, Written] = {
    # evidently#1012 and pandas' own decimal=",": half of Europe
    "decimal comma": texts(lambda v: f"{v:.4f}".replace(".", ","), ";"),
    "decimal comma, quoted": texts(lambda v: f"{v:.4f}".replace(".", ",")),
    "decimal comma, tabs": texts(lambda v: f"{v:.4f}".replace(".", ","), "\t"),
    "thousands": texts(lambda v: f"{v * 1e5:,.2f}"),
    "thousands, Swiss": texts(lambda v: f"{v * 1e5:,.2f}".replace(",", "'")),
    "thousands, a space": texts(lambda v: f"{v * 1e5:,.2f}".replace(",", "\u202f")),
    "thousands, German": texts(lambda v: f"{v * 1e5:,.2f}".translate(str.maketrans(",.", ".,")), ";"),
    "currency": texts(lambda v: f"${v * 100:.2f}"),
    "per cent": texts(lambda v: f"{v * 100:.2f}%"),
    "a unit": texts(lambda v: f"{v:.3f} kg"),
    "brackets": texts(lambda v: f"({-v:.3f})" if v < 0 else f"{v:.3f}"),
    "a true minus": texts(lambda v: f"{v:.3f}".replace("-", "\u2212")),
    "some ?": with_text("?", 20),
    "one ?": with_text("?", ROWS),
    "some -": with_text("-", 20),
    "some n/a": with_text("n/a", 20),
    "some .": with_text(".", 20),
    "some #DIV/0!": with_text("#DIV/0!", 50),
    "some missing": with_text("missing", 20),
    "sep=;": lambda table: "sep=;\n" + table.to_csv(index=False, sep=";"),
    "sep=,": lambda table: "sep=,\n" + table.to_csv(index=False),
    "a byte order mark": lambda table: b"\xef\xbb\xbf" + table.to_csv(index=False).encode(),
    "UTF-16": lambda table: table.to_csv(index=False).encode("utf-16"),
    "blanks": lambda table: table.map(lambda v: f"  {v:.4f} ").to_csv(index=False),
    "quotes": lambda table: table.to_csv(index=False, quoting=1),
    "bars": lambda table: table.to_csv(index=False, sep="|"),
    "Windows lines": lambda table: table.to_csv(index=False, lineterminator="\r\n"),
}  # fmt: skip
PLAINLY = ("a byte order mark", "blanks", "quotes", "Windows lines")


@pytest.mark.parametrize("way", WRITTEN)
def test_what_moved_is_never_stable_and_what_did_not_is_no_drift(way: str, drift: Drift) -> None:
    write = WRITTEN[way]
    refused = drift.baseline(write(BEFORE))
    moved = refused or drift.check(write(MOVED))
    assert moved.code in ((2,) if way in PLAINLY else (1, 2)), moved.text
    if moved.code == 1:  # asked about: which column, what was seen
        assert any(word in moved.text for word in ("'x'", "sep=", "UTF-", "|", "column")), moved.text
        assert "unexpected" not in moved.text
        return
    same = drift.check(write(SAME))
    assert same.code in ((0,) if way in PLAINLY else (0, 1)), same.text
    if same.status == "stable":
        assert same.feature("x")["kind"] == "numeric"


@pytest.mark.parametrize(
    "way", ["some ?", "one ?", "some -", "some n/a", "decimal comma", "thousands", "per cent"]
)
def test_a_reference_in_numbers_and_a_window_that_is_not(way: str, drift: Drift) -> None:
    said = drift.judge(BEFORE, WRITTEN[way](MOVED))
    assert said.code in (1, 2), said.text


@pytest.mark.parametrize("way", ["some ?", "one ?", "some -"])
def test_a_window_in_numbers_and_a_reference_that_is_not(way: str, drift: Drift) -> None:
    said = drift.judge(WRITTEN[way](BEFORE), MOVED)
    assert said.code in (1, 2), said.text


def test_codes_with_zeros_in_front_stay_text(drift: Drift) -> None:
    """Postcodes and account numbers are names: 01067 is not 1067."""
    dice = np.random.default_rng(3)

    def codes(count: int, *known: str) -> str:
        return "code,y\n" + "".join(f"{dice.choice(known)},{dice.normal():.3f}\n" for _ in range(count))

    same = drift.judge(codes(ROWS, "01067", "1067", "99423"), codes(FEWER, "01067", "1067", "99423"))
    assert same.code == 0, same.text
    other = drift.judge(codes(ROWS, "01067", "1067", "99423"), codes(FEWER, "1067", "1067", "99423"))
    assert other.code == 2, other.text


CODES = np.array([16777217, 16777219, 16777221, 20240101, 20240102, 20240103])


def coded(count: int, seed: int, *, gap: bool = False, kind: str = "int64") -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    table = pd.DataFrame({"code": dice.choice(CODES, count), "y": dice.normal(size=count)})
    if gap:
        table["code"] = table["code"].astype(float)
        table.loc[0, "code"] = np.nan
    return table.astype({"code": kind}) if not gap else table


@pytest.mark.parametrize(
    ("gaps", "parquet"),
    [
        ((False, True), (False, False)), ((True, False), (False, False)), ((True, True), (False, False)),
        ((False, True), (True, True)), ((False, True), (True, False)), ((True, False), (False, True)),
    ],
)  # fmt: skip
def test_codes_above_2_to_the_24_are_the_same_however_written(
    gaps: tuple[bool, bool], parquet: tuple[bool, bool], drift: Drift
) -> None:
    # one null makes pandas write 20240101.0: pandas#2631
    tables = [coded(ROWS, 1, gap=gaps[0]), coded(FEWER, 2, gap=gaps[1])]
    files = [
        pa.Table.from_pandas(t, preserve_index=False) if p else t
        for t, p in zip(tables, parquet, strict=True)
    ]
    said = drift.judge(*files)
    assert said.code == 0, said.text
    assert said.feature("code")["psi"] < 0.1


@pytest.mark.parametrize("style", ["{:.1f}", "{:e}"])
def test_codes_are_the_same_in_any_notation(style: str, drift: Drift) -> None:
    table = coded(FEWER, 2)
    said = drift.judge(
        coded(ROWS, 1),
        table.assign(code=table["code"].map(lambda v: style.format(v) if "e" not in style else f"{v:.8e}")),
    )
    assert said.code == 0, said.text


WORDS = {
    "Namibia": ["NA", "DE", "FR"],
    "a surname": ["Null", "Smith", "None"],
    "null": ["null", "left", "right"],
    "none": ["None", "Basic", "Full"],
    "nan bread": ["nan", "rye", "wheat"],
    "not applicable": ["N/A", "yes", "no"],
}


@pytest.mark.parametrize(
    ("word", "formats"),
    [*((word, "csv-parquet") for word in WORDS), ("Namibia", "parquet-csv"), ("Namibia", "csv-csv")],
)
def test_one_reading_of_text_whatever_the_format(word: str, formats: str, drift: Drift) -> None:
    """Country NA is a country in every format, or it is asked about; never in one alone."""
    dice = np.random.default_rng(5)

    def made(count: int, kind: str) -> Any:
        column = dice.choice(WORDS[word], count)
        return pa.table({"c": pa.array(column)}) if kind == "parquet" else pd.DataFrame({"c": column})

    before, now = formats.split("-")
    said = drift.judge(made(ROWS, before), made(FEWER, now))
    assert said.code in (0, 1), said.text
    if said.code == 0:
        assert said.feature("c")["psi"] < 0.1


def test_empty_cells_are_missing_in_csv_and_parquet_alike(drift: Drift) -> None:
    dice = np.random.default_rng(5)
    column = [None if value == "" else value for value in dice.choice(["a", "b", ""], ROWS).tolist()]
    now = [None if value == "" else value for value in dice.choice(["a", "b", ""], FEWER).tolist()]
    said = drift.judge(pd.DataFrame({"c": column}), pa.table({"c": pa.array(now)}))
    assert said.code == 0, said.text


def indexed(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Rows in another order keep their numbers."""
    return table.sample(frac=1, random_state=seed)


def later(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis(np.arange(ROWS, ROWS + len(table)))


ROW_NUMBERS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas' index in Parquet": lambda table: pa.Table.from_pandas(indexed(table, 1)),
    "a named index in Parquet": lambda table: pa.Table.from_pandas(indexed(table, 1).rename_axis("row")),
    "unnamed in CSV": lambda table: table.to_csv(),
    "Unnamed: 0": lambda table: table.rename_axis("Unnamed: 0").to_csv(),
    "twice written": lambda table: table.rename_axis("Unnamed: 0").reset_index().to_csv(),
    "R's row names": lambda table: table.set_axis([str(at + 1) for at in table.index]).to_csv(),
    "index": lambda table: table.rename_axis("index").to_csv(),
}  # fmt: skip


@pytest.mark.parametrize("kind", ROW_NUMBERS)
def test_row_numbers_are_no_feature(kind: str, drift: Drift) -> None:
    # pandas#5237 and every notebook with to_csv()
    write = ROW_NUMBERS[kind]
    said = drift.judge(write(BEFORE), write(later(SAME)))
    assert said.code == 0, said.text
    moved = drift.judge(write(BEFORE), write(later(MOVED)))
    assert moved.code == 2, moved.text
    assert {feature["name"] for feature in moved.report["features"]} == {"x", "y"}


def dated(table: pd.DataFrame, start: str, form: str) -> pd.DataFrame:
    times = pd.date_range(start, periods=len(table), freq="1min")
    return table.assign(when=times.strftime(form))


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y", "%m/%d/%Y %H:%M"]
)
def test_a_date_column_is_no_feature(form: str, drift: Drift) -> None:
    """A later window has later dates, which is no drift; said once, what to do."""
    said = drift.judge(dated(BEFORE, "2026-01-01", form), dated(SAME, "2026-03-01", form))
    assert said.code in (0, 1), said.text
    if said.code == 0:
        assert "when" in json.dumps(said.report)
    moved = drift.judge(dated(BEFORE, "2026-01-01", form), dated(MOVED, "2026-03-01", form))
    assert moved.code in (1, 2), moved.text


def test_a_date_column_in_parquet_is_no_feature_either(drift: Drift) -> None:
    def made(table: pd.DataFrame, start: str) -> pa.Table:
        times = pd.date_range(start, periods=len(table), freq="1min")
        return pa.Table.from_pandas(table.assign(when=times), preserve_index=False)

    assert drift.judge(made(BEFORE, "2026-01-01"), made(SAME, "2026-03-01")).code == 0
    assert drift.judge(made(BEFORE, "2026-01-01"), made(MOVED, "2026-03-01")).code == 2


def timed(start: str, count: int, every: str, seed: int = 7) -> pd.DataFrame:
    times = pd.date_range(start, periods=count, freq=every)
    hours = times.hour + times.minute / 60
    noise = np.random.default_rng(seed).normal(size=count)
    load = 10 + 5 * np.sin(2 * np.pi * hours / 24) + 5 * (times.day_of_week < 5) + noise
    return pd.DataFrame({"ts": times, "load": load})


TIMED = ("--time-column", "ts")
STRAY = {
    "two weeks before": "2026-02-20",
    "a year before": "2025-03-07",
    "1970": "1970-01-01",
    "a year later": "2027-03-07",
    "9999": "9999-12-31",
}


@pytest.mark.parametrize("stray", STRAY)
def test_one_stray_time_does_not_move_the_window(stray: str, drift: Drift) -> None:
    """A weekend is held against weekends; one row of another day makes no season of it."""
    before, weekend = timed("2026-01-05", 720 * 56, "2min"), timed("2026-03-07", 1440, "2min", 8)
    lone = weekend.head(1).assign(ts=STRAY[stray])
    texts_ = weekend.assign(ts=weekend["ts"].dt.strftime("%Y-%m-%dT%H:%M:%S"))
    said = drift.judge(before, pd.concat([texts_, lone]), *TIMED)
    assert said.code == 0, said.text
    assert said.status == "stable", said.text


@pytest.mark.parametrize("stray", ["1970-01-01", "1900-01-01", "9999-12-31"])
def test_one_stray_time_in_training_takes_no_memory(stray: str, drift: Drift) -> None:
    """Blocks by the hour from 1970 on, each with counts of every feature: memory without end."""
    before = timed("2026-01-05", 720 * 14, "2min")
    texts_ = before.assign(ts=before["ts"].dt.strftime("%Y-%m-%dT%H:%M:%S"))
    texts_.loc[5, "ts"] = stray
    made = bounded(drift, texts_)
    assert made.returncode in (0, 1), made.stderr
    assert "MemoryError" not in made.stderr


def bounded(drift: Drift, table: Any) -> subprocess.CompletedProcess[str]:
    """A baseline within 2 GB and a minute."""
    words = ["-m", "driftlead_drift", "baseline", "--out", "b.json", "--data", drift.put(table, "before")]
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))  # noqa: E731
    return subprocess.run(
        [sys.executable, *words, *TIMED], cwd=drift.home, check=False, capture_output=True, text=True,
        timeout=SECONDS,
        preexec_fn=limit, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_no_time_in_training_is_said(kind: str, drift: Drift) -> None:
    # NaT: it took 22 GB and brought a node down
    before = timed("2026-01-05", 3000, "1h")
    before.loc[5, "ts"] = pd.NaT
    made = bounded(drift, pa.Table.from_pandas(before, preserve_index=False) if kind == "parquet" else before)
    assert made.returncode in (0, 1), made.stderr
    if made.returncode:
        assert "time" in made.stderr
        assert "argument must be str" not in made.stderr


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_no_time_in_the_window_is_said_or_left_out(kind: str, drift: Drift) -> None:
    before, now = timed("2026-01-05", 24 * 56, "1h"), timed("2026-03-02", 24 * 14, "1h", 8)
    now.loc[5, "ts"] = pd.NaT
    now_ = pa.Table.from_pandas(now, preserve_index=False) if kind == "parquet" else now
    said = drift.judge(before, now_, *TIMED)
    assert said.code in (0, 1), said.text
    assert "argument must be str" not in said.text
    assert "unexpected" not in said.text


def identifiers(count: int, seed: int) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    return pd.DataFrame({"id": [f"u{value:x}" for value in dice.integers(0, 2**62, count)]})


UNTESTED: dict[str, tuple[Any, Any]] = {
    "identifiers": (identifiers(ROWS, 1), identifiers(FEWER, 2)),
    "two columns of them": (
        identifiers(ROWS, 1).assign(other=identifiers(ROWS, 3)),
        identifiers(FEWER, 2).assign(other=identifiers(FEWER, 4)),
    ),
    "nothing but gaps": (
        pd.DataFrame({"x": [np.nan] * ROWS}), pd.DataFrame({"x": [np.nan] * FEWER}),
    ),
    "one value in training": (
        pd.DataFrame({"id": [f"u{at}" for at in range(ROWS)]}),
        pd.DataFrame({"id": [f"v{at}" for at in range(FEWER)]}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNTESTED)
def test_nothing_testable_is_insufficient_and_says_why(case: str, drift: Drift) -> None:
    before, now = UNTESTED[case]
    said = drift.judge(before, now)
    assert "no drift" not in said.text
    assert "stable" not in said.text
    assert said.code in (0, 1, 3), said.text  # a status of its own is for the docs to say
    assert said.status in ("insufficient", "error", ""), said.text
    name = before.columns[0]
    assert name in said.text, said.text  # in the terminal, not in the report alone


def test_what_is_not_tested_is_said_in_the_terminal(drift: Drift) -> None:
    def made(table: pd.DataFrame, seed: int) -> pd.DataFrame:
        return table.assign(id=identifiers(len(table), seed)["id"])

    said = drift.judge(made(BEFORE, 1), made(SAME, 2))
    assert said.code == 0
    assert "id" in said.text.split() or "'id'" in said.text or "id:" in said.text, said.text
    assert said.feature("id")["status"] != "stable"


# From about 100,000 rows of training on 1.5 % of new gaps are drift: docs/explanation/drift.md says why.
@pytest.mark.parametrize("rows", [1000, 10_000])
def test_new_gaps_are_judged_alike_by_baselines_of_usual_size(rows: int, drift: Drift) -> None:
    """PSI of a cell that training never filled grows with its rows: the verdict must not."""
    now = numbers(20_000, seed=8)
    now.loc[np.random.default_rng(4).random(20_000) < 0.015, "x"] = np.nan
    said = drift.judge(numbers(rows), now)
    assert said.code == 0, said.text
    assert said.status == "changed", said.text
    assert "value" in said.feature("x")["sentence"]


def test_every_row_of_an_unseen_category_is_drift_at_once(drift: Drift) -> None:
    dice = np.random.default_rng(1)
    before = pd.DataFrame({"c": dice.choice(["a", "b"], ROWS), "y": dice.normal(size=ROWS)})
    now = pd.DataFrame({"c": ["z"] * 60, "y": dice.normal(size=60)})
    assert drift.judge(before, now).code == 2


def test_every_row_beyond_the_training_range_is_drift_at_once(drift: Drift) -> None:
    now = numbers(60, seed=8)
    assert drift.judge(BEFORE, now.assign(x=now["x"].abs() + 1000)).code == 2


def test_a_few_rows_are_never_severe(drift: Drift) -> None:
    said = drift.judge(BEFORE, MOVED.head(20))
    assert said.status != "severe", said.text


def test_values_beyond_float32_leave_no_python_warnings(drift: Drift) -> None:
    now = SAME.copy()
    now.loc[3, "x"] = 1e300
    said = drift.judge(BEFORE, now)
    assert "Warning" not in said.text
    assert ".py" not in said.text


def test_escape_sequences_in_names_do_not_reach_the_terminal(drift: Drift) -> None:
    name = "x\x1b[31mred"
    said = drift.judge(BEFORE.rename(columns={"x": name}), MOVED.rename(columns={"x": name}))
    assert said.code == 2
    assert "\x1b[31m" not in said.text


@pytest.mark.parametrize(
    "lines", [b"x,y\n1,2\n3\n", b"x,y\n1,2,3\n", b'x,y\n"1,2\n', b"\x00\x01\x02", b"x;y,z\n1;2,3\n"]
)
def test_what_is_no_table_ends_with_a_sentence(lines: bytes, drift: Drift) -> None:
    said = drift.judge(lines, lines)
    assert said.code in (0, 1)
    assert "unexpected" not in said.text
    assert "Traceback" not in said.text


def test_a_baseline_of_one_row_an_hour_says_which_windows_it_serves(drift: Drift) -> None:
    """A public data set of rentals by the hour: a check of one hour took its rows for independent."""
    times = pd.date_range("2011-01-01", periods=2400, freq="h")
    table = pd.DataFrame({"time": times, "x": np.random.default_rng(3).normal(size=len(times))})
    made = drift.run(
        "baseline", "--data", drift.put(table, "hours"), "--time-column", "time", "--out", "b.json"
    )
    assert made.returncode == 0, made.stderr
    assert "the baseline has 1 row an hour on average" in made.stdout
    assert "in windows of 20 hours or more" in made.stdout
