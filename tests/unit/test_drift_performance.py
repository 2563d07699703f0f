"""How good predictions are by their labels: what a label says, means that hold at every look, AUC."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from driftlead_drift.judging import performance
from driftlead_drift.judging.canary import judge_canary
from driftlead_drift.judging.comparison import Arm, CanaryPolicy
from driftlead_drift.judging.truth import (
    CAP,
    Labelled,
    LabelResult,
    Tally,
    label_result,
)
from driftlead_drift.statistics import means, ranking
from driftlead_drift.statistics.means import Sums

LOGGED = {"0": 0.25, "1": 0.75}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Labelled(1, None, 1, None, None), LabelResult(False, 1.0, 1.0, True, 0.0)),
        (Labelled(0, None, 0.8, None, None), LabelResult(True, pytest.approx(0.2), 0.8, False, 0.8)),
        (Labelled(3, None, 2, None, None), LabelResult(True, error=1.0)),
        (Labelled(3, None, 3, None, None), LabelResult(False, error=0.0)),
        (Labelled(2.5, None, 2.4, None, None), LabelResult(None, error=pytest.approx(0.1))),
        (Labelled(2.5, None, 2.4, None, {"unit": "km"}), LabelResult(None, error=pytest.approx(0.1))),
        (Labelled(7, None, math.nan, None, None), LabelResult(True, error=math.inf)),
        (Labelled(math.nan, None, 7.5, None, None), LabelResult(None)),
        (Labelled(math.inf, None, 7, None, None), LabelResult(None)),
        (Labelled(1, None, 1, None, LOGGED), LabelResult(False, 0.75, 0.75, True)),
        (Labelled(0, None, 1, None, LOGGED), LabelResult(True, 0.25, 0.75, False)),
        (Labelled(7, None, 1, None, LOGGED), LabelResult(True)),
        (Labelled(2, None, 10, None, {"10": 0.9, "2": 0.1}), LabelResult(True, 0.1, 0.9, False)),
        (Labelled(1, None, 1, None, {"0": 0.2, "1": 0.5, "2": 0.3}), LabelResult(False, 0.5)),
        (Labelled(1, None, 1, None, {"0": "a", "1": 37}), LabelResult(False)),
        (Labelled(1, None, 0, None, [0.3]), LabelResult(True, 0.3, 0.3, True)),
        (Labelled(2, None, 2, None, [0.1, 0.2, 0.7]), LabelResult(False, 0.7)),
        (Labelled(1, None, 1, None, [0.4, 0.9]), LabelResult(False, 1.0, 1.0, True, 0.0)),
        (Labelled(1, None, 1, None, [12.5, "x"]), LabelResult(False, 1.0, 1.0, True, 0.0)),
        (Labelled(None, "late", 1, "late", {"early": 0.4, "late": 0.6}), LabelResult(False, 0.6, 0.6, True)),
        (Labelled(None, "early", 1, "late", None), LabelResult(True)),
        (Labelled(1, None, 1, "late", None), LabelResult(False)),
        (Labelled(None, "1", 1, None, None), LabelResult(False)),
        (Labelled(None, "late", 1, None, None), LabelResult(True)),
        (Labelled(0, None, math.inf, None, None), LabelResult(True, error=math.inf)),
    ],
)
def test_what_a_label_says_of_its_row(row: Labelled, expected: LabelResult) -> None:
    assert label_result(row) == expected


def classifier(
    dice: np.random.Generator, blocks: int, each: int, *, sharpness: float = 1.0, bias: float = 0.0
) -> list[Tally]:
    """Tallies of a classifier whose log odds are the truth's, times `sharpness`, plus `bias`."""
    tallies = []
    for count in dice.poisson(each, blocks):
        odds = dice.normal(0, 1.5, count)
        labels = dice.random(count) < 1 / (1 + np.exp(-odds))
        said = 1 / (1 + np.exp(-(sharpness * odds + bias)))
        tally = Tally()
        for label, share in zip(labels.tolist(), said.tolist(), strict=True):
            tally.add(label_result(Labelled(float(label), None, share, None, None)))
        tallies.append(tally)
    return tallies


