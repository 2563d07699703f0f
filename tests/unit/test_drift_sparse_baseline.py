"""A baseline whose rows have times but are few: which windows it serves, and what is said of the others."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import driftlead_drift
from driftlead_drift.judging.policy import Policy
from driftlead_drift.judging.reference import choose, sparse
from driftlead_formats.baseline import Baseline, build


def hours(number: int, every: int = 1, *, each: int = 1) -> Baseline:
    """A baseline of this many hours from a Monday on, with `each` rows in every `every`-th one."""
    times = np.repeat(np.arange(0, number, every) * 3600.0 + 1_735_516_800, each)
    return build({"x": np.random.default_rng(1).normal(size=len(times))}, time=times)


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        (hours(2400, each=25), ""),
        (hours(2400), "the baseline has 1 row an hour on average: the variation between periods can be"),
        (hours(2400), "in windows of 20 hours or more."),
        (hours(2400, each=7), "in windows of 3 hours or more."),
        (hours(24 * 400, every=24), "in windows of 21 days or more."),
        (hours(30), "the baseline has 1 row an hour on average, too few in any part of it"),
        (build({"x": np.arange(50.0)}), ""),
    ],
)
def test_who_writes_a_baseline_of_few_rows_an_hour_is_told_which_windows_it_serves(
    baseline: Baseline, said: str
) -> None:
    note = sparse(baseline)
    assert said in note if said else not note


def test_the_shortest_window_that_is_named_is_judged_with_dependence_and_a_shorter_one_is_not() -> None:
    baseline = hours(2400)
    end, counts = 1_735_516_800 + 2400 * 3600.0, [baseline.features[0].counts]
    for length, known in ((20, "time"), (1, "assumed")):
        policy = Policy(period=None, window=length * 3600.0)
        found = choose(baseline, policy, end, end + length * 3600.0, counts=counts, rows=length)
        assert found.independence == known
    assert "one hour hold too few rows of the baseline" in found.sentence


def test_a_window_held_against_the_same_hours_says_when_these_hold_too_few_rows() -> None:
    baseline = hours(24 * 7 * 8)
    monday = 1_735_516_800 + 24 * 7 * 8 * 3600.0
    counts = [baseline.features[0].counts]
    found = choose(baseline, Policy(window=3600.0), monday, monday + 3600.0, counts=counts, rows=5)
    assert (found.matched, found.independence) == (True, "assumed")
    assert "one hour hold too few rows" in found.sentence and "same hours of 8 weeks" in found.sentence


def test_log_baseline_warns_where_the_rows_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    client = SimpleNamespace(log_model_artifacts=lambda *_: None)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=lambda: client))
    rows = pd.DataFrame({"x": np.arange(2400.0)})
    times = pd.Series(pd.date_range("2025-01-06", periods=2400, freq="h", tz="UTC"))
    with pytest.warns(UserWarning, match="in windows of 20 hours or more"):
        driftlead_drift.log_baseline(rows, model_id="m-1", time=times)
