"""The canary against prod: verdicts that may be read every minute."""

from typing import Any

import numpy as np
import pytest

from driftlead_drift.judging.canary import judge_canary
from driftlead_drift.judging.comparison import Arm, CanaryJudgement, CanaryPolicy
from driftlead_drift.judging.truth import Tally
from driftlead_drift.statistics import sequential
from driftlead_formats.histograms import LATENCY_EDGES_MS, latency_counts


def arm(
    rng: np.random.Generator,
    minutes: int,
    requests: float,
    *,
    errors: float = 0.01,
    ms: float = 5.0,
    shift: float = 0.0,
) -> Arm:
    count = rng.poisson(requests, minutes)
    failed = rng.binomial(count, errors)
    latency = [latency_counts(rng.lognormal(np.log(ms), 0.5, n)) for n in count - failed]
    edges = np.concatenate([[-99], np.linspace(-2, 2, 9), [99]])
    predictions = [np.histogram(rng.normal(shift, 1, n), edges)[0] for n in count - failed]
    return Arm(requests=count, errors=failed, latency=np.stack(latency), predictions=np.stack(predictions))


def compared(
    minutes: int, policy: CanaryPolicy | None = None, seed: int = 1, **canary: Any
) -> CanaryJudgement:
    rng = np.random.default_rng(seed)
    return judge_canary(
        arm(rng, minutes, 450), arm(rng, minutes, 50, **canary), policy or CanaryPolicy(split=0.1)
    )


def test_a_canary_like_prod_is_undecided_at_first_and_non_inferior_later() -> None:
    early, late = compared(5), compared(240)
    assert early.verdict == "undecided"
    assert "more requests" in early.summary
    assert early.requests_needed is not None and early.requests_needed > 0
    assert late.verdict == "non-inferior"
    assert [c.verdict for c in late.checks] == ["non-inferior", "non-inferior"]
    assert late.predictions.verdict == "same"
    assert not late.split.mismatch


def test_more_errors_than_the_margin_allows_are_worse() -> None:
    verdict = compared(60, errors=0.05)
    assert verdict.verdict == "worse"
    assert "errors" in verdict.summary and "failed" in verdict.summary
    check = verdict.checks[0]
    assert check.interval is not None
    assert check.interval[0] > check.margin


def test_slower_answers_are_worse_against_prods_own_p99() -> None:
    verdict = compared(120, ms=9.0)
    assert verdict.checks[1].verdict == "worse"
    assert verdict.latency_threshold_ms in LATENCY_EDGES_MS


def test_a_threshold_of_ones_own_is_used_from_the_first_minute() -> None:
    verdict = compared(60, CanaryPolicy(latency_threshold_ms=20.0))
    assert verdict.latency_threshold_ms == pytest.approx(20.0, rel=0.19)
    assert verdict.latency_threshold_ms is not None and verdict.latency_threshold_ms >= 20.0


def test_other_predictions_inform_and_decide_only_when_asked_to() -> None:
    informed = compared(240, shift=0.5)
    assert informed.predictions.verdict == "different"
    assert informed.verdict == "non-inferior"
    strict = compared(240, CanaryPolicy(max_shift=0.05), shift=0.5)
    assert strict.verdict == "worse"
    assert "predictions" in strict.summary


def test_a_split_that_is_not_as_configured_passes_nothing() -> None:
    assert compared(240).verdict == "non-inferior"
    verdict = compared(240, CanaryPolicy(split=0.2))
    assert verdict.split.mismatch
    assert verdict.verdict == "undecided"
    assert "not the split" in verdict.summary


def test_a_split_that_is_not_as_configured_hides_no_errors() -> None:
    verdict = compared(120, CanaryPolicy(split=0.2), errors=0.1)
    assert verdict.split.mismatch
    assert verdict.verdict == "worse"
    assert "worse in errors" in verdict.summary