def test_log_loss_is_sklearns_but_for_the_cap() -> None:
    dice = np.random.default_rng(0)
    said, labels = dice.uniform(0.05, 0.95, 500), dice.random(500) < 0.4
    tally = Tally()
    for label, share in zip(labels, said.tolist(), strict=True):
        tally.add(label_result(Labelled(float(label), None, share, None, None)))
    assert CAP * tally.loss / tally.probable == pytest.approx(log_loss(labels, said), rel=1e-12)
    sure = Tally()
    sure.add(label_result(Labelled(1, None, 0.0, None, {"0": 1.0, "1": 0.0})))
    assert sure.loss == 1.0


def by_hand(first: np.ndarray, second: np.ndarray, alpha: float) -> float:
    """The lower end of the confidence sequence by its formula, row by row: one of each side a block."""
    gained = put = spent = information = 0.0
    best = -1.0
    for place, (x, y) in enumerate(zip(first, second, strict=True)):
        guesses, variances = [], []
        for before in (first[:place], second[:place]):
            guess = (before.sum() + 0.5) / (place + 1)
            guesses.append(guess)
            variances.append(max((((before - guess) ** 2).sum() + 0.25) / (place + 1), 1e-4))
        here = 1 / sum(variances)
        information += here
        stake = here * math.sqrt(2 * math.log(1 / alpha) / max(information * math.log(place + 2), 1.0))
        stake = min(stake, 0.5)
        psi = -math.log(1 - stake) - stake
        spent += psi * ((x - guesses[0]) ** 2 + (y - guesses[1]) ** 2)
        gained, put = gained + stake * (y - x), put + stake
        best = max(best, (gained - spent - math.log(1 / alpha)) / put)
    return best


def test_the_confidence_sequence_is_its_formula() -> None:
    dice = np.random.default_rng(1)
    x, y = dice.beta(1, 4, 300), dice.beta(2, 4, 300)
    ones = np.ones(300)
    low, high = means.difference(Sums.of(ones, x, x**2), Sums.of(ones, y, y**2), 0.05)
    assert low == pytest.approx(by_hand(x, y, 0.05), rel=1e-9)
    assert high == pytest.approx(-by_hand(y, x, 0.05), rel=1e-9)
    assert low < 1 / 3 - 1 / 5 < high


def sums(dice: np.random.Generator, counts: np.ndarray, a: float, b: float) -> Sums:
    values = [dice.beta(a, b, count) for count in counts]
    return Sums.of(counts, [v.sum() for v in values], [(v**2).sum() for v in values])


def test_intervals_hold_the_truth_at_every_look_far_more_often_than_promised_otherwise() -> None:
    dice = np.random.default_rng(2)
    missed = alone = 0
    for _ in range(150):
        n, m = dice.poisson(40, 100), dice.poisson(5, 100)
        prod, canary = sums(dice, n, 0.5, 2.0), sums(dice, m, 1.0, 4.0)
        low, high = means.difference(prod, canary, 0.025)  # each end is its best over all 100 looks
        missed += not low <= 0.0 <= high
        low, high = means.mean(canary, 0.025)
        alone += not low <= 0.2 <= high
    assert missed <= 12
    assert alone <= 12


def test_labels_of_two_sides_that_never_come_in_one_minute_wait_for_each_other() -> None:
    rows = np.array([0.0, 50, 0, 40, 0, 0, 60])
    other = np.array([10.0, 0, 0, 0, 5, 0, 0])
    assert means.meeting(rows, other).tolist() == [0, 2, 5]
    low, high = means.difference(
        Sums.of(rows, rows / 2, rows / 4), Sums.of(other, other / 2, other / 4), 0.05
    )
    assert -1 < low < 0 < high < 1
    nothing = Sums.of([], [], [])
    assert means.difference(nothing, nothing, 0.05) == (-1.0, 1.0)
    assert means.mean(nothing, 0.05) == (0.0, 1.0)


