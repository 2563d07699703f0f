"""Batches: what arrives within a few passes is predicted together, and only the guilty fails."""

import asyncio
import gc
import json
import time
from typing import Any

import pytest

from driftlead_formats.classes import class_name
from driftlead_inference.batching import PASSES, Pace
from driftlead_inference.problems import Refused
from driftlead_inference.recorder.types import SpoolFull
from driftlead_inference.service import Service
from serving import service_of

LONG = Pace(1.0, 0.0)  # so the worker thread predicts


async def outcome(service: Service, *row: float | None) -> Any:
    try:
        job = await service.predict([list(row)], None, "id")
    except Refused as refused:
        return refused.problem.status
    assert job.outputs is not None
    return job.outputs.numbers[job.start]


@pytest.mark.parametrize("pace", [None, LONG])
async def test_requests_of_one_pass_are_one_batch(pace: Pace | None) -> None:
    service, kept = service_of(pace=pace)
    answers = await asyncio.gather(*(outcome(service, at - 2, 0, 0) for at in range(5)))
    assert answers == [0, 0, 0, 1, 1]
    assert service.metrics.batches.count == 1
    assert len(kept.rows) == 5


async def test_requests_that_begin_a_pass_or_two_later_are_of_the_batch() -> None:
    service, _ = service_of()
    batches = service.metrics.batches
    asked = [asyncio.create_task(outcome(service, 1, 0, 0))]
    for _ in range(PASSES):
        assert batches.count == 0
        await asyncio.sleep(0)
        asked.append(asyncio.create_task(outcome(service, 1, 0, 0)))
    await asyncio.gather(*asked)
    assert [batches.count, batches.total] == [2, PASSES + 1]


async def test_an_answered_request_leaves_nothing_to_the_garbage_collector() -> None:
    service, _ = service_of()
    await outcome(service, 1, 0, 0)
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await outcome(service, 1, 0, 0)
        assert gc.collect() < 100
    finally:
        gc.enable()


@pytest.mark.parametrize("pace", [None, LONG])
async def test_only_the_row_that_the_model_refuses_fails(pace: Pace | None) -> None:
    service, kept = service_of(pace=pace)
    rows = [
        (1.0, 0.0, 0.0),
        (13.0, 0.0, 0.0),
        (None, 0.0, 0.0),
        (14.0, 0.0, 0.0),
        (1e300, 0.0, 0.0),
        (-1.0, None, 0.0),
    ]
    assert await asyncio.gather(*(outcome(service, *row) for row in rows)) == [1, 422, 422, 500, 422, 0]
    assert [row.prediction for row in kept.rows] == [1, 0]


async def test_a_batch_has_a_cap_and_a_large_request_goes_alone() -> None:
    service, _ = service_of(batch_rows=4)
    jobs = [
        asyncio.create_task(service.predict([[0.0] * 3] * count, None, str(count))) for count in (3, 3, 9, 1)
    ]
    await asyncio.gather(*jobs)
    assert service.metrics.batches.total == 16
    assert service.metrics.batches.count == 4


async def test_beyond_the_bound_nobody_else_may_wait() -> None:
    service, _ = service_of(waiting_rows=5, pace=LONG)
    first = asyncio.create_task(service.predict([[0.0] * 3] * 4, None, "a"))
    await asyncio.sleep(0)
    with pytest.raises(Refused) as caught:
        await service.predict([[0.0] * 3] * 2, None, "b")
    assert (caught.value.problem.status, caught.value.problem.retry_after) == (429, 1)
    assert (await first).problem is None


async def test_the_next_batch_gathers_while_a_long_one_is_predicted() -> None:
    service, _ = service_of(pace=LONG)
    assert service.serving is not None
    engine = service.serving.batcher.engine
    predict = engine.predict

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.05)
        return predict(*arguments, **options)

    engine.predict = slow  # type: ignore[method-assign]
    first = asyncio.create_task(outcome(service, 1, 0, 0))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(outcome(service, 1, 0, 0)) for _ in range(7)]
    await asyncio.gather(first, *others)
    assert service.metrics.batches.count == 2


async def test_a_durable_reply_waits_for_the_commit() -> None:
    service, kept = service_of(log_mode="durable")
    task = asyncio.create_task(outcome(service, 1, 0, 0))
    await asyncio.wait_for(kept.appended.wait(), 1)
    await asyncio.sleep(0.01)
    assert not task.done()
    kept.committed.set()
    assert await task == 1


async def test_a_durable_reply_whose_commit_takes_too_long_says_that_the_row_is_kept() -> None:
    service, kept = service_of(log_mode="durable", durable_seconds=0.01)
    with pytest.raises(Refused) as caught:
        await service.predict([[1.0, 0.0, 0.0]], None, "one")
    problem = caught.value.problem
    assert (problem.status, problem.about, problem.retry_after) == (503, {"committed": False}, 5)
    assert "stands in the spool" in problem.detail
    assert [row.request_id for row in kept.rows] == ["one"]


async def test_a_log_that_takes_no_rows_refuses_the_prediction() -> None:
    service, kept = service_of()

    def full(rows: object, mark: object) -> int:
        raise SpoolFull

    kept.append = full  # type: ignore[method-assign]
    assert await outcome(service, 1, 0, 0) == 503


async def test_failures_stand_in_the_histograms_and_not_in_the_table() -> None:
    service, kept = service_of()
    service.count("/predict", 422, time.perf_counter())
    service.count("/predict", 200, time.perf_counter())
    service.count("/predict", 500, time.perf_counter())
    assert kept.failed == [4, 5]


async def test_request_ids_are_the_clients_where_they_are_harmless() -> None:
    service, _ = service_of()
    assert service.request_id(b"abc-1.2:3") == "abc-1.2:3"
    for bad in (b"", b"a b", b'a"b', b"a\\b", b"\xff", b"x" * 129):
        assert service.request_id(bad).startswith("id-")


async def test_probabilities_are_logged_for_every_row_where_that_is_asked_for() -> None:
    service, kept = service_of(log_probabilities=True)
    assert service.serving is not None
    service.serving.batcher.probabilities = True
    job = await service.predict([[1.0, 2.0, 3.0]], None, "one")
    outputs = json.loads(kept.rows[0].outputs_json or b"")
    assert outputs == {"0": pytest.approx(0.002473), "1": pytest.approx(0.997527)}
    assert not job.probabilities
    plain, logged = service_of()
    await plain.predict([[1.0, 2.0, 3.0]], None, "one")
    assert logged.rows[0].outputs_json is None


@pytest.mark.parametrize(
    ("value", "name"), [("late", "late"), (1, "1"), (1.0, "1"), (True, "1"), (0.5, "0.5")]
)
def test_a_class_is_named_in_the_log_as_labels_are_looked_up(value: object, name: str) -> None:
    assert class_name(value) == name
