"""What the drift check said that surprised people: of new missing values, of rare predictions, of names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drifting import Drift, Said

WINDOW = 20_000


@pytest.fixture
def drift(python: Path, tmp_path: Path) -> Drift:
    return Drift(python, tmp_path)


def with_gaps(rows: int, share: float, seed: int) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    x = dice.normal(size=rows)
    x[: int(share * rows)] = np.nan
    return pd.DataFrame({"x": x, "y": dice.normal(size=rows)})


# A feed begins to drop values that training always had (evidently#334, great_expectations' defaults).
@pytest.mark.parametrize(("share", "code"), [(0.015, 0), (0.035, 2)])
def test_new_missing_values_have_one_verdict_whatever_the_baselines_size(
    drift: Drift, share: float, code: int
) -> None:
    now = with_gaps(WINDOW, share, seed=1)
    found = [drift.judge(with_gaps(rows, 0.0, seed=2), now) for rows in (1_000, 10_000, 100_000)]
    assert [each.code for each in found] == [code] * 3
    assert len({each.status for each in found}) == 1
    psi = [each.feature("x")["psi"] for each in found]
    assert max(psi) - min(psi) < 0.012  # what is left is the chance of 1,000 rows


def test_what_training_seldom_had_and_the_window_never_has_is_no_drift_of_a_large_window(
    drift: Drift,
) -> None:
    said = drift.judge(with_gaps(1_000, 0.01, seed=3), with_gaps(100_000, 0.0, seed=4))
    assert said.code == 0
    assert said.feature("x")["psi"] < 0.06


def answers(rows: int, share: float, seed: int) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    said = np.where(dice.random(rows) < share, "fraud", "good")
    return pd.DataFrame({"x": dice.normal(size=rows), "said": said})


def checked(drift: Drift, before: float, now: float, *flags: str) -> Said:
    return drift.judge(
        answers(10_000, before, seed=5), answers(10_000, now, seed=6), "--prediction-column", "said", *flags
    )


# Fraud and churn models: PSI of such a change is 0.03 (the usual rule of thumb asks for 0.1).
@pytest.mark.parametrize(("before", "now"), [(0.01, 0.04), (0.04, 0.01), (0.0, 0.01)])
def test_a_rare_prediction_that_became_far_more_or_less_frequent_is_drift(
    drift: Drift, before: float, now: float
) -> None:
    said = checked(drift, before, now)
    assert (said.code, said.status) == (2, "drift")
    assert "times as often" in said.text
    assert ("are 'fraud'" if before else "training did not have") in said.text


@pytest.mark.parametrize(("before", "now"), [(0.01, 0.01), (0.01, 0.015), (0.001, 0.002), (0.0005, 0.0)])
def test_a_rare_prediction_that_is_as_rare_as_chance_and_taste_allow_is_none(
    drift: Drift, before: float, now: float
) -> None:
    assert checked(drift, before, now).code == 0


def test_how_many_times_as_often_is_a_matter_of_a_setting(drift: Drift) -> None:
    made = drift.baseline(answers(10_000, 0.01, seed=5), "--prediction-column", "said")
    assert made is None
    now, said = answers(10_000, 0.04, seed=6), ("--prediction-column", "said")
    assert drift.check(now, *said, "--class-ratio", "6").code == 0
    assert drift.check(now, *said, "--class-ratio", "1").code == 1


NAME = "late\x1b[2J\x1b]0;owned\x07\u202e"


# A column's name comes from whoever wrote the file (CVE-2003-0063: terminals that echo a title).
@pytest.mark.parametrize(
    "words",
    [
        ("baseline", "--data", "named.csv", "--exclude", "x"),
        ("baseline", "--data", "named.csv", "--time-column", NAME),
        ("baseline", "--data", "plain.csv", "--time-column", NAME),
        ("baseline", "--data", "plain.csv", f"--{NAME}", "1"),
        ("check", "--baseline", "named.json", "--data", "named.csv"),
        ("check", "--baseline", "named.json", "--data", "plain.csv"),
    ],
)
def test_names_and_values_of_a_file_are_no_commands_to_the_terminal(
    drift: Drift, words: tuple[str, ...]
) -> None:
    table = with_gaps(2_000, 0.0, seed=1)
    drift.put(table, "plain")
    drift.put(table.rename(columns={"y": NAME}), "named")
    drift.run("baseline", "--data", "named.csv", "--out", "named.json")
    done = drift.run(*words)
    assert "Traceback" not in done.stderr
    assert all(c.isprintable() or c == "\n" for c in done.stdout + done.stderr)


# Values that float32 does not hold made a warning of NumPy's, with a path of the source, in the terminal.
def test_values_beyond_float32_are_counted_without_a_word_of_numpy(drift: Drift) -> None:
    table = with_gaps(2_000, 0.0, seed=1)
    table.loc[:9, "x"] = [1e39, -1e39, 1e300, -1e300, 1.7e308, 1e-300, 5e-324, 3.5e38, -3.5e38, 0.0]
    said = drift.judge(table, with_gaps(2_000, 0.0, seed=2))
    assert said.code == 0
    assert "Warning" not in said.text
    assert "Warning" not in drift.run("baseline", "--data", "before.csv", "--out", "again.json").stderr