def test_auc_is_sklearns_and_its_deviation_is_seen_in_repeated_samples() -> None:
    dice = np.random.default_rng(3)
    found = []
    for _ in range(200):
        labels = dice.random(400) < 0.3
        scores = np.round(dice.normal(labels, 1.0), 1)
        area = ranking.auc(scores, labels)
        assert area is not None and area.deviation is not None
        assert area.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        found.append(area)
    assert np.std([area.value for area in found]) == pytest.approx(found[0].deviation, rel=0.25)


def test_auc_without_two_classes_or_with_few_rows_promises_nothing() -> None:
    assert ranking.auc([0.1, 0.9], [True, True]) is None
    assert ranking.auc([], []) is None
    assert ranking.auc([0.1, 0.9], [False, True]) == (1.0, None)
    perfect = ranking.auc(np.arange(40), np.arange(40) >= 20)
    assert perfect == (1.0, pytest.approx(0.075))


def sides(canary: dict[str, Any], blocks: int = 200) -> tuple[Arm, Arm]:
    dice = np.random.default_rng(4)
    requests = np.full(blocks, 400)
    good = {"requests": requests, "errors": np.zeros(blocks, dtype=int)}
    prod = Arm(**good, labels=classifier(dice, blocks, 60))
    return prod, Arm(**good, labels=classifier(dice, blocks, 20, **canary))


def test_log_loss_and_auc_inform_and_log_loss_decides_where_that_is_asked_for() -> None:
    worse = sides({"sharpness": 1.0, "bias": 1.5})
    found = judge_canary(*worse, CanaryPolicy())
    loss, area = found.measures
    assert (loss.name, loss.verdict, loss.at_all_looks) == ("log loss", None, True)
    assert loss.interval is not None and 0 < loss.interval[0] < loss.second - loss.first < loss.interval[1]
    assert (area.name, area.verdict, area.at_all_looks) == ("AUC", None, False)
    assert area.interval is not None and area.interval[0] < 0 < area.interval[1]
    assert "does not decide" in loss.sentence and "this look alone" in area.sentence
    strict = judge_canary(*worse, CanaryPolicy(log_loss_margin=0.02))
    assert dict(strict.deciding)["log loss"] == "worse"
    assert strict.verdict == "worse" and "log loss" in strict.summary


def test_a_canary_that_is_as_good_is_not_worse_in_log_loss() -> None:
    found = judge_canary(*sides({}), CanaryPolicy(log_loss_margin=0.1))
    assert dict(found.deciding)["log loss"] == "non-inferior"


def test_a_log_loss_that_should_decide_and_is_not_logged_leaves_it_undecided() -> None:
    blocks = 200
    requests = np.full(blocks, 400)
    dice = np.random.default_rng(5)
    arms = [
        Arm(
            requests=requests,
            errors=np.zeros(blocks, dtype=int),
            latency=np.tile(np.eye(1, 42, 5, dtype=int) * 400, (blocks, 1)),
            labels=[Tally(rows=100, wrong=int(wrong)) for wrong in dice.binomial(100, 0.1, blocks)],
        )
        for _ in range(2)
    ]
    assert judge_canary(*arms, CanaryPolicy(error_margin=0.01)).verdict == "non-inferior"
    asked = judge_canary(*arms, CanaryPolicy(error_margin=0.01, log_loss_margin=0.1))
    assert asked.verdict == "undecided"
    assert any("DRIFTLEAD_LOG_PROBABILITIES" in sentence for sentence in asked.not_tested)


def test_a_model_that_became_worse_than_it_was_is_told_and_one_that_did_not_is_not() -> None:
    dice = np.random.default_rng(6)
    earlier = classifier(dice, 100, 100)
    same = performance.changed(earlier, classifier(dice, 100, 100), CanaryPolicy(), 0.025)
    assert [measure.name for measure in same] == ["wrong", "log loss", "AUC"]
    assert same[0].verdict in ("undecided", "non-inferior")
    worse = performance.changed(
        earlier, classifier(dice, 100, 100, sharpness=-1.0), CanaryPolicy(log_loss_margin=0.05), 0.025
    )
    assert [measure.verdict for measure in worse] == ["worse", "worse", None]
    assert "now" in worse[0].sentence and "earlier" in worse[0].sentence
    assert performance.changed([], earlier, CanaryPolicy(), 0.025) == ()
