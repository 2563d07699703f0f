"""`driftlead-drift baseline` and `check` on files, as a user calls them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftlead_drift.__main__ import main

ROWS = 4000


def table(seed: int, rows: int = ROWS, shift: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": random.normal(shift, 1, rows),
            "visits": random.poisson(2, rows),
            "colour": random.choice(["red", "green", "blüe"], rows),
            "member": random.random(rows) < 0.3,
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("files")
    table(0).to_csv(where / "reference.csv", index=False)
    table(1).to_csv(where / "same.csv", index=False)
    table(2, shift=1.0).to_csv(where / "shifted.csv", index=False)
    assert main(["baseline", "--data", f"{where}/reference.csv", "--out", f"{where}/baseline.json"]) == 0
    return where


def check(folder: Path, data: str, *more: str) -> int:
    return main(["check", "--baseline", f"{folder}/baseline.json", "--data", f"{folder}/{data}", *more])


def report(folder: Path) -> dict[str, object]:
    return json.loads((folder / "out/report.json").read_bytes())


def test_the_same_data_is_stable_and_exits_0(folder: Path) -> None:
    assert check(folder, "same.csv", "--report", f"{folder}/out") == 0
    assert report(folder)["verdict"]["status"] == "stable"
    assert (folder / "out/report.html").read_text().startswith("<!doctype html>")


def test_a_shift_exits_2_and_names_the_feature(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder, "shifted.csv", "--report", f"{folder}/out") == 2
    verdict = report(folder)["verdict"]
    assert verdict["reasons"] == ["amount"]
    assert verdict["independence_assumed"] is True
    assert "amount" in capsys.readouterr().out


def test_exit_zero_keeps_the_code_in_the_summary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder, "shifted.csv", "--exit-zero", "--json") == 0
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


def test_the_plain_rule_says_how_often_it_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder, "shifted.csv", "--rule", "psi") == 2
    assert "expected false alarms" in capsys.readouterr().out


def test_a_parquet_file_counts_as_the_same_csv(folder: Path) -> None:
    table(2, shift=1.0).to_parquet(folder / "shifted.parquet")
    counts = []
    for name in ("shifted.csv", "shifted.parquet"):
        assert check(folder, name, "--report", f"{folder}/out") == 2
        counts.append([feature["current_counts"] for feature in report(folder)["features"]])
    assert counts[0] == counts[1]


def test_a_float32_copy_is_stable(folder: Path) -> None:
    table(0).assign(amount=lambda t: t["amount"].astype("float32")).to_csv(folder / "f32.csv", index=False)
    assert check(folder, "f32.csv", "--report", f"{folder}/out") == 0
    assert max(feature["psi"] for feature in report(folder)["features"]) < 0.001


def test_columns_in_another_order_are_the_same_and_more_columns_are_named(folder: Path) -> None:
    other = table(1).iloc[:, ::-1].assign(surplus=1)
    other.to_csv(folder / "other.csv", index=False)
    assert check(folder, "other.csv", "--report", f"{folder}/out") == 0
    assert "surplus" in report(folder)["notes"][0]


def test_no_rows_are_insufficient_and_strict_makes_that_a_1(folder: Path) -> None:
    table(1).head(0).to_csv(folder / "none.csv", index=False)
    assert check(folder, "none.csv", "--report", f"{folder}/out") == 0
    assert report(folder)["verdict"]["status"] == "insufficient"
    assert check(folder, "none.csv", "--strict", "--report", f"{folder}/out") == 1
    assert report(folder)["verdict"]["exit_code"] == 1


def test_history_makes_persistence_count_windows(folder: Path, tmp_path: Path) -> None:
    mild = table(3, shift=0.45)
    mild.to_csv(folder / "mild.csv", index=False)
    again = ["--history", str(tmp_path), "--persistence", "2"]
    assert check(folder, "mild.csv", *again) == 0
    assert check(folder, "mild.csv", *again) == 2
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_bytes_that_are_no_utf8_are_a_category_like_any_other(folder: Path) -> None:
    text = (folder / "same.csv").read_bytes().replace("blüe".encode(), "blüe".encode("latin-1"))
    (folder / "latin.csv").write_bytes(text)
    assert check(folder, "latin.csv", "--report", f"{folder}/out") == 2
    colour = next(f for f in report(folder)["features"] if f["name"] == "colour")
    assert "never had" in colour["findings"][0]["sentence"]


def test_a_time_column_makes_the_baseline_know_its_variation_between_periods(folder: Path) -> None:
    hours = pd.date_range("2026-01-01", periods=ROWS, freq="h").strftime("%Y-%m-%dT%H:%M:%S")
    table(0).assign(when=hours).to_csv(folder / "timed.csv", index=False)
    arguments = ["baseline", "--data", f"{folder}/timed.csv", "--out", f"{folder}/timed.json"]
    assert main([*arguments, "--time-column", "when"]) == 0
    table(1).assign(when=hours).to_csv(folder / "later.csv", index=False)
    code = main(
        ["check", "--baseline", f"{folder}/timed.json", "--data", f"{folder}/later.csv",
         "--time-column", "when",
         "--report", f"{folder}/out"]
    )  # fmt: skip
    assert code == 0
    assert report(folder)["verdict"]["independence"] == "time"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", b"", "is empty"),
        ("headless.csv", b"1,2,3,4\n5,6,7,8\n", "must name the features"),
        ("lacking.csv", b"amount,visits\n1,2\n", "lacks 'colour', 'member'"),
        (
            "twice.csv",
            b"amount,amount,visits,colour,member\n1,1,2,red,true\n",
            "several columns named 'amount'",
        ),
        ("ragged.csv", b"amount,visits,colour,member\n1,2,red,true\n1,2\n", "line 3"),
        ("text.csv", b"amount,visits,colour,member\nabc,2,red,true\nx,1,red,true\n", "holds text ('abc')"),
        ("liar.parquet", b"amount,visits\n", "not PAR1"),
        ("torn.csv", b"PAR1 and then nothing of the kind", "not readable as Parquet"),
    ],
)
def test_a_file_that_is_no_table_ends_with_1_and_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, sentence: str
) -> None:
    (folder / name).write_bytes(content)
    assert check(folder, name, "--report", f"{folder}/out") == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert report(folder)["verdict"]["status"] == "error"


def test_a_parquet_file_whose_pages_are_not_what_was_written_ends_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "damaged.parquet"
    pq.write_table(pa.Table.from_pandas(table(1), preserve_index=False), file, write_page_checksum=True)
    damaged = bytearray(file.read_bytes())
    damaged[2000] ^= 1
    file.write_bytes(damaged)
    assert check(folder, file.name, "--report", f"{folder}/out") == 1
    assert "breaks off" in capsys.readouterr().err
    assert report(folder)["verdict"]["status"] == "error"


def test_a_parquet_file_whose_text_is_no_text_ends_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [None, pa.py_buffer(np.array([0, 1, 3], dtype=np.int32)), pa.py_buffer(b"a\xff\xfe")]
    lie = pa.Array.from_buffers(pa.string(), 2, parts)
    numbers = {"amount": [1.0, 2.0], "visits": [1, 2], "member": [True, False]}
    pq.write_table(pa.table({**numbers, "colour": lie}), folder / "lie.parquet")
    assert check(folder, "lie.parquet", "--report", f"{folder}/out") == 1
    said = capsys.readouterr().err
    assert "breaks off" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--baseline", "{}/nowhere.json", "--data", "{}/same.csv"], "cannot be read"),
        (["--baseline", "{}/same.csv", "--data", "{}/same.csv"], "not valid JSON"),
        (["--baseline", "{}/baseline.json", "--data", "{}/nowhere.csv"], "cannot be read"),
        (["--baseline", "{}/baseline.json", "--data", "{}"], "cannot be read"),
        (["--data", "{}/same.csv"], "no baseline"),
        (
            ["--baseline", "{}/baseline.json", "--data", "{}/same.csv", "--report", "/proc/no"],
            "cannot be written",
        ),
        (
            ["--baseline", "{}/baseline.json", "--data", "{}/same.csv", "--time-column", "when"],
            "lacks 'when'",
        ),
    ],
)
def test_what_is_not_there_ends_with_1_and_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["check", *(argument.replace("{}", str(folder)) for argument in arguments)]) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_a_model_saved_in_a_folder_brings_its_baseline(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "driftlead").mkdir()
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "driftlead/baseline.json").write_bytes((folder / "baseline.json").read_bytes())
    assert main(["check", "--model", str(tmp_path), "--data", f"{folder}/shifted.csv"]) == 2
