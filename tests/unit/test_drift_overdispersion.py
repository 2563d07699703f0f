"""Failures that come in bursts are worth fewer requests than they are."""

import numpy as np
import pytest

from driftlead_drift.judging.canary import judge_canary
from driftlead_drift.judging.comparison import Arm, ByPod, CanaryPolicy
from driftlead_drift.statistics.overdispersion import overdispersion

MINUTES = 600


def bursts(rng: np.random.Generator, pods: int, length: int, each: int = 30) -> ByPod:
    """Pods that answer `each` requests a minute; now and then one fails 30 % of them for `length` minutes."""
    begins = rng.random((MINUTES, pods)) < 0.008 / (0.3 * length)
    ill = np.stack([np.convolve(begins[:, p], np.ones(length))[:MINUTES] > 0 for p in range(pods)], axis=1)
    requests = rng.poisson(each, (MINUTES, pods))
    return ByPod(requests=requests, errors=rng.binomial(requests, np.where(ill, 0.3, 0.002)))


def arm(pods: ByPod, history: ByPod | None = None) -> Arm:
    requests, errors = pods.requests.sum(axis=1), pods.errors.sum(axis=1)
    return Arm(requests=requests, errors=errors, pods=pods, history=history)


def test_independent_requests_are_worth_what_they_are() -> None:
    rng = np.random.default_rng(1)
    requests = rng.poisson(30, (MINUTES, 3))
    found = [overdispersion(requests, rng.binomial(requests, 0.01)) for _ in range(50)]
    assert np.median(found) == 1.0
    assert max(found) < 2.5


@pytest.mark.parametrize(("length", "least"), [(5, 10.0), (30, 50.0)])
def test_bursts_of_minutes_are_seen_by_pod(length: int, least: float) -> None:
    pods = bursts(np.random.default_rng(3), 9, length)
    assert overdispersion(pods.requests, pods.errors) > least


@pytest.mark.parametrize("errors", [0, 30])
def test_where_nothing_or_everything_fails_there_is_nothing_to_vary(errors: int) -> None:
    requests = np.full((60, 2), 30)
    assert overdispersion(requests, np.full((60, 2), errors)) == 1.0


def test_no_minutes_at_all_are_no_fault() -> None:
    assert overdispersion(np.zeros((0, 0), dtype=int), np.zeros((0, 0), dtype=int)) == 1.0


def test_an_equal_canary_with_an_outage_of_its_own_is_not_called_worse() -> None:
    rng = np.random.default_rng(4)
    prod, before = bursts(rng, 3, 5), bursts(rng, 3, 5)
    requests = rng.poisson(30, (60, 1))
    ill = (np.arange(60) >= 20) & (np.arange(60) < 25)
    canary = ByPod(requests=requests, errors=rng.binomial(requests, np.where(ill, 0.3, 0.002)[:, None]))
    hour = ByPod(requests=prod.requests[:60], errors=prod.errors[:60])
    judged = judge_canary(arm(hour, before), arm(canary), CanaryPolicy())
    assert judged.checks[0].verdict == "undecided"
    assert judged.checks[0].overdispersion > 10
    assert "come in bursts" in judged.checks[0].sentence


def test_a_canary_that_fails_all_the_time_is_worse_although_prod_fails_in_bursts() -> None:
    rng = np.random.default_rng(5)
    prod, before = bursts(rng, 3, 5), bursts(rng, 3, 5)
    requests = rng.poisson(30, (MINUTES, 1))
    canary = ByPod(requests=requests, errors=rng.binomial(requests, 0.1))
    judged = judge_canary(arm(prod, before), arm(canary), CanaryPolicy())
    assert judged.verdict == "worse"


def test_bursts_of_slow_requests_count_as_failures_do() -> None:
    rng = np.random.default_rng(6)
    failing = bursts(rng, 3, 5)
    good = failing.requests - failing.errors
    latency = np.zeros((MINUTES, 3, 98), dtype=int)
    latency[..., 20], latency[..., 60] = good, failing.errors
    pods = ByPod(requests=failing.requests, errors=np.zeros_like(good), latency=latency)
    side = Arm(requests=pods.requests.sum(axis=1), errors=pods.errors.sum(axis=1),
               latency=latency.sum(axis=1), pods=pods)  # fmt: skip
    judged = judge_canary(side, side, CanaryPolicy(latency_threshold_ms=10.0))
    errors, slow = judged.checks
    assert errors.overdispersion == 1.0
    assert slow.overdispersion > 10
