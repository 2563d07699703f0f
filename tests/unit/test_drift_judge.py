"""The verdict: what is real and large is drift, what is not is not, and what cannot be told is said so."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from driftlead_drift.judging.facts import WindowCounts
from driftlead_drift.judging.features import FeatureJudgement
from driftlead_drift.judging.history import PastRun
from driftlead_drift.judging.judge import Judgement, judge
from driftlead_drift.judging.policy import REASONS, Policy
from driftlead_formats.baseline import Baseline, build

RNG = np.random.default_rng(11)
DAY = 86_400.0
ONE = Policy(persistence=1)
ROWS = 10_000
REFERENCE = {
    **{f"x{i}": RNG.normal(size=ROWS) for i in range(8)},
    "zeros": np.where(RNG.random(ROWS) < 0.4, 0, RNG.integers(1, 200, ROWS)),
    "kind": np.array(["red", "green", "blue"], dtype=object)[RNG.integers(0, 3, ROWS)],
    "flag": RNG.random(ROWS) < 0.2,
    "constant": np.full(ROWS, 7.0),
}
BASELINE = build(REFERENCE, prediction=RNG.random(ROWS))


def fresh(rows: int = 2000, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        **{f"x{i}": rng.normal(size=rows) for i in range(8)},
        "zeros": np.where(rng.random(rows) < 0.4, 0, rng.integers(1, 200, rows)),
        "kind": np.array(["red", "green", "blue"], dtype=object)[rng.integers(0, 3, rows)],
        "flag": rng.random(rows) < 0.2,
        "constant": np.full(rows, 7.0),
    }


def window(data: dict[str, np.ndarray], baseline: Baseline = BASELINE, **more: Any) -> WindowCounts:
    rows = len(next(iter(data.values())))
    return WindowCounts(features=baseline.count_columns(data), rows=rows, **more)


def of(verdict: Judgement, name: str) -> FeatureJudgement:
    return next(f for f in verdict.features if f.name == name)


def test_a_quiet_window_is_stable_and_says_so() -> None:
    verdict = judge(BASELINE, window(fresh()), ONE)
    assert (verdict.status, verdict.exit_code, verdict.reasons) == ("stable", 0, ())
    assert verdict.summary == "no drift in 2,000 rows"
    assert verdict.what_to_do == "nothing to do"


def test_the_same_data_and_its_float32_copy_are_stable_with_a_psi_of_zero() -> None:
    copy = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in REFERENCE.items()}
    verdict = judge(BASELINE, window(copy), ONE)
    assert verdict.status == "stable"
    assert all(f.value == 0 for f in verdict.features)


def test_a_large_shift_is_severe_in_one_window_whatever_the_persistence() -> None:
    data = fresh()
    data["x3"] = data["x3"] + 2
    verdict = judge(BASELINE, window(data), Policy())
    assert (verdict.status, verdict.exit_code, verdict.reasons) == ("severe", 2, ("x3",))
    assert "x3" in verdict.summary
    assert of(verdict, "x3").interval[0] > 0.25


def test_a_small_real_shift_is_changed_and_exits_zero() -> None:
    data = fresh(20_000)
    data["x0"] = data["x0"] + 0.15
    verdict = judge(BASELINE, window(data), ONE)
    assert (verdict.status, verdict.exit_code) == ("changed", 0)
    assert of(verdict, "x0").status == "changed"


def test_one_outlier_changes_nothing() -> None:
    data = fresh()
    before = of(judge(BASELINE, window(data), ONE), "x0").value
    data["x0"][0] = 1e6
    verdict = judge(BASELINE, window(data), ONE)
    assert verdict.status == "stable"
    assert abs(of(verdict, "x0").value - before) < 0.01


def test_a_feature_that_turns_null_is_severe_and_named_as_missing() -> None:
    data = fresh()
    data["x1"] = np.full(2000, np.nan)
    verdict = judge(BASELINE, window(data), ONE)
    assert verdict.exit_code == 2
    assert [f.kind for f in of(verdict, "x1").findings] == ["missing"]
    assert of(verdict, "x1").missing == (0.0, 1.0)
    assert "have no value" in of(verdict, "x1").sentence


def test_a_fifth_of_the_rows_times_a_thousand_is_a_change_of_scale() -> None:
    data = fresh()
    data["x2"] = np.where(np.random.default_rng(3).random(2000) < 0.2, 1000, 1) * data["x2"]
    verdict = judge(BASELINE, window(data), ONE)
    assert verdict.exit_code == 2
    assert [f.kind for f in of(verdict, "x2").findings] == ["scale"]


def test_a_column_that_becomes_constant_is_found_and_named() -> None:
    data = fresh()
    data["x4"] = np.full(2000, 0.1)
    verdict = judge(BASELINE, window(data), ONE)
    assert verdict.exit_code == 2
    assert "constant" in [f.kind for f in of(verdict, "x4").findings]


def test_a_constant_column_that_takes_another_value_is_found() -> None:
    data = fresh()
    data["constant"] = np.full(2000, 8.0)
    assert "constant" in judge(BASELINE, window(data), ONE).reasons


def test_one_percent_of_a_new_category_is_a_change_that_is_named_and_no_drift() -> None:
    data = fresh(5000)
    data["kind"][:50] = "violet"
    verdict = judge(BASELINE, window(data), ONE)
    assert of(verdict, "kind").status == "changed"
    assert [f.kind for f in of(verdict, "kind").findings] == ["new_values"]
    assert verdict.exit_code == 0


def test_integers_with_many_zeros_are_judged_like_any_other() -> None:
    data = fresh()
    data["zeros"] = np.where(np.random.default_rng(4).random(2000) < 0.8, 0, data["zeros"])
    verdict = judge(BASELINE, window(data), ONE)
    assert "zeros" in verdict.reasons
    assert "0 to 0.5" in of(verdict, "zeros").sentence


def test_the_prediction_decides_too() -> None:
    shifted = np.random.default_rng(5).random(2000) ** 2
    counts = BASELINE.count_prediction(shifted)
    verdict = judge(BASELINE, window(fresh(), prediction=counts), ONE)
    assert verdict.prediction is not None
    assert verdict.reasons == ("prediction",)
    assert verdict.exit_code == 2


def test_without_predictions_the_report_says_that_they_were_not_tested() -> None:
    assert "the prediction: the window has none" in judge(BASELINE, window(fresh()), ONE).not_tested
    without = build({"x": RNG.normal(size=500)})
    assert (
        "the prediction: the baseline has none"
        in judge(
            without, WindowCounts(features=without.count(RNG.normal(size=(500, 1))), rows=500), ONE
        ).not_tested
    )


@pytest.mark.parametrize("rows", [0, 3, 19, 100])
def test_too_few_rows_are_insufficient_and_it_is_said_how_many_are_needed(rows: int) -> None:
    verdict = judge(BASELINE, window({k: v[:rows] for k, v in fresh().items()}), ONE)
    assert (verdict.status, verdict.exit_code) == ("insufficient", 0)
    assert ("no rows" if rows == 0 else f"{rows} rows") in verdict.summary


def test_few_rows_that_all_lie_elsewhere_are_drift_and_from_100_rows_on_severe() -> None:
    data = {k: v[:60] for k, v in fresh().items()}
    data["x0"] = data["x0"] + 5
    assert judge(BASELINE, window(data), ONE).status == "drift"
    more = {k: v[:100] for k, v in fresh().items()}
    more["x0"] = more["x0"] + 5
    assert judge(BASELINE, window(more), ONE).status == "severe"
    three = {k: v[:3] for k, v in data.items()}
    assert judge(BASELINE, window(three), ONE).status == "insufficient"


def test_a_baseline_of_few_rows_can_never_call_anything_stable() -> None:
    small = build({"x": RNG.normal(size=60), "y": RNG.normal(size=60)})
    counts = small.count(RNG.normal(size=(5000, 2)))
    verdict = judge(small, WindowCounts(features=counts, rows=5000), ONE)
    assert verdict.status == "insufficient"
    assert verdict.min_rows is None
    assert "60 rows" in verdict.summary


def test_half_of_the_features_moving_a_little_at_once_is_a_broad_shift() -> None:
    data = fresh(5000)
    for i in range(8):
        data[f"x{i}"] = data[f"x{i}"] + 0.27
    verdict = judge(BASELINE, window(data), ONE)
    assert all(of(verdict, f"x{i}").status == "changed" for i in range(8))
    assert (verdict.status, verdict.reasons, verdict.broad) == ("drift", ("broad shift",), True)


@pytest.mark.parametrize("change", ["sha", "width", "bins", "rows"])
def test_a_window_of_another_baseline_is_an_error_never_drift(change: str) -> None:
    good = window(fresh())
    bad = {
        "sha": replace(good, baseline_sha256="0" * 64),
        "width": replace(good, features=good.features[:-1]),
        "bins": replace(good, features=[good.features[0][:-1], *good.features[1:]]),
        "rows": replace(good, rows=1999),
    }[change]
    verdict = judge(BASELINE, bad, ONE)
    assert (verdict.status, verdict.exit_code, verdict.features) == ("error", 1, ())
    assert verdict.summary


def moved(**more: Any) -> WindowCounts:
    """A window in drift, but not surely severe."""
    data = fresh(3000)
    data["x0"] = data["x0"] + 0.42
    return window(data, **more)


def test_drift_needs_two_windows_in_a_row() -> None:
    first = judge(BASELINE, moved(start=0.0, end=7 * DAY), Policy())
    assert (first.status, first.exit_code, first.alarm, first.consecutive) == ("changed", 0, True, 1)
    assert "1 of 2 windows" in first.summary
    past = PastRun(status="changed", consecutive=1, start=0.0, end=7 * DAY)
    second = judge(BASELINE, moved(start=7 * DAY, end=14 * DAY), Policy(), [past])
    assert (second.status, second.exit_code, second.consecutive) == ("drift", 2, 2)


@pytest.mark.parametrize("past", [
    PastRun(status="changed", consecutive=1, start=1 * DAY, end=8 * DAY),
    PastRun(status="changed", consecutive=1, start=0, end=7 * DAY, scheduled=False),
    PastRun(status="changed", consecutive=1, start=0, end=7 * DAY, version="2"),
    PastRun(status="stable", consecutive=0, start=0, end=7 * DAY),
    PastRun(status="error", consecutive=0, start=0, end=7 * DAY),
    PastRun(status="changed", consecutive=1, start=-30 * DAY, end=-23 * DAY),
])  # fmt: skip
def test_overlapping_manual_foreign_quiet_failed_and_old_windows_do_not_count(past: PastRun) -> None:
    verdict = judge(BASELINE, moved(start=7 * DAY, end=14 * DAY), Policy(), [past])
    assert (verdict.exit_code, verdict.consecutive) == (0, 1)


def test_overlapping_runs_between_two_disjoint_ones_do_no_harm() -> None:
    past = [PastRun(status="changed", consecutive=1, start=k * DAY, end=(k + 7) * DAY) for k in range(8)]
    verdict = judge(BASELINE, moved(start=14 * DAY, end=21 * DAY), Policy(persistence=3), past)
    assert (verdict.exit_code, verdict.consecutive) == (2, 3)


def test_files_without_times_count_one_after_another() -> None:
    past = PastRun(status="changed", consecutive=1)
    assert judge(BASELINE, moved(), Policy(), [past]).exit_code == 2


def test_live_windows_say_how_much_traffic_differs_from_itself() -> None:
    names = [*BASELINE.names, "prediction"]
    past = [
        PastRun(
            status="stable",
            consecutive=0,
            start=7 * k * DAY,
            end=7 * (k + 1) * DAY,
            values={n: (0.3 if n == "x0" else 0.004, 9, 4e-4) for n in names},
        )
        for k in range(9)
    ]
    now = moved(start=70 * DAY, end=77 * DAY)
    verdict = judge(BASELINE, now, ONE, past)
    assert verdict.independence == "live"
    assert not verdict.independence_assumed
    assert verdict.exit_code == 0
    assert judge(BASELINE, now, ONE, past[:3]).exit_code == 2


def test_the_windows_own_stretches_are_used_when_nothing_else_is_known() -> None:
    data = fresh(7000)
    parts = [BASELINE.count_columns({k: v[i::7] for k, v in data.items()}) for i in range(7)]
    blocks = [np.stack([p[i] for p in parts]) for i in range(len(BASELINE.features))]
    blocks.append(np.zeros((7, BASELINE.prediction.bin_count if BASELINE.prediction else 0), dtype=int))
    assert judge(BASELINE, window(data, blocks=blocks), ONE).independence == "live"


def test_stating_independence_is_not_assuming_it() -> None:
    verdict = judge(BASELINE, window(fresh()), replace(ONE, assume_independent=True))
    assert verdict.independence == "stated"
    assert not verdict.independence_assumed


def test_the_plain_rule_prints_its_false_alarm_rate() -> None:
    plain = replace(ONE, rule="psi")
    fiftieth = tuple(replace(bins, counts=bins.counts // 50) for bins in BASELINE.features)
    small = Baseline(features=fiftieth, rows=200)
    few = {k: v[:150] for k, v in fresh().items()}
    assert judge(BASELINE, window(fresh()), plain).expected_false_alarm_rate < 1e-6
    assert 0.1 < judge(small, window(few), plain).expected_false_alarm_rate < 1
    data = fresh()
    data["x0"] = data["x0"] + 0.6
    assert judge(BASELINE, window(data), plain).status == "drift"
    assert judge(BASELINE, window(fresh()), ONE).expected_false_alarm_rate == 0.01


def test_five_hundred_quiet_features_do_not_alarm() -> None:
    rng = np.random.default_rng(6)
    wide = build({f"f{i}": rng.normal(size=2000) for i in range(500)})
    verdict = judge(wide, WindowCounts(features=wide.count(rng.normal(size=(1000, 500))), rows=1000), ONE)
    assert verdict.exit_code == 0
    assert sum(f.status != "stable" for f in verdict.features) < 10


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
def test_random_halves_of_known_data_hardly_ever_alarm(name: str) -> None:
    data = getattr(datasets, f"load_{name}")().data
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(25):
        order = rng.permutation(len(data))
        half = build({f"f{i}": data[order[::2], i] for i in range(data.shape[1])})
        other = data[order[1::2]]
        alarms += judge(half, WindowCounts(features=half.count(other), rows=len(other)), ONE).exit_code == 2
    assert alarms == 0


def test_clusters_of_rows_need_their_groups() -> None:
    rng = np.random.default_rng(8)

    def rows(clusters: int) -> np.ndarray:
        shared = np.repeat(rng.normal(size=(clusters, 6)), 50, axis=0)
        return 0.7 * shared + 0.7 * rng.normal(size=shared.shape)

    exits = {"groups": 0, "assumed": 0}
    for _ in range(8):
        past, now = rows(200), rows(20)
        for known, groups in (("groups", np.arange(10_000) // 50), ("assumed", None)):
            baseline = build({f"f{i}": past[:, i] for i in range(6)}, groups=groups)
            verdict = judge(baseline, WindowCounts(features=baseline.count(now), rows=1000), ONE)
            assert verdict.independence == known
            exits[known] += verdict.exit_code == 2
    assert exits["groups"] <= 1
    assert exits["assumed"] >= exits["groups"] + 2


@pytest.mark.parametrize("wrong", [
    {"q": 0}, {"q": 1.5}, {"tau": -1}, {"severe": 0.05}, {"persistence": 0}, {"rule": "magic"},
    {"period": 0.0}, {"min_rows": -1}, {"class_ratio": 1.0},
])  # fmt: skip
def test_a_threshold_that_makes_no_sense_is_refused_in_a_sentence(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Policy(**wrong)


def test_every_threshold_has_a_reason() -> None:
    assert set(REASONS) == set(Policy.__dataclass_fields__)


def test_hostile_names_stay_text_in_every_sentence() -> None:
    name = "<script>alert(1)</script>\x00\n{0}%s"
    hostile = build({name: RNG.normal(size=3000)})
    verdict = judge(hostile, WindowCounts(features=hostile.count(RNG.normal(3, 1, (900, 1))), rows=900), ONE)
    assert verdict.reasons == (name,)
    assert name in verdict.summary
