"""Bins: frozen, the same for every path, and nothing that reaches them is lost."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftlead_formats.baseline.binning import FeatureBins, Scanner
from driftlead_formats.baseline.choosing import bin_feature, counted

RNG = np.random.default_rng(1)


def naive(bins: FeatureBins, column: np.ndarray) -> list[int]:
    """The layout's definition, value by value."""
    counts = [0] * bins.bin_count
    with np.errstate(over="ignore"):
        column = column.astype(np.float32)
    for value in column:
        if not np.isfinite(value):
            counts[-2] += 1
        elif bins.points:
            inside = [i for i, p in enumerate(bins.points) if np.float32(p) == value]
            low, high = value < np.float32(bins.points[0]), value > np.float32(bins.points[-1])
            counts[1 + inside[0] if inside else 0 if low else bins.interior + 1 if high else -1] += 1
        else:
            counts[int(np.searchsorted(bins.edges, float(value), side="right"))] += 1
    return counts


@pytest.mark.parametrize("values", [
    RNG.normal(size=3000),
    RNG.integers(0, 12, 3000),
    np.where(RNG.random(3000) < 0.4, 0, RNG.integers(1, 400, 3000)),
    RNG.exponential(size=3000).round(2),
    np.full(50, 7.5),
])  # fmt: skip
def test_counting_is_the_layouts_definition_for_reference_and_for_strangers(values: np.ndarray) -> None:
    bins = bin_feature("x", values)
    strange = np.concatenate([values[:500] * 1.7 - 1, [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e300]])
    assert bins.counts.tolist() == naive(bins, values)
    assert counted(bins, strange).counts.tolist() == naive(bins, strange)
    assert counted(bins, np.tile(strange, 20)).counts.tolist() == [20 * c for c in naive(bins, strange)]


def test_every_row_is_in_exactly_one_bin_whatever_it_holds() -> None:
    values = np.array([1.5, None, "text", float("inf"), True, 10**400, [1], {"a": 1}], dtype=object)
    bins = bin_feature("x", RNG.normal(size=500))
    assert Scanner([bins]).count(bins.codes(values).reshape(-1, 1))[0].sum() == len(values)
    assert Scanner([bins]).count(bins.codes(values).reshape(-1, 1))[0][bins.missing_bin] == 6


def test_a_float32_copy_of_the_data_falls_into_the_same_bins() -> None:
    for scale in (1e-30, 1.0, 1e30):
        values = RNG.normal(size=2000) * scale
        bins = bin_feature("x", values)
        assert counted(bins, values.astype(np.float32)).counts.tolist() == bins.counts.tolist()


def test_deciles_hold_a_tenth_each_and_the_ends_are_closed_at_the_extremes() -> None:
    values = RNG.normal(size=10_000)
    bins = bin_feature("x", values)
    assert bins.counts[1:-3].tolist() == [1000] * 10
    assert bins.counts[[0, -3, -2, -1]].tolist() == [0, 0, 0, 0]
    beyond = np.array([values.min() - 1, values.max() + 1])
    assert counted(bins, beyond).counts[[0, -3]].tolist() == [1, 1]


def test_edges_are_float32_values_between_the_references_own() -> None:
    values = RNG.normal(size=1000).astype(np.float32)
    edges = bin_feature("x", values).edges
    assert (edges.astype(np.float32) == edges).all()
    assert not np.isin(edges[1:-1], values).any()


def test_few_distinct_values_are_told_apart_and_a_value_between_them_is_new() -> None:
    bins = bin_feature("x", np.repeat([1, 2, 4], [50, 30, 20]))
    assert bins.points == (1.0, 2.0, 4.0)
    assert counted(bins, np.array([0, 1, 2, 3, 4, 5])).counts.tolist() == [1, 1, 1, 1, 1, 0, 1]


def test_a_few_rows_of_a_continuous_feature_are_not_taken_for_its_only_values() -> None:
    bins = bin_feature("x", RNG.normal(size=15))
    assert bins.points == ()


def test_a_spike_has_a_bin_of_its_own() -> None:
    values = np.where(RNG.random(5000) < 0.4, 0, RNG.integers(1, 500, 5000))
    bins = bin_feature("x", values)
    assert (values == 0).sum() in bins.counts
    assert bins.interior >= 6


def test_a_constant_column_has_one_point_and_tells_any_other_value() -> None:
    bins = bin_feature("x", np.full(100, 3.0))
    assert counted(bins, np.array([3.0, 2.0, 4.0])).counts.tolist() == [1, 1, 1, 0, 0]


def test_a_column_without_values_still_counts_what_comes_later() -> None:
    bins = bin_feature("x", np.full(100, np.nan))
    assert bins.missing == 100
    assert counted(bins, np.array([1.0, np.nan])).counts.sum() == 2


def test_integers_that_float32_would_merge_become_codes_and_stay_apart() -> None:
    values = 16_777_216 + np.arange(1000) % 4
    bins = bin_feature("id", values)
    assert bins.kind == "categorical"
    assert bins.counts[:4].tolist() == [250] * 4
    assert counted(bins, bins.codes(np.array([16_777_217]))).counts[1] == 1


def test_rare_and_unseen_categories_are_counted_as_other() -> None:
    values = np.array(["a"] * 60 + ["b"] * 39 + [None], dtype=object)
    bins = bin_feature("x", values)
    assert bins.categories == ("a", "b")
    assert counted(bins, bins.codes(["a", "new", None, "b", "b"])).counts.tolist() == [1, 2, 1, 1]


def test_a_different_text_in_every_row_makes_no_categories() -> None:
    assert bin_feature("id", np.array([f"u{i}" for i in range(500)], dtype=object)).categories == ()


def test_truth_values_and_their_numbers_are_the_same() -> None:
    bins = bin_feature("x", np.array([True, False, True, None], dtype=object))
    assert bins.kind == "boolean"
    assert bins.codes(np.array([1, 0])).tolist() == bins.codes(np.array([True, False], dtype=object)).tolist()


@pytest.mark.parametrize("values", [
    np.array(["2013-01-01"], dtype="datetime64[s]"), np.array([[1], {"a": 2}], dtype=object)
])  # fmt: skip
def test_what_is_no_feature_is_refused_by_name(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="feature 'when'"):
        bin_feature("when", values)


def test_a_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(n, 1\)"):
        Scanner([bin_feature("x", np.arange(9.0))]).count(np.zeros((2, 2)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(width=32), max_size=60), st.lists(st.floats(width=32), max_size=60), st.randoms())
def test_counters_of_two_pods_add_up_in_any_order(a: list[float], b: list[float], order: object) -> None:
    bins = bin_feature("x", np.linspace(-3, 3, 200))
    merged = a + b
    order.shuffle(merged)  # type: ignore[attr-defined]
    one, two = (counted(bins, np.array(x, dtype=np.float32)).counts for x in (a, b))
    assert (one + two).tolist() == counted(bins, np.array(merged, dtype=np.float32)).counts.tolist()


def test_labels_name_each_bin() -> None:
    for values in (RNG.normal(size=100), np.array(["a", "b"] * 9, dtype=object), np.array([1, 2] * 9)):
        bins = bin_feature("x", values)
        assert len(bins.labels) == bins.bin_count


def test_a_huge_json_integer_is_missing_not_an_error() -> None:
    assert math.isinf(bin_feature("x", np.arange(99.0)).code(10**400))
