"""The statistics against published packages, enumeration, and their own promises by simulation."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from feature_engine.selection import DropHighPSIFeatures
from scipy import special, stats
from scipy.optimize import minimize_scalar
from statsmodels.stats.multitest import multipletests

from driftlead_drift.statistics import sequential
from driftlead_drift.statistics.dependence import Component, component
from driftlead_drift.statistics.intervals import excess_of, size
from driftlead_drift.statistics.multiplicity import adjust
from driftlead_drift.statistics.null import Null, null_law, open_moments
from driftlead_drift.statistics.psi import psi
from driftlead_formats.baseline.choosing import bin_feature, counted


@pytest.mark.parametrize("seed", range(5))
def test_psi_without_smoothing_equals_feature_engine(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.gamma(2.0, size=4000)
    window = rng.choice(reference, size=1500, p=reference / reference.sum())
    data = pd.DataFrame({"x": np.concatenate([reference, window]), "y": 0.0, "side": [0] * 4000 + [1] * 1500})
    data["y"] = rng.random(len(data))
    oracle = DropHighPSIFeatures(split_col="side", cut_off=0, bins=10, threshold=9, variables=["x"]).fit(data)
    bins = bin_feature("x", reference)
    ours = psi(bins.counts, counted(bins, window).counts, smoothing=0)
    assert ours.value == pytest.approx(oracle.psi_values_["x"], abs=1e-8)


def test_psi_of_identical_counts_is_zero_whatever_the_sizes() -> None:
    counts = np.array([0, 10, 20, 30, 0, 5, 0])
    assert psi(counts, counts, open_bins=(0, 4)).value == 0
    assert psi(counts, np.zeros(7, dtype=int)).value == 0
    assert math.isinf(psi(counts, np.zeros(7, dtype=int)).noise)


def test_contributions_add_up_and_their_signs_say_which_side_has_more() -> None:
    result = psi(np.array([50, 50]), np.array([80, 20]))
    assert result.contribution.sum() == pytest.approx(result.value)
    assert (np.sign(result.signed) == [1, -1]).all()
    assert (result.signed**2).sum() == pytest.approx(result.value)


def test_counts_in_different_bins_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        psi(np.array([1, 2]), np.array([1, 2, 3]))


def test_a_rare_category_changes_another_ones_index_by_less_than_a_twentieth() -> None:
    values = []
    for rare in (2, 1, 0):
        reference = np.array([10_000 - 100 - rare, 100, rare, 0])
        values.append(psi(reference, np.array([9_800, 100, rare, 100])).contribution[3])
    assert max(values) / min(values) < 1.05


@pytest.mark.parametrize(("bin_", "share"), [(12, 0.015), (11, 0.02), (12, 0.4)])
def test_a_bin_that_one_side_never_filled_counts_the_same_however_large_that_side_is(
    bin_: int, share: float
) -> None:
    m, found, mirrored = 20_000, [], []
    for n in (1_000, 10_000, 1_000_000):
        reference = np.array([0, *[n // 10] * 10, 0, 0, 0])
        window = np.array([0, *[int(m * (1 - share) / 10)] * 10, 0, 0, 0])
        window[bin_] = int(m * share)
        found.append(psi(reference, window, open_bins=(0, 11)).value)
        mirrored.append(psi(window, reference).value)
    assert max(found) / min(found) < 1.005
    assert max(mirrored) / min(mirrored) < 1.005


def test_bins_below_the_floor_on_both_sides_cost_no_freedom_and_add_nothing() -> None:
    index = psi(np.array([900_000, 100_000, 300, 40]), np.array([89_990, 10_000, 5, 5]))
    assert index.freedom == 1
    assert index.contribution[2:].tolist() == [0, 0]


def test_benjamini_hochberg_equals_statsmodels_and_scipy() -> None:
    p = np.random.default_rng(3).random(500) ** 3
    p[::50] = p[1]
    assert adjust(list(p)) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-15)
    assert adjust(list(p)) == pytest.approx(stats.false_discovery_control(p), abs=1e-15)
    assert len(adjust([])) == 0


@pytest.mark.parametrize(("n", "m", "bins"), [(1000, 500, 10), (50_000, 200, 5), (300, 300, 2)])
def test_without_blocks_the_law_is_scipys_chi_square(n: int, m: int, bins: int) -> None:
    a, b = (np.random.default_rng(k).multinomial(x, np.full(bins, 1 / bins)) for k, x in ((1, n), (2, m)))
    index = psi(a, b)
    law = null_law(index)
    h = 1 / n + 1 / m
    assert law.p_value(index.value) == pytest.approx(stats.chi2.sf(index.value / h, bins - 1), rel=1e-12)
    assert law.critical(0.01) == pytest.approx(h * stats.chi2.isf(0.01, bins - 1), rel=1e-12)
    assert law.mean == pytest.approx(h * (bins - 1))


def test_with_blocks_the_law_is_scipys_f_with_the_stated_moments() -> None:
    index = psi(np.full(10, 1000), np.full(10, 100))
    between = Component(first=0.09, second=0.0027, blocks=8, freedom=7, rows=1000.0)
    law = null_law(index, between)
    h = index.noise
    mean = 9 * h + 0.09
    df = mean**2 / (9 * h**2 + 2 * h * 0.09 + 0.0027)
    df2 = df**0.6 * 7
    assert (law.mean, law.df, law.df2) == pytest.approx((mean, df, df2))
    assert law.p_value(0.4) == pytest.approx(stats.f.sf(0.4 / mean, df, df2), rel=1e-9)
    assert law.p_value(law.critical(0.003)) == pytest.approx(0.003)


def test_an_open_bins_moments_are_those_of_the_geometric_law() -> None:
    n, m = 300, 500
    k = np.arange(1, 2000)
    chance = (n / (n + m)) * (m / (n + m)) ** k
    share = (k + 0.5) / m
    part = (share - 1 / n) * np.log(share * n) / (1 / n + 1 / m)
    mean = (chance * part).sum()
    assert open_moments(n, m) == pytest.approx((mean, (chance * part**2).sum() - mean**2), rel=0.02)


@pytest.mark.parametrize(
    ("n", "m"), [(200, 200), (1000, 200), (10_000, 1000), (1000, 10_000), (10**6, 10**6)]
)
def test_five_percent_of_quiet_windows_are_rejected_at_five_percent(n: int, m: int) -> None:
    rng = np.random.default_rng(n + m)
    reference = np.concatenate([[0], np.full(10, n // 10), [0, 0, 0]])
    # The deciles are known, the true shares in them are not: spacings of n values, one beyond each end.
    weights = np.concatenate([[1], np.full(10, n / 10) - [0.5, *[0] * 8, 0.5], [1]])
    rejected = 0
    runs = 4000
    for shares in rng.dirichlet(weights, size=runs):
        window = np.concatenate([rng.multinomial(m, shares), [0, 0]])
        index = psi(reference, window, open_bins=(0, 11))
        rejected += null_law(index).p_value(index.value) <= 0.05
    assert 0.038 <= rejected / runs <= 0.060


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5, 1.0, 2.0])
def test_the_interval_covers_the_true_index_nine_times_in_ten(shift: float) -> None:
    rng = np.random.default_rng(7)
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    p, q = np.full(10, 0.1), np.diff(stats.norm.cdf(np.concatenate([[-np.inf], edges - shift, [np.inf]])))
    truth = float(((q - p) * np.log(q / p)).sum())
    covered = 0
    for _ in range(1000):
        index = psi(rng.multinomial(10_000, p), rng.multinomial(1000, q))
        extent = size(index.value, null_law(index), excess=excess_of(index))
        covered += extent.low <= truth <= extent.high
    assert 0.86 <= covered / 1000 <= (0.96 if shift else 1.0)


def test_far_out_the_interval_joins_the_normal_law_without_a_step() -> None:
    law = Null(9e-4, 9.0)
    below, above = size(0.9999 * 1e4 * law.scale, law), size(1.0001 * 1e4 * law.scale, law)
    assert above.low == pytest.approx(below.low, rel=1e-3)
    assert above.high == pytest.approx(below.high, rel=1e-3)


def test_blocks_of_independent_rows_show_no_variance_of_their_own() -> None:
    rng = np.random.default_rng(4)
    found = [component([rng.multinomial(1000, np.full(10, 0.1), size=10)]) for _ in range(200)]
    assert np.mean([c.first for c in found if c]) < 9 * 1.1e-3 * 0.25


def test_the_variance_between_blocks_does_not_shrink_when_traffic_grows() -> None:
    rng = np.random.default_rng(5)
    shares = rng.dirichlet(np.full(10, 50.0), size=12)
    small, large = (component([np.stack([rng.multinomial(m, s) for s in shares])]) for m in (1000, 100_000))
    assert small is not None and large is not None
    assert small.first == pytest.approx(large.first, rel=0.2)
    assert large.first == pytest.approx(9 / 501, rel=0.5)


def test_a_shift_along_one_line_is_known_to_have_one_direction() -> None:
    rng = np.random.default_rng(6)
    tilt = np.linspace(-1, 1, 10)
    shares = np.exp(rng.normal(size=(40, 1)) * 0.3 * tilt)
    shares /= shares.sum(axis=1, keepdims=True)
    found = component([np.stack([rng.multinomial(50_000, s) for s in shares])])
    assert found is not None
    assert found.directions < 1.8


def test_too_few_blocks_say_nothing_of_dependence() -> None:
    assert component([np.full((2, 5), 100)]) is None
    assert component([np.full((9, 5), 1)]) is None


def outcomes(n: int, m: int, p: float, q: float) -> list[tuple[int, int, float]]:
    """All results of a block and their chances."""
    return [
        (i, j, stats.binom.pmf(i, n, p) * stats.binom.pmf(j, m, q))
        for i, j in itertools.product(range(n + 1), range(m + 1))
    ]


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2])
@pytest.mark.parametrize(("p", "gap"), [(0.02, 0.0), (0.1, -0.05), (0.3, 0.0), (0.7, -0.2)])
def test_evidence_is_not_expected_to_grow_while_the_null_holds(margin: float, p: float, gap: float) -> None:
    q = min(max(p + margin + gap, 0.0), 1.0)  # at the margin, or on the null's side of it
    settled = ([60], [6], [20], [3])  # an earlier block, from which the alternatives are chosen
    expected = 0.0
    for i, j, chance in outcomes(7, 3, p, q):
        n, k, m, b = (np.array([*old, new]) for old, new in zip(settled, (7, i, 3, j), strict=True))
        expected += chance * math.exp(sequential.worse(n, k, m, b, margin)[-1])
    before = math.exp(sequential.worse(*(np.array(s) for s in settled), margin)[-1])
    assert expected <= before * (1 + 1e-9)


@pytest.mark.parametrize(("p", "gap"), [(0.02, 0.0), (0.1, 0.1), (0.5, 0.0)])
def test_evidence_for_a_good_canary_is_not_expected_to_grow_when_it_is_not(p: float, gap: float) -> None:
    margin = 0.05
    settled = ([60], [6], [20], [1])
    expected = 0.0
    for i, j, chance in outcomes(7, 3, p, p + margin + gap):
        n, k, m, b = (np.array([*old, new]) for old, new in zip(settled, (7, i, 3, j), strict=True))
        expected += chance * math.exp(sequential.not_worse(n, k, m, b, margin)[-1])
    assert expected <= 1 + 1e-9


def distance(x: float, sides: list[tuple[int, float, float]]) -> float:
    """Kullback-Leibler divergences from the sides' shares to x and x + margin, by the sides' rows."""
    return float(sum(rows * stats.entropy([p, 1 - p], [x + by, 1 - x - by]) for rows, p, by in sides))


def likelihood_ratio(blocks: list[tuple[int, int, int, int]], odds: float, margin: float) -> float:
    """Turner, Ly and Gruenwald 2024, block by block: the alternative over the null's nearest point."""
    ratio, n, k = 1.0, 0, 0
    for prod, bad, canary, canary_bad in blocks:
        if n >= 50:
            a = (k + 0.5) / (n + 1)
            b = (a + margin) * odds / (1 - (a + margin) + (a + margin) * odds)
            sides = [(prod, a, 0.0), (canary, b, margin)]
            x = minimize_scalar(
                distance, args=(sides,), bounds=(0, 1 - margin), method="bounded", options={"xatol": 1e-12}
            ).x
            ratio *= (a / x) ** bad * ((1 - a) / (1 - x)) ** (prod - bad)
            ratio *= (b / (x + margin)) ** canary_bad
            ratio *= ((1 - b) / (1 - x - margin)) ** (canary - canary_bad)
        n, k = n + prod, k + bad
    return ratio


