"""Which requests meet a canary: exact shares, sticky keys, independent copies."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from driftlead_formats.traffic_split import WHOLE, TrafficSplit
from driftlead_inference.traffic.deadline import Latency, fallback_seconds
from driftlead_inference.traffic.split import Choice, Evenly, Splitter, meets

PARTS = st.integers(1, WHOLE)
SEEDS = st.integers(0, 2**64 - 1)


def longest_run(marks: list[bool]) -> int:
    return max((len(list(run)) for marked, run in itertools.groupby(marks) if marked), default=0)


@given(SEEDS)
def test_five_percent_of_ten_thousand_are_five_hundred(seed: int) -> None:
    evenly = Evenly(seed)
    for _ in range(3):
        marks = [evenly.take(50_000) for _ in range(10_000)]
        assert abs(sum(marks) - 500) <= 1
        assert longest_run(marks) <= 2


@given(SEEDS, PARTS, st.integers(1, 3000))
def test_after_any_number_of_requests_the_share_is_exact(seed: int, parts: int, count: int) -> None:
    evenly, marked = Evenly(seed), 0
    for number in range(1, count + 1):
        due = evenly.due(parts)
        taken = evenly.take(parts)
        assert due == taken
        marked += taken
        assert abs(marked - number * parts / WHOLE) < 2


@given(SEEDS)
def test_all_and_none_are_exact(seed: int) -> None:
    evenly = Evenly(seed)
    assert all(evenly.take(WHOLE) for _ in range(1000))
    splitter = Splitter(seed)
    assert {splitter.choose(None, 0, 0) for _ in range(100)} == {Choice.OWN}


@given(SEEDS, st.lists(PARTS, min_size=1, max_size=20))
def test_a_change_of_weight_neither_loses_nor_doubles(seed: int, weights: list[int]) -> None:
    evenly, marked = Evenly(seed), 0
    for parts in weights:
        marked += sum(evenly.take(parts) for _ in range(50))
    assert abs(marked - sum(parts * 50 for parts in weights) / WHOLE) < 2


def test_clients_who_take_turns_do_not_always_meet_the_same_side() -> None:
    evenly = Evenly(7)
    met = {number % 20 for number in range(20_000) if evenly.take(50_000)}
    assert met == set(range(20))


@given(st.text(max_size=5), st.binary(min_size=1, max_size=20), PARTS, PARTS)
def test_who_met_the_canary_meets_it_at_any_higher_weight(
    salt: str, key: bytes, one: int, other: int
) -> None:
    lower, higher = sorted((one, other))
    assert meets(salt, key, lower) <= meets(salt, key, higher)
    assert meets(salt, key, WHOLE)


def test_the_hash_is_the_documented_one() -> None:
    # SHA-256 of "s", a zero byte and "alice" begins e6 cf 28, which is 0.9016 of the whole.
    assert next(parts for parts in range(0, WHOLE, 100) if meets("s", b"alice", parts)) == 901_600


def test_a_share_of_keys_is_that_share_and_another_salt_draws_others() -> None:
    keys = [b"user-%d" % number for number in range(20_000)]
    one = {key for key in keys if meets("a", key, 50_000)}
    other = {key for key in keys if meets("b", key, 50_000)}
    assert 880 < len(one) < 1120  # 1000, four standard deviations of a fair draw
    assert len(one & other) < 90


def test_copies_are_drawn_independently_of_answers() -> None:
    splitter = Splitter(3)
    splitter.follow(TrafficSplit(salt="s"))
    for keys in ([None] * 20_000, [b"user-%d" % number for number in range(20_000)]):
        chosen = [splitter.choose(key, 200_000, 500_000) for key in keys]
        assert abs(chosen.count(Choice.FORWARD) - 4000) < 250
        assert abs(chosen.count(Choice.COPY) - 8000) < 400


@given(SEEDS, st.integers(0, WHOLE), st.integers(0, WHOLE), st.booleans())
def test_who_asks_first_whether_prod_answers_gets_the_same_choice(
    seed: int, weight: int, shadow: int, keyed: bool
) -> None:
    one, other = Splitter(seed), Splitter(seed)
    for number in range(200):
        key = b"%d" % number if keyed else None
        choice = one.choose(key, weight, shadow)
        if other.own(key, weight, shadow):
            assert choice is Choice.OWN
        else:
            assert other.choose(key, weight, shadow) is choice


def test_the_wait_is_twice_the_percentile_and_at_least_fifty_milliseconds() -> None:
    latency = Latency(expected_ms=1.0)
    assert fallback_seconds(TrafficSplit(), latency.p99) == 0.05
    latency.turn(0.0)
    for number in range(1000):
        latency.observe(100.0 if number >= 980 else 2.0)
    assert 100 <= latency.p99 < 120
    assert fallback_seconds(TrafficSplit(), latency.p99) == 2 * latency.p99 / 1e3
    latency.turn(61.0)
    assert latency.p99 >= 100
    latency.turn(122.0)
    assert latency.p99 == 1.0  # two minutes without an answer: what was measured at load
