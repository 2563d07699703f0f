"""When a canary is left alone: after failures in a row or half of the last ones, until copies of requests
come back good."""

from hypothesis import given
from hypothesis import strategies as st

from driftlead_inference.traffic.breaker import (
    FIRST_PAUSE,
    GOOD_TRIES,
    IN_A_ROW,
    LONGEST_PAUSE,
    MOST_FAILURES,
    Breaker,
    State,
)


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        breaker.record(False, at, "status 500")
    assert breaker.state is State.OPEN
    return breaker


def test_it_opens_after_failures_in_a_row_and_says_why() -> None:
    breaker = Breaker()
    for _ in range(IN_A_ROW - 1):
        breaker.record(False, 1.0, "status 500")
    breaker.record(True, 1.0)
    for number in range(IN_A_ROW):
        assert breaker.closed, number
        breaker.record(False, 2.0, "status 500")
    assert not breaker.closed
    assert breaker.reason == "5 failures in a row, the last: status 500"
    assert breaker.openings == 1


def test_it_opens_when_half_of_the_last_requests_failed() -> None:
    breaker, recorded = Breaker(), 0
    while breaker.closed:
        breaker.record(recorded % 2 == 0, 1.0, "late")
        recorded += 1
    assert recorded == 2 * MOST_FAILURES
    assert "10 failures among the last 20" in breaker.reason


@given(st.lists(st.booleans(), max_size=300))
def test_a_canary_that_fails_now_and_then_is_not_cut_off(fails: list[bool]) -> None:
    breaker = Breaker()
    for number, failing in enumerate(fails):
        breaker.record(not (failing and number % 5 == 0), 1.0)
    assert breaker.closed


def test_nothing_is_tried_before_the_pause_and_then_one_at_a_time() -> None:
    breaker = opened(at=100.0)
    assert not breaker.wants_try(100.0 + FIRST_PAUSE - 0.1)
    assert breaker.wants_try(100.0 + FIRST_PAUSE)
    breaker.begin_try()
    assert not breaker.wants_try(1000.0)
    assert not breaker.closed
    breaker.not_tried()
    assert breaker.wants_try(1000.0)


def test_good_tries_in_a_row_close_it_and_a_bad_one_doubles_the_pause() -> None:
    breaker, now = opened(), 0.0
    pauses = []
    for _ in range(6):
        now += breaker.pause
        breaker.begin_try()
        breaker.tried(False, now, "late")
        pauses.append(breaker.pause)
    assert pauses == [20, 40, 80, 160, LONGEST_PAUSE, LONGEST_PAUSE]
    assert breaker.openings == 1  # it never closed in between
    now += breaker.pause
    for number in range(GOOD_TRIES):
        assert not breaker.closed, number
        assert breaker.wants_try(now)
        breaker.begin_try()
        breaker.tried(True, now)
    assert breaker.closed
    assert breaker.reason == ""


def test_a_canary_that_fails_again_waits_longer_until_it_has_proved_itself() -> None:
    breaker = opened()
    for _ in range(GOOD_TRIES):
        breaker.begin_try()
        breaker.tried(True, 40.0)
    for _ in range(IN_A_ROW):
        breaker.record(False, 41.0, "late")
    assert (breaker.openings, breaker.pause) == (2, 2 * FIRST_PAUSE)
    for _ in range(GOOD_TRIES):
        breaker.begin_try()
        breaker.tried(True, 200.0)
    for _ in range(20):
        breaker.record(True, 201.0)
    assert breaker.pause == FIRST_PAUSE


@given(st.lists(st.tuples(st.sampled_from(["good", "bad", "try"]), st.floats(0, 100))))
def test_whatever_comes_nothing_is_forwarded_while_it_is_open(events: list[tuple[str, float]]) -> None:
    breaker, now, trying = Breaker(), 0.0, False
    for what, later in events:
        now += later
        if what != "try":
            before = breaker.closed
            breaker.record(what == "good", now)
            assert before or not breaker.closed  # stragglers never close it
        elif trying:
            breaker.tried(later > 50, now)
            trying = False
        elif breaker.wants_try(now):
            breaker.begin_try()
            trying = True
        assert breaker.trying <= (not breaker.closed)
        assert breaker.closed == (breaker.state is State.CLOSED)