@pytest.mark.parametrize("margin", [0.0, 0.02])
def test_evidence_that_a_canary_is_worse_is_the_papers_ratio_averaged_over_alternatives(
    margin: float,
) -> None:
    blocks = [(60, 3, 12, 1), (40, 1, 9, 2), (55, 2, 20, 4), (45, 3, 5, 1)]
    n, k, m, j = (np.array(column) for column in zip(*blocks, strict=True))
    alternatives = (1.25, 1.5, 2.0, 3.0, 6.0, 15.0)
    expected = np.mean([likelihood_ratio(blocks, odds, margin) for odds in alternatives])
    assert math.exp(sequential.worse(n, k, m, j, margin)[-1]) == pytest.approx(expected, rel=1e-6)


def test_evidence_of_different_predictions_is_the_ratio_of_multinomials_averaged_over_trust() -> None:
    prod, canary = np.array([[5, 3, 2], [9, 4, 7], [6, 6, 6]]), np.array([[1, 2, 4], [0, 3, 5], [1, 1, 6]])
    ratios = []
    for trust in (30.0, 100.0, 300.0, 1000.0):
        ratio = 1.0
        for block in range(3):
            before, other = prod[:block].sum(axis=0), canary[:block].sum(axis=0)
            pooled = (before + other + 0.5) / (before + other + 0.5).sum()
            p = (before + trust * pooled) / (before.sum() + trust)
            q = (other + trust * pooled) / (other.sum() + trust)
            a, b = prod[block], canary[block]
            null = (a.sum() * p + b.sum() * q) / (a.sum() + b.sum())
            ratio *= float(np.prod((p / null) ** a) * np.prod((q / null) ** b))
        ratios.append(ratio)
    assert math.exp(sequential.different(prod, canary)[-1]) == pytest.approx(np.mean(ratios), rel=1e-9)


