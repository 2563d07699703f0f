"""How many times as often a class is predicted: the ratio's interval, and what of it alarms."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from driftlead_drift.judging.class_rates import ClassRate, moved_class
from driftlead_drift.judging.policy import Policy
from driftlead_drift.statistics.dependence import Component, component
from driftlead_drift.statistics.rates import ratio
from driftlead_formats.baseline.binning import FeatureBins


def bins(*counts: int, **more: Any) -> FeatureBins:
    names = tuple(f"c{k}" for k in range(len(counts)))
    return FeatureBins("prediction", "categorical", np.array([*counts, 0, 0]), categories=names, **more)


def moved(now: tuple[int, ...], before: FeatureBins, between: Component | None = None) -> ClassRate | None:
    return moved_class(before, (before.counts, np.array([*now, 0, 0])), between, Policy())


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    exact = stats.binomtest(40, 50).proportion_ci(0.98, method="exact")
    low, high = ratio(10, 1000, 40, 2000, level=0.01)
    assert low == pytest.approx(exact.low / (1 - exact.low) / 2)
    assert high == pytest.approx(exact.high / (1 - exact.high) / 2)


@pytest.mark.parametrize(("share", "times"), [(0.01, 2.0), (0.001, 3.0), (0.2, 1.0)])
def test_the_interval_holds_the_true_ratio_at_least_as_often_as_promised(share: float, times: float) -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for a, b in zip(rng.binomial(20_000, share, 2000), rng.binomial(5_000, share * times, 2000), strict=True):
        low, high = ratio(a, 20_000, b, 5_000, level=0.05)
        missed += not low <= times <= high
    assert missed / 2000 <= 0.1


def test_what_training_never_had_has_no_upper_bound_and_what_is_gone_no_lower_one() -> None:
    low, high = ratio(0, 10_000, 30, 10_000, level=0.001)
    assert low > 2 and math.isinf(high)
    low, high = ratio(30, 10_000, 0, 10_000, level=0.001)
    assert low == 0 and high < 0.5


def test_a_rate_that_is_known_from_few_periods_is_known_badly() -> None:
    surely = ratio(100, 10_000, 400, 10_000, level=0.001, varies=2.0)
    hardly = ratio(100, 10_000, 400, 10_000, level=0.001, varies=2.0, freedom=4)
    assert hardly[0] < surely[0] < 4 < surely[1] < hardly[1]
    assert ratio(100, 10_000, 400, 10_000, level=0.001, varies=2.0, freedom=0)[0] == 0


def test_a_rare_class_that_comes_four_times_as_often_alarms_and_half_more_often_does_not() -> None:
    before = bins(100, 9_900)
    found = moved((400, 9_600), before)
    assert found is not None and found.bin == 0
    assert 2 < found.low < 4 == found.ratio < found.high
    assert moved((150, 9_850), before) is None
    fewer = moved((25, 9_975), bins(200, 9_800))
    assert fewer is not None and fewer.high < 0.5


def test_a_handful_of_rows_is_never_a_rate() -> None:
    assert moved((19, 999_981), bins(0, 1_000_000)) is None
    assert moved((20, 999_980), bins(0, 1_000_000)) is not None


def test_numbers_with_bins_of_their_own_have_no_classes() -> None:
    before = FeatureBins("prediction", "numeric", np.array([0, 100, 9_900, 0, 0, 0]), edges=np.arange(3.0))
    now = np.array([0, 800, 9_200, 0, 0, 0])
    assert moved_class(before, (before.counts, now), None, Policy()) is None
    few = FeatureBins("prediction", "numeric", np.array([0, 100, 9_900, 0, 0, 0]), points=(0.0, 1.0))
    found = moved_class(few, (few.counts, now), None, Policy())
    assert found is not None and found.bin == 1


def test_missing_predictions_are_no_class() -> None:
    before = bins(5_000, 5_000)
    now = np.array([4_800, 4_800, 400, 0])
    assert moved_class(before, (before.counts, now), None, Policy()) is None


def test_a_rate_that_moves_from_day_to_day_has_to_move_further() -> None:
    rng = np.random.default_rng(2)
    rates = 0.01 * np.exp(0.8 * rng.normal(size=10))
    blocks = np.stack([np.append(rng.multinomial(10_000, [r, 1 - r]), [0, 0]) for r in rates])
    known = component([blocks])
    assert known is not None and known.of_bin(0) == pytest.approx(known.of_bin(1), rel=1e-6)
    before = bins(*blocks.sum(axis=0)[:2].tolist())
    now = (int(0.04 * 10_000), int(0.96 * 10_000))
    assert moved(now, before) is not None
    assert moved(now, before, known) is None


def test_live_windows_know_the_prediction_as_a_whole_which_is_careful() -> None:
    known = Component(first=0.02, second=0.0004, blocks=8, freedom=7, rows=1000.0)
    assert known.of_bin(3) == 0.02
    assert component([np.full((4, 3), 100)]).of_bin(0) == 0.0  # type: ignore[union-attr]
