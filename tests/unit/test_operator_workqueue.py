"""The queue of keys, on a clock that the test moves."""

import asyncio

import pytest

from driftlead_operator.workqueue import WorkQueue, backoff


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    made: WorkQueue[str] = WorkQueue(first=1.0, longest=60.0, clock=clock, chance=lambda: 1.0)
    made.set_open(True)
    return made


def taken(queue: WorkQueue[str]) -> list[str]:
    queue.add_due()
    keys = []
    while (each := queue.pop()) is not None:
        keys.append(each[0])
    return keys


def test_a_key_added_thrice_has_one_turn(queue: WorkQueue[str]) -> None:
    for _ in range(3):
        queue.add("a")
    assert taken(queue) == ["a"]


def test_keys_have_their_taken_in_the_order_in_which_they_came(queue: WorkQueue[str]) -> None:
    for key in "bca":
        queue.add(key)
    assert taken(queue) == ["b", "c", "a"]


def test_a_key_added_during_its_turn_has_exactly_one_more_and_only_afterwards(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert taken(queue) == ["a"]
    queue.add("a")
    queue.add("a")
    assert taken(queue) == []
    queue.done("a")
    assert taken(queue) == ["a"]
    queue.done("a")
    assert taken(queue) == []


def test_a_closed_queue_takes_in_and_gives_nothing_out(queue: WorkQueue[str]) -> None:
    queue.set_open(False)
    queue.add("a")
    assert taken(queue) == []
    queue.set_open(True)
    assert taken(queue) == ["a"]


def test_a_delayed_key_waits_for_its_time(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 10)
    assert queue.add_due() == 10
    clock.now += 9.9
    assert taken(queue) == []
    clock.now += 0.1
    assert taken(queue) == ["a"]


def test_of_two_delays_the_shorter_counts_and_the_longer_is_no_second_turn(
    queue: WorkQueue[str], clock: Clock
) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 2)
    queue.add_after("a", 5)
    clock.now += 2
    assert taken(queue) == ["a"]
    queue.done("a")
    clock.now += 100
    assert taken(queue) == []


def test_an_event_makes_a_delayed_key_due_at_once_and_its_delay_void(
    queue: WorkQueue[str], clock: Clock
) -> None:
    queue.add_after("a", 10)
    queue.add("a")
    assert taken(queue) == ["a"]
    queue.done("a")
    clock.now += 10
    assert taken(queue) == []


def test_each_failure_in_a_row_waits_twice_as_long_up_to_a_bound(queue: WorkQueue[str]) -> None:
    assert [queue.add_failed("a") for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    queue.succeed("a")
    assert queue.add_failed("a") == 1


def test_a_failing_key_delays_no_other(queue: WorkQueue[str]) -> None:
    queue.add_failed("bad")
    queue.add("good")
    assert taken(queue) == ["good"]


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"), [(1, 0.0, 0.5), (1, 1.0, 1.0), (3, 0.5, 3.0), (99, 1.0, 60.0)]
)
def test_backoff_lies_between_half_and_all_of_the_doubled_time(
    failures: int, jitter: float, seconds: float
) -> None:
    assert backoff(failures, first=1.0, longest=60.0, jitter=jitter) == seconds


def test_depth_and_age_tell_what_waits_and_for_how_long(queue: WorkQueue[str], clock: Clock) -> None:
    assert (len(queue), queue.oldest) == (0, 0.0)
    queue.add("a")
    clock.now += 3
    queue.add("b")
    assert (len(queue), queue.oldest) == (2, 3.0)
    assert taken(queue) == ["a", "b"]
    queue.add("a")
    clock.now += 1
    assert (len(queue), queue.oldest) == (1, 1.0)


async def test_a_worker_that_waits_gets_a_key_when_one_comes(queue: WorkQueue[str]) -> None:
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.add("a")
    assert (await asyncio.wait_for(waiting, 1))[0] == "a"


async def test_two_workers_never_have_the_same_key_and_both_have_one() -> None:
    queue: WorkQueue[int] = WorkQueue()
    queue.set_open(True)
    busy: set[int] = set()
    taken: list[int] = []

    async def work() -> None:
        while True:
            key, _ = await queue.get()
            assert key not in busy
            busy.add(key)
            await asyncio.sleep(0)
            busy.remove(key)
            taken.append(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(8)]
    for number in range(2000):
        queue.add(number % 7)
        if number % 3 == 0:
            await asyncio.sleep(0)
    for _ in range(10_000):
        await asyncio.sleep(0)
        if not len(queue):
            break
    await asyncio.wait_for(queue.idle(), 1)
    for worker in workers:
        assert not worker.done()
        worker.cancel()
    assert set(taken) == set(range(7))
    assert 7 <= len(taken) <= 2000


async def test_idle_waits_for_what_is_being_worked_on(queue: WorkQueue[str]) -> None:
    await asyncio.wait_for(queue.idle(), 1)
    queue.add("a")
    await queue.get()
    idle = asyncio.create_task(queue.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    queue.done("a")
    await asyncio.wait_for(idle, 1)