def test_evidence_of_different_predictions_is_not_expected_to_grow_when_they_are_the_same() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    prior_a, prior_b = np.array([[30, 20, 10]]), np.array([[3, 6, 1]])
    before = math.exp(sequential.different(prior_a, prior_b)[-1])
    expected = 0.0
    cells = [c for c in itertools.product(range(4), repeat=3) if sum(c) == 3]
    for a, b in itertools.product(cells, cells):
        chance = stats.multinomial.pmf(a, 3, shares) * stats.multinomial.pmf(b, 3, shares)
        pair = (np.vstack([prior_a, [a]]), np.vstack([prior_b, [b]]))
        expected += chance * math.exp(sequential.different(*pair)[-1])
    assert expected <= before * (1 + 1e-9)


def test_the_splits_evidence_is_the_beta_mixture_and_a_martingale() -> None:
    prod, canary = np.array([9, 80, 7]), np.array([1, 12, 3])
    k, rest = canary.sum(), prod.sum()
    direct = stats.betabinom.pmf(k, k + rest, 100 * 0.1, 100 * 0.9) / stats.binom.pmf(k, k + rest, 0.1)
    assert sequential.wrong_split(prod, canary, 0.1)[-1] == pytest.approx(math.log(direct))
    steps = sequential.wrong_split(prod, canary, np.array([0.1, 0.1, 0.3]))
    assert steps[1] == pytest.approx(sequential.wrong_split(prod[:2], canary[:2], 0.1)[-1])


def test_the_band_is_the_papers_formula() -> None:
    t, alpha = 5000, 0.05
    formula = 0.85 * math.sqrt((math.log(math.log(math.e * t)) + 0.8 * math.log(1612 / alpha)) / t)
    assert sequential.band(t, alpha) == pytest.approx(formula)
    assert sequential.band(0, alpha) == 1


def test_growth_foresees_how_much_evidence_a_request_adds() -> None:
    p, q, share = 0.01, 0.02, 0.1
    pooled = 0.9 * p + 0.1 * q
    kl = 0.9 * special.rel_entr([p, 1 - p], [pooled, 1 - pooled]).sum()
    kl += 0.1 * special.rel_entr([q, 1 - q], [pooled, 1 - pooled]).sum()
    assert sequential.growth(p, q, share, 0.0) == pytest.approx(kl, rel=1e-6)
