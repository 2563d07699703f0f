"""Columns as other programs write them: keys, dates as numbers, further notations, files that are no table.

What says which row it is, or when, is no feature; what is meant as numbers is read or asked about; what no
common category tells is never called stable.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from drifting import BEFORE, FEWER, MOVED, ROWS, SAME, Drift


@pytest.fixture
def drift(python: Path, tmp_path: Path) -> Drift:
    return Drift(python, tmp_path)


def judged(drift: Drift, write: Callable[[pd.DataFrame], Any]) -> tuple[Any, Any]:
    """What is said of a window that did not move, and of one that did."""
    refused = drift.baseline(write(BEFORE))
    return refused or drift.check(write(SAME)), refused or drift.check(write(MOVED))


def grouped_as_in_india(value: float) -> str:
    whole, fraction = f"{abs(value) * 1e6:.2f}".split(".")
    rest, groups = whole[:-3], [whole[-3:]]
    while rest:
        rest, groups = rest[:-2], [rest[-2:], *groups]
    return ("-" if value < 0 else "") + ",".join(groups) + "." + fraction


NOTATIONS: dict[str, Callable[[float], str]] = {
    "Fortran's exponent": lambda v: f"{v:.4E}".replace("E", "D"),
    "lakh": grouped_as_in_india,
    "an exponent": lambda v: f"{v * 1e5:.4E}",
    "a plus": lambda v: f"{v:+.3f}",
    "no zero": lambda v: f"{v:.3f}".replace("0.", "."),
    "a bare point": lambda v: f"{v * 1000:.0f}.",
}


@pytest.mark.parametrize("way", NOTATIONS)
def test_numbers_in_further_notations_are_read(way: str, drift: Drift) -> None:
    same, moved = judged(drift, lambda table: table.assign(x=table["x"].map(NOTATIONS[way])))
    assert (same.code, moved.code) == (0, 2), (same.text, moved.text)
    assert moved.feature("x")["kind"] == "numeric"


@pytest.mark.parametrize("prefix", ["c", "P00", "ID", "u"])
def test_a_letter_before_digits_is_a_code_and_no_unit(prefix: str, drift: Drift) -> None:
    """C85 is a cabin of the Titanic; the baseline asked for a number without its unit."""
    dice = np.random.default_rng(5)
    known = [f"{prefix}{at}" for at in range(30)]
    before, now = (pd.DataFrame({"c": dice.choice(known, count)}) for count in (ROWS, FEWER))
    assert drift.judge(before, now).code == 0
    assert drift.check(now.assign(c=known[3])).code == 2


@pytest.mark.parametrize(
    "text", ["EUR{:.2f}", "USD {:.2f}", "R$ {:.2f}", "{:.2f} €", "{:.1f}k", "{:.2f}°", "<{:.2f}"]
)
def test_a_currency_or_unit_is_asked_about(text: str, drift: Drift) -> None:
    said = drift.baseline(BEFORE.assign(x=BEFORE["x"].abs().map(text.format)))
    assert said is not None
    assert said.code == 1
    assert "'x'" in said.text


def numbers_from(start: int, table: pd.DataFrame) -> Any:
    return np.arange(start, start + len(table))


def with_gaps(start: int, table: pd.DataFrame) -> Any:
    return start + np.cumsum(np.random.default_rng(start).integers(1, 4, len(table)))


def minutes(start: int, table: pd.DataFrame) -> Any:
    """Seconds since 1970, in 2026."""
    return 1_767_571_200 + 60 * numbers_from(start, table)


def days(start: int, table: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.date_range("2026-01-01" if start == 0 else "2026-06-01", periods=len(table), freq="17min")


KEYS: dict[str, tuple[str, Callable[[int, pd.DataFrame], Any]]] = {
    **{
        name: (name, numbers_from)
        for name in ("rownum", "PassengerId", "customer_id", "_id", "seq", "no.", "Row ID", "_index_")
    },
    "any name, each one more": ("n", numbers_from),
    "backwards": ("k", lambda start, table: numbers_from(start, table)[::-1]),
    "as floats": ("order_id", lambda start, table: numbers_from(start, table).astype(float)),
    "with gaps": ("order_no", with_gaps),
    "with gaps, in any order": (
        "order_no", lambda start, table: np.random.default_rng(1).permutation(with_gaps(start, table)),
    ),
    "hashes": ("userId", lambda start, table: np.random.default_rng(start).integers(0, 2**62, len(table))),
    "beyond 2**53": ("event_id", lambda start, table: 2**53 + numbers_from(start, table)),
}  # fmt: skip
TIMES: dict[str, tuple[str, Callable[[int, pd.DataFrame], Any]]] = {
    "epoch seconds": ("created", minutes),
    "days": ("when", lambda start, table: days(start, table).strftime("%Y%m%d").astype("int64")),
    "milliseconds": ("created_at", lambda start, table: 1000 * minutes(start, table)),
    "seconds in any order": (
        "updated_ts",
        lambda start, table: np.random.default_rng(start).permutation(minutes(start, table)),
    ),
    **{
        form: ("when", lambda start, table, form=form: days(start, table).strftime(form))  # type: ignore[misc]
        for form in (
            "%d/%m/%y", "%d-%b-%Y", "%b %d, %Y", "%Y-%m", "%Y%m%dT%H%M%S", "%YW%U",
            "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S +0000", "%a, %d %b %Y %H:%M:%S GMT",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("case", [*KEYS, *TIMES])
@pytest.mark.parametrize("parquet", [False, True])
def test_a_key_or_a_date_is_no_feature(case: str, parquet: bool, drift: Drift) -> None:
    # evidently#337 and everyone who forgot to drop the column: each later row has another value
    name, make = {**KEYS, **TIMES}[case]

    def written(table: pd.DataFrame, start: int) -> Any:
        table = table.assign(**{name: make(start, table)})
        return pa.Table.from_pandas(table, preserve_index=False) if parquet else table

    assert drift.judge(written(BEFORE, 0), written(SAME, 9000)).code == 0
    moved = drift.check(written(MOVED, 9000))
    assert moved.code == 2, moved.text
    assert {feature["name"] for feature in moved.report["features"]} == {"x", "y"}
    assert name in json.dumps(moved.report)


def test_whole_numbers_that_measure_stay_features(drift: Drift) -> None:
    dice = np.random.default_rng(2)

    def made(count: int, shift: int) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "amount": dice.integers(100, 10_000_000, count) + shift,
                "year": dice.integers(1990, 2026, count),
                "paid": dice.integers(0, 2, count),
                "number": dice.integers(0, 50, count),
                "postcode": dice.choice([10115, 20095, 80331], count),
            }
        )

    same = drift.judge(made(ROWS, 0), made(FEWER, 0))
    assert same.code == 0, same.text
    assert len(same.report["features"]) == 5
    assert drift.check(made(FEWER, 5_000_000)).code == 2


@pytest.mark.parametrize("kind", ["hex", "underscored", "clock"])
def test_what_is_another_text_in_nearly_every_row_is_not_called_stable(kind: str, drift: Drift) -> None:
    write: Callable[[float], str] = {
        "hex": lambda v: hex(int(abs(v) * 1e6)),
        "underscored": lambda v: f"k_{int(v * 1e5)}_{int(v * 7)}",
        "clock": lambda v: (
            f"{int(abs(v) * 5) % 24:02d}:{int(abs(v) * 300) % 60:02d}:{int(abs(v) * 9999) % 60:02d}"
        ),
    }[kind]
    same, moved = judged(drift, lambda table: table.assign(x=table["x"].map(write)))
    for said in (same, moved):
        if said.code == 0:
            assert said.feature("x")["status"] != "stable", said.text
            assert "not tested: x" in said.text or "x" in said.text.split(), said.text


NO_TABLE: dict[str, bytes] = {
    "gzip": gzip.compress(BEFORE.to_csv(index=False).encode()),
    "zip": b"PK\x03\x04" + BEFORE.to_csv(index=False).encode(),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(range(200)),
    "json": BEFORE.to_json(orient="records").encode(),
    "json lines": BEFORE.to_json(orient="records", lines=True).encode(),
    "html": BEFORE.head(50).to_html().encode(),
    "an error's page": b"<!DOCTYPE html><html><body>403, Forbidden</body></html>\n",
    "UTF-16 without a mark": BEFORE.to_csv(index=False).encode("utf-16-le"),
    "UTF-32": BEFORE.to_csv(index=False).encode("utf-32"),
    "a title": b"Report 2026\nby me\n" + BEFORE.to_csv(index=False).encode(),
    "a comment": b"# exported\n" + BEFORE.to_csv(index=False).encode(),
    "units below the names": b"x,y\nkg,m\n" + BEFORE.to_csv(index=False, header=False).encode(),
    "totals at the end": BEFORE.to_csv(index=False).encode() + b"Total,17\n",
}


@pytest.mark.parametrize("kind", NO_TABLE)
def test_a_file_that_is_no_plain_table_is_refused_for_what_it_is(kind: str, drift: Drift) -> None:
    said = drift.baseline(NO_TABLE[kind])
    assert said is not None, kind
    assert said.code == 1
    assert "unexpected" not in said.text
    assert "delimiter" not in said.text  # which is not what is wrong with it
    refused = drift.baseline(BEFORE) or drift.check(NO_TABLE[kind])
    assert refused.code == 1, refused.text


def test_a_single_column_of_decimal_commas_has_no_title(drift: Drift) -> None:
    def made(table: pd.DataFrame) -> str:
        return "x\n" + "".join(f"{value:.2f}\n".replace(".", ",") for value in table["x"])

    assert drift.judge(made(BEFORE), made(SAME)).code == 0
    assert drift.check(made(MOVED)).code == 2


@pytest.mark.parametrize("parquet", [(False, True), (True, False), (False, False), (True, True)])
def test_blanks_around_names_are_one_name_in_every_format(parquet: tuple[bool, bool], drift: Drift) -> None:
    """CICIDS2017 writes ` Flow Duration`; CSV was read without the blank, Parquet with it."""

    def written(table: pd.DataFrame, as_parquet: bool) -> Any:
        table = table.rename(columns={"x": " x", "y": "y "})
        return pa.Table.from_pandas(table, preserve_index=False) if as_parquet else table

    assert drift.judge(written(BEFORE, parquet[0]), written(SAME, parquet[1])).code == 0
    assert drift.check(written(MOVED, parquet[1])).code == 2


def test_dates_as_numbers_are_no_epoch_seconds(drift: Drift) -> None:
    """20260131 is a day, and as seconds since 1970 an August that never ends."""
    table = BEFORE.assign(ts=pd.date_range("2026-01-01", periods=ROWS, freq="h").strftime("%Y%m%d"))
    made = drift.run("baseline", "--data", drift.put(table, "t"), "--out", "b.json", "--time-column", "ts")
    assert made.returncode == 1
    assert "date" in made.stderr
