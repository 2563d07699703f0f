"""Labels of predictions that are numbers: canary against prod, and prod against its own past."""

import numpy as np
import pytest

from driftlead_drift.judging import absolute_error, performance
from driftlead_drift.judging.canary import judge_canary
from driftlead_drift.judging.comparison import Arm, CanaryJudgement, CanaryPolicy
from driftlead_drift.judging.truth import Labelled, LabelResult, Tally, label_result
from driftlead_drift.statistics.means import Sums
from driftlead_drift.statistics.overdispersion import of_difference, of_requests

BLOCKS = 200


def labels(
    rng: np.random.Generator, each: float, *, spread: float = 10.0, rows: int = 1, whole: bool = False
) -> list[Tally]:
    """Requests of `rows` rows in blocks of time, predictions `spread` from their labels around 100."""
    out = []
    for count in rng.poisson(each, BLOCKS):
        tally = Tally()
        for off in rng.normal(0, spread, (count, rows)):
            said = np.round(100 + off) if whole else 100 + off
            tally.add(*(label_result(Labelled(100, None, float(value), None, None)) for value in said))
        out.append(tally)
    return out


def arm(found: list[Tally] | None, *, earlier: list[Tally] | None = None, numeric: bool = False) -> Arm:
    requests = np.full(BLOCKS, 400)
    return Arm(
        requests=requests,
        errors=np.zeros(BLOCKS, dtype=int),
        latency=np.tile(np.eye(1, 42, 5, dtype=int) * 400, (BLOCKS, 1)),
        labels=found,
        earlier=earlier or [],
        numeric=numeric,
    )


def compared(spread: float, *, each: float = 20, rows: int = 1, whole: bool = False) -> CanaryJudgement:
    rng = np.random.default_rng(1)
    prod = labels(rng, 60, rows=rows, whole=whole)
    canary = labels(rng, each, spread=spread, rows=rows, whole=whole)
    return judge_canary(arm(prod, numeric=whole), arm(canary, numeric=whole), CanaryPolicy(error_margin=0.01))


def test_a_canary_whose_numbers_lie_further_from_their_labels_is_worse() -> None:
    found = compared(15.0)
    (error,) = found.measures
    assert (found.verdict, dict(found.deciding)["quality"], error.name) == ("worse", "worse", "MAE")
    assert error.first == pytest.approx(10 * np.sqrt(2 / np.pi), rel=0.03)
    assert error.second == pytest.approx(15 * np.sqrt(2 / np.pi), rel=0.05)
    assert error.interval is not None and error.margin is not None
    assert error.margin < error.interval[0] < error.second - error.first < error.interval[1]
    assert error.margin == pytest.approx(0.1 * error.first, rel=0.2)
    assert "worse in quality. Mean absolute error" in found.summary
    assert not any(sentence.startswith("quality") for sentence in found.not_tested)


def test_a_canary_that_comes_as_near_is_not_worse_and_passes() -> None:
    found = compared(10.0, each=60)
    assert (found.verdict, dict(found.deciding)["quality"]) == ("non-inferior", "non-inferior")


def test_few_labels_are_undecided_and_say_how_many_more_should_tell() -> None:
    found = compared(10.0, each=1)
    (error,) = found.measures
    assert (found.verdict, error.verdict) == ("undecided", "undecided")
    assert error.requests_needed is not None and error.requests_needed > 0
    assert f"about {error.requests_needed:,} more requests" in error.sentence


def test_whole_numbers_of_more_values_than_classes_have_are_numbers() -> None:
    found = compared(15.0, whole=True)
    assert [measure.name for measure in found.measures] == ["MAE"]
    assert found.verdict == "worse"


def test_the_scale_comes_from_prods_first_labels_which_are_not_tested() -> None:
    rng = np.random.default_rng(2)
    first, rest = labels(rng, 60, spread=1.0), labels(rng, 60, spread=50.0)
    scale = absolute_error.scale_of([*first, *rest])
    assert scale is not None
    assert scale.largest == pytest.approx(2.5 * 1.645, rel=0.15)
    assert sum(len(tally.errors) for tally in first[: scale.used]) >= 200
    assert sum(len(tally.errors) for tally in first[: scale.used - 1]) < 200
    assert absolute_error.scale_of(first[:1]) is None
    # Labels of the time before spare those of the comparison.
    canary = labels(rng, 20)
    alone = absolute_error.compared(arm(first), arm(canary), CanaryPolicy(), 0.05)
    helped = absolute_error.compared(arm(first, earlier=first), arm(canary), CanaryPolicy(), 0.05)
    assert alone is not None and helped is not None
    assert alone.rows[0] == helped.rows[0] - sum(len(tally.sizes) for tally in first[: scale.used])


def test_one_absurd_error_counts_as_the_largest_and_moves_nothing_else() -> None:
    rng = np.random.default_rng(3)
    prod, canary = labels(rng, 60), labels(rng, 20)
    before = absolute_error.compared(arm(prod), arm(canary), CanaryPolicy(), 0.05)
    canary[100].add(label_result(Labelled(100, None, 1e30, None, None)))
    canary[101].add(label_result(Labelled(100, None, float("inf"), None, None)))
    after = absolute_error.compared(arm(prod), arm(canary), CanaryPolicy(), 0.05)
    assert before is not None and after is not None
    assert after.second == pytest.approx(before.second, rel=0.01)


