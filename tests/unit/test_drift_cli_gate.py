import numpy as np
import pytest

from driftlead_drift.retraining import gate
from driftlead_drift.retraining.champion import level


def accuracy(target: np.ndarray, answers: np.ndarray) -> float:
    return float(np.mean(target == answers))


def test_a_clearly_better_model_passes_and_a_worse_one_does_not() -> None:
    random = np.random.default_rng(1)
    target = random.integers(0, 2, 5000)
    good = np.where(random.random(5000) < 0.9, target, 1 - target)
    poor = np.where(random.random(5000) < 0.7, target, 1 - target)
    up = gate.compare(target, poor, good, accuracy, alpha=0.05)
    down = gate.compare(target, good, poor, accuracy, alpha=0.05)
    assert up.better(0.1)
    assert not up.better(0.3)
    assert not down.better(0)
    assert up.low < up.difference < up.high


def test_equal_models_pass_seldom() -> None:
    random = np.random.default_rng(2)
    passed = 0
    for seed in range(40):
        target = random.integers(0, 2, 1000)
        one, two = (np.where(random.random(1000) < 0.8, target, 1 - target) for _ in range(2))
        passed += gate.compare(target, one, two, accuracy, alpha=0.05, seed=seed, resamples=100).better(0)
    assert passed <= 4


def test_rows_that_come_in_clusters_make_the_interval_wider() -> None:
    random = np.random.default_rng(3)
    target = np.zeros(5000, dtype=int)
    champion = np.ones(5000, dtype=int)
    clusters = np.repeat(random.integers(0, 2, 50), 100)
    alone = random.permutation(clusters)
    wide = gate.compare(target, champion, clusters, accuracy, alpha=0.05)
    narrow = gate.compare(target, champion, alone, accuracy, alpha=0.05)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_a_hold_out_that_cannot_be_scored_is_refused() -> None:
    def picky(target: np.ndarray, answers: np.ndarray) -> float:
        raise ValueError("one class only")

    with pytest.raises(ValueError, match="larger hold-out"):
        gate.compare(np.zeros(10), np.zeros(10), np.zeros(10), picky, alpha=0.05)


def test_the_error_rate_is_spent_over_attempts_and_never_beyond_alpha() -> None:
    levels = [level(0.05, earlier) for earlier in range(1000)]
    assert levels[0] == 0.025
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) < 0.05
