"""What the inference benchmark concludes from figures and stacks; it is a program beside the packages."""

from typing import Any

import pytest

from benchmarks.side_by_side import goals, peers, report, servers, stacks
from benchmarks.side_by_side.figures import Measured, plan_of

LOOP = "run (uvloop/__init__.py:92);run_forever (loop.c:33192);"


def measured(name: str, kind: str, rate: float, **fields: Any) -> Measured:
    fields = {
        "cpu_all_us": 1e6 / rate,
        "p50": [1.0],
        "p99": [2.0],
        "rate": 200,
        "cpu_us": {"32": 1.0, "128": 1.0},
        **fields,
    }
    return Measured(name, kind, "regression", rates={"32": [1.0], "128": [rate, rate, 1.0]}, **fields)


def said(found: list[Measured], goal: str, against: str) -> goals.Verdict:
    return next(each for each in goals.judge(found) if each.goal == goal and each.against.startswith(against))


def test_a_ratio_is_of_medians_at_the_better_number_of_connections() -> None:
    found = [measured(servers.WIRE, servers.OURS, 50_000), measured(servers.MLFLOW, servers.PEER, 1_000)]
    verdict = said(found, "regression, wire, logged", servers.MLFLOW)
    assert (verdict.met, verdict.seen) == (True, "50.0 x (by CPU 50.0 x)")


def test_the_best_peer_is_the_fastest_that_ran_and_is_not_mlflow() -> None:
    found = [
        measured(servers.WIRE, servers.OURS, 50_000),
        measured(servers.MLFLOW, servers.PEER, 9_000),
        measured("KServe", servers.PEER, 2_500),
        measured("LitServe", servers.PEER, 1_000),
        Measured("BentoML", servers.PEER, "regression", failed="it did not start"),
    ]
    verdict = said(found, "regression, wire, logged", "the best peer")
    assert (verdict.against, verdict.met) == ("the best peer, KServe", False)


def test_what_did_not_run_is_named_and_no_goal_is_met_without_it() -> None:
    failed = Measured(servers.MLFLOW, servers.PEER, "regression", failed="NotInstalledError: no | wheel")
    found = [measured(servers.WIRE, servers.OURS, 50_000), failed]
    assert said(found, "regression, wire, logged", servers.MLFLOW).met is None
    assert "| did not run: NotInstalledError: no / wheel |" in report.figures(found)


def test_a_row_less_than_answers_is_lost() -> None:
    found = [measured(servers.WIRE, servers.OURS, 1.0, logs=True, answered=9, made=10, rows=8)]
    assert found[0].lost == 2
    assert said(found, "rows lost", "").met is False


def test_a_row_that_no_histogram_counts_is_lost() -> None:
    found = [measured(servers.WIRE, servers.OURS, 1.0, logs=True, answered=9, made=10, rows=10, counted=9)]
    assert said(found, "rows lost", "").met is False


def test_every_title_is_unique_and_every_peer_is_pinned() -> None:
    titles = [each.title for each in servers.ALL]
    assert len(titles) == len(set(titles))
    for name in {each.peer for each in servers.ALL} - {""}:
        assert peers.version_of(name, name), name


@pytest.mark.parametrize("model", ["svc", "boosting"])
def test_models_without_a_goal_are_run_once(model: str) -> None:
    assert plan_of(model, 3, 2, 2).runs == 1


WRITE = "Wire.reply ({0}/wire.py:181);uv_write (loop.c:1);write (libc.so.6)"
SPOOL = (
    "Recorder.append ({0}/recorder/recorder.py:9);Spool.write ({0}/recorder/spool.py:95);writev (libc.so.6)"
)
FETCH = "Writer.flush ({0}/recorder/writer.py:9);Spool.read ({0}/recorder/spool.py:1)"


@pytest.mark.parametrize(
    ("stack", "step"),
    [
        (WRITE, stacks.TCP),
        ("uv__read (stream.c:1063);read (libc.so.6)", stacks.TCP),
        ("uv_run (core.c:464);uv__run_idle (loop-watcher.c:68)", stacks.LOOP),
        ("Batcher.gather.<locals>.<listcomp> ({0}/batching.py:198)", "rows into a matrix, checked"),
        (SPOOL, stacks.APPEND),
        (FETCH, stacks.DELIVER),
        ("uv__io_poll (linux.c:1452);epoll_pwait (libc.so.6)", None),
    ],
)
def test_a_stack_belongs_to_the_step_of_its_innermost_frame(stack: str, step: str | None) -> None:
    assert stacks.step_of(LOOP + stack.format("driftlead_inference")) == step


def test_a_thread_without_work_is_no_step() -> None:
    idle = "Thread.run (threading.py:982);_worker (concurrent/futures/thread.py:81);0x7fa5 (libc.so.6)"
    assert stacks.shares([f"{idle} 300", f"{LOOP}reply (driftlead_inference/protocols/predict.py:9) 3"]) == {
        "encode the reply": 1.0
    }