def test_where_prod_is_never_off_any_error_counts_in_full() -> None:
    exact = Tally()
    for _ in range(300):
        exact.add(LabelResult(None, error=0.0))
    off = Tally()
    for _ in range(300):
        off.add(LabelResult(None, error=0.25))
    found = absolute_error.compared(
        arm([exact] * BLOCKS), arm([Tally()] * 10 + [off] * (BLOCKS - 10)), CanaryPolicy(), 0.05
    )
    assert found is not None and found.verdict == "worse"


def test_sides_that_are_never_off_need_more_labels_and_no_more_than_that() -> None:
    exact = Tally()
    for _ in range(10):
        exact.add(LabelResult(None, error=0.0))
    found = absolute_error.compared(arm([exact] * 30), arm([exact] * 30), CanaryPolicy(), 0.05)
    assert found is not None and found.verdict == "undecided"
    assert found.requests_needed is not None


def test_the_rows_of_a_request_count_once() -> None:
    tally = Tally()
    tally.add(*(LabelResult(None, error=error) for error in (1.0, 3.0)))
    tally.add(LabelResult(None, error=9.0))
    found = absolute_error.sums([tally, Tally(), tally], 4.0)
    assert found.rows.tolist() == [2, 0, 2]
    assert found.total.tolist() == [1.5, 0, 1.5]
    assert found.squares.tolist() == [1.25, 0, 1.25]
    assert tally.numbers == 3


def test_too_few_labels_to_say_how_large_an_error_is_are_said() -> None:
    few = [Tally() for _ in range(BLOCKS)]
    for tally in few[:20]:
        tally.add(label_result(Labelled(10.5, None, 9.7, None, None)))
    found = judge_canary(arm(few), arm(few), CanaryPolicy())
    assert "quality" not in dict(found.deciding)
    (sentence,) = [sentence for sentence in found.not_tested if sentence.startswith("quality")]
    assert "20 labels of prod" in sentence and "first 200" in sentence


@pytest.mark.parametrize(("prod", "canary", "said"), [(0, 0, "no labels have come"), (7, 0, "7 labels")])
def test_labels_of_one_side_alone_are_counted(prod: int, canary: int, said: str) -> None:
    sides = []
    for count in (prod, canary):
        tally = Tally()
        for _ in range(count):
            tally.add(label_result(Labelled(10.5, None, 9.7, None, None)))
        sides.append(arm([tally, *[Tally()] * (BLOCKS - 1)] if count else None))
    found = judge_canary(*sides, CanaryPolicy())
    assert any(sentence.startswith("quality") and said in sentence for sentence in found.not_tested)


def test_a_model_whose_numbers_became_worse_than_they_were_is_told() -> None:
    rng = np.random.default_rng(4)
    earlier, policy = labels(rng, 60), CanaryPolicy()
    (worse,) = performance.changed(earlier, labels(rng, 60, spread=20.0), policy, 0.025)
    assert (worse.name, worse.verdict) == ("MAE", "worse")
    assert "now" in worse.sentence and "earlier" in worse.sentence
    (same,) = performance.changed(earlier, labels(rng, 60), policy, 0.025)
    assert same.verdict != "worse"
    assert performance.changed([], earlier, policy, 0.025) == ()


def test_wrong_rows_that_come_by_request_count_for_fewer() -> None:
    rng = np.random.default_rng(5)
    tallies = []
    for _ in range(2):
        tally = Tally()
        for wrong in rng.random(500) < 0.1:
            tally.add(*[LabelResult(bool(wrong))] * 20)
        tallies.append(tally)
    one = tallies[0]
    squares = (one.size_squares, one.size_wrong, one.wrong_squares)
    assert of_requests(one.rows, one.wrong, one.requests, squares) == pytest.approx(20, rel=0.01)
    assert of_requests(500, 50, 500, (500, 50, 50)) == 1.0


def test_an_equal_canary_of_large_requests_is_seldom_called_worse_by_labels() -> None:
    rng = np.random.default_rng(6)
    wrongly = 0
    for _ in range(30):
        sides = []
        for each in (9, 1):
            tallies = []
            for count in rng.poisson(each, BLOCKS):
                tally = Tally()
                for wrong in rng.random(count) < 0.1:
                    tally.add(*[LabelResult(bool(wrong))] * 50)
                tallies.append(tally)
            sides.append(arm(tallies))
        wrongly += judge_canary(*sides, CanaryPolicy()).verdict == "worse"
    assert wrongly <= 1


def test_what_one_side_alone_goes_through_for_a_while_is_overdispersion_and_the_hour_of_the_day_is_not() -> (
    None
):
    rng = np.random.default_rng(7)

    def side(each: float, level: np.ndarray) -> Sums:
        counts = rng.poisson(each, len(level))
        values = [rng.beta(2 * by, 2 * (1 - by), count) for count, by in zip(counts, level, strict=True)]
        return Sums.of(counts, [v.sum() for v in values], [(v**2).sum() for v in values])

    day = 0.3 + 0.2 * np.sin(np.arange(600) / 100)
    ill = np.where(np.arange(600) // 30 % 7 == 3, 0.8, 0.3)
    assert of_difference(side(36, day), side(4, day)) == 1.0
    assert of_difference(side(36, np.full(600, 0.3)), side(4, ill)) > 3
