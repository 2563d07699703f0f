"""Mean and quantiles from bins come near those of the rows, and say where they are bounds."""

import numpy as np
import pytest

from driftlead_drift.statistics.quantiles import Values, values
from driftlead_formats.baseline import build

RANDOM = np.random.default_rng(0)


def of(before: np.ndarray, now: np.ndarray) -> Values | None:
    baseline = build({"x": before})
    return values(baseline.features[0], baseline.count(now.reshape(-1, 1))[0])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (RANDOM.normal(15, 5, 30_000), RANDOM.normal(18, 5, 4000)),
        (RANDOM.gamma(2, 10, 30_000), RANDOM.gamma(2, 10, 4000)),
        (RANDOM.lognormal(0, 0.5, 30_000), RANDOM.lognormal(0.2, 0.5, 4000)),
        (RANDOM.poisson(40, 20_000).astype(float), RANDOM.poisson(45, 4000).astype(float)),
        (RANDOM.exponential(1, 20_000), RANDOM.exponential(1, 50)),
    ],
)
def test_they_come_near_those_of_the_rows(before: np.ndarray, now: np.ndarray) -> None:
    for rows in (before, now):
        found = of(before, rows)
        assert found is not None
        spread = float(np.std(rows))
        assert found.mean == pytest.approx(rows.mean(), abs=0.15 * spread)
        for name, level in (("p05", 0.05), ("median", 0.5), ("p95", 0.95)):
            assert getattr(found, name) == pytest.approx(np.quantile(rows, level), abs=0.4 * spread), name
        assert found.beyond == {}


def test_few_known_values_are_exact() -> None:
    rows = np.array([0.0] * 50 + [1.0] * 30 + [4.0] * 20)
    found = of(rows, rows)
    assert found is not None
    assert (found.mean, found.p05, found.median, found.p95) == (pytest.approx(1.1), 0.0, 0.0, 4.0)


@pytest.mark.parametrize(("by", "side"), [(100.0, "above"), (-100.0, "below")])
def test_rows_beyond_training_make_bounds(by: float, side: str) -> None:
    before = RANDOM.normal(size=2000)
    found = of(before, before + by)
    assert found is not None
    assert dict(found.beyond) == dict.fromkeys(("p05", "median", "p95", "mean"), side)
    edge = before.max() if by > 0 else before.min()
    assert found.median == pytest.approx(edge, rel=1e-5)


def test_rows_beyond_on_both_sides_have_no_mean() -> None:
    before = RANDOM.normal(size=2000)
    found = of(before, np.concatenate([before + 100, before - 100]))
    assert found is not None
    assert found.mean is None


def test_missing_values_do_not_count_and_without_any_value_there_is_nothing() -> None:
    before = RANDOM.normal(5, 1, 2000)
    gaps = np.where(RANDOM.random(2000) < 0.5, np.nan, before)
    found = of(before, gaps)
    assert found is not None
    assert found.median == pytest.approx(5, abs=0.1)
    assert of(before, np.full(100, np.nan)) is None


def test_a_bin_as_wide_as_an_outlier_makes_it_leaves_the_quantiles_where_rows_are() -> None:
    before = np.concatenate([RANDOM.normal(size=5000), [1e9]])
    found = of(before, before)
    assert found is not None
    assert found.p95 < 1e8


def test_categories_have_none() -> None:
    baseline = build({"x": np.array(["a", "b"] * 50, dtype=object)})
    assert values(baseline.features[0], baseline.features[0].counts) is None