def test_a_weight_that_moves_is_followed_step_by_step() -> None:
    rng = np.random.default_rng(2)
    shares = np.repeat([0.1, 0.25, 0.5], 40)
    canary = rng.binomial(500, shares)
    arms = [Arm(requests=n, errors=np.zeros(120, dtype=int)) for n in (500 - canary, canary)]
    assert not judge_canary(arms[0], arms[1], CanaryPolicy(split=shares)).split.mismatch
    assert judge_canary(arms[0], arms[1], CanaryPolicy(split=0.1)).split.mismatch


def test_labels_bring_a_check_of_quality() -> None:
    rng = np.random.default_rng(3)
    sides = []
    for requests, wrong in ((450, 0.2), (50, 0.32)):
        n = np.full(200, requests)
        labels = [Tally(rows=k, wrong=rng.binomial(k, wrong)) for k in n // 2]
        sides.append(Arm(requests=n, errors=rng.binomial(n, 0.01), labels=labels))
    verdict = judge_canary(sides[0], sides[1], CanaryPolicy())
    quality = verdict.checks[-1]
    assert (quality.name, quality.verdict, verdict.verdict) == ("quality", "worse", "worse")
    assert "predicted wrongly" in quality.sentence


def test_no_traffic_is_undecided_and_says_what_was_not_tested() -> None:
    nothing = Arm(requests=np.zeros(3, dtype=int), errors=np.zeros(3, dtype=int))
    verdict = judge_canary(nothing, nothing, CanaryPolicy(split=0.1))
    assert verdict.verdict == "undecided"
    assert {s.split(":")[0] for s in verdict.not_tested} >= {"latency", "quality"}
    assert verdict.predictions.verdict == "not tested"
    empty = Arm(requests=np.zeros(0, dtype=int), errors=np.zeros(0, dtype=int))
    assert judge_canary(empty, empty, CanaryPolicy()).verdict == "undecided"


def test_a_verdict_once_reached_is_kept_however_often_one_looks() -> None:
    rng = np.random.default_rng(4)
    prod, canary = arm(rng, 400, 90), arm(rng, 400, 10, errors=0.06)
    said = []
    for minutes in range(80, 401, 80):
        sides = [Arm(requests=a.requests[:minutes], errors=a.errors[:minutes]) for a in (prod, canary)]
        said.append(judge_canary(sides[0], sides[1], CanaryPolicy()).verdict)
    assert "worse" in said
    assert set(said[said.index("worse") :]) == {"worse"}


def test_a_canary_like_prod_is_hardly_ever_called_worse_at_any_of_many_looks() -> None:
    rng = np.random.default_rng(6)
    wrongly = 0
    for _ in range(100):
        n, m = rng.poisson(450, 100), rng.poisson(50, 100)
        evidence = sequential.worse(n, rng.binomial(n, 0.02), m, rng.binomial(m, 0.02), 0.0)
        wrongly += evidence.max() >= np.log(1 / 0.05)
    assert wrongly <= 9


def test_counts_in_other_bins_or_minutes_are_not_compared() -> None:
    rng = np.random.default_rng(5)
    prod = arm(rng, 10, 50)
    assert prod.predictions is not None
    fewer = Arm(requests=prod.requests, errors=prod.errors, predictions=prod.predictions[:, 1:])
    with pytest.raises(ValueError, match="different bins"):
        judge_canary(prod, fewer, CanaryPolicy())
    with pytest.raises(ValueError, match="cover 9 minutes"):
        judge_canary(prod, Arm(requests=prod.requests[1:], errors=prod.errors[1:]), CanaryPolicy())
    with pytest.raises(ValueError, match="more errors than requests"):
        judge_canary(prod, Arm(requests=prod.errors, errors=prod.requests), CanaryPolicy())


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"error_margin": 0.0}, {"max_shift": 1.0}, {"latency_threshold_ms": 0.0}]
)
def test_a_margin_that_makes_no_sense_is_refused_in_a_sentence(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CanaryPolicy(**wrong)  # type: ignore[arg-type]
