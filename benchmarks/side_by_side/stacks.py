"""Sampled stacks, sorted into the steps of a request."""

import re
from collections import Counter
from collections.abc import Iterable

FRAME = re.compile(r"(?P<function>[^;]+?) \((?P<file>[^;]*?)(?::\d+)?\)(?=;|$)")
# Where a thread stands that waits for a request or for the interpreter's lock.
WAITS = {"epoll_pwait", "pthread_cond_wait", "pthread_cond_timedwait"}
TRANSFERS = {"read", "write", "writev", "recv", "send", "sendmsg", "__send", "__recv"}

TCP = "kernel: TCP"
LOOP = "event loop (uvloop)"
HTTP = "HTTP: head in, reply out"
APPEND = "append to the spool"
DELIVER = "writer: spool to Postgres"
REST = "other"
WAITING = ""
# A part of the file's name, a function or "" for any, the step. The first that fits counts.
STEPS = [
    ("protocols/predict.py", "encode", "encode the reply"),
    ("protocols/predict.py", "reply", "encode the reply"),
    ("driftlead_inference/protocols/", "", "decode and validate the body"),
    ("driftlead_inference/rows/validation.py", "", "rows into a matrix, checked"),
    ("driftlead_inference/batching.py", "gather", "rows into a matrix, checked"),
    ("driftlead_inference/batching.py", "attempt", "predict"),
    ("driftlead_inference/batching.py", "", "gather a batch, hand it on"),
    ("driftlead_inference/engines/", "", "predict"),
    ("driftlead_inference/model/flavours.py", "", "predict"),
    ("driftlead_inference/service.py", "log_rows", "build the log's rows"),
    ("driftlead_inference/service.py", "count", "metrics"),
    ("driftlead_inference/metrics.py", "", "metrics"),
    ("recorder/writer.py", "", DELIVER),
    ("driftlead_log/delivery.py", "", DELIVER),
    ("asyncpg/", "", DELIVER),
    ("driftlead_log/counting.py", "", "writer: histograms"),
    ("recorder/recorder.py", "", APPEND),
    ("driftlead_inference/watchdog.py", "", WAITING),
    ("driftlead_inference/", "", HTTP),
    ("uvicorn/", "", HTTP),
    ("starlette/", "", HTTP),
    ("fastapi/", "", HTTP),
    ("loop.c", "", LOOP),
    ("concurrent/futures/thread.py", "_worker", WAITING),
]
# What these do belongs to whoever calls them.
SHARED = ("recorder/spool.py", "recorder/folder.py", "driftlead_inference/threads.py")
# What every stack begins with.
OUTER = (
    "driftlead_inference/server.py", "driftlead_inference/bootstrap.py", "driftlead_inference/__main__.py",
    "driftlead_inference/commandline.py", "uvicorn/server.py",
)  # fmt: skip
ORDER = [
    TCP, LOOP, HTTP, "decode and validate the body", "gather a batch, hand it on",
    "rows into a matrix, checked", "predict", "build the log's rows", APPEND, "encode the reply", "metrics",
    DELIVER, "writer: histograms", REST,
]  # fmt: skip


def step_of(stack: str) -> str | None:
    """The step of one stack (outermost frame first), by its innermost frame that says it; None while it
    waits."""
    frames = [(name(each["function"]), each["file"]) for each in FRAME.finditer(stack)]
    function, file = frames[-1]
    found = next((step for each in reversed(frames) if (step := own_step(*each)) is not None), REST)
    if function in WAITS or found == WAITING:
        return None
    if function in TRANSFERS and file.startswith("libc") and found in {HTTP, LOOP}:
        return TCP
    return found


def name(function: str) -> str:
    """A function's own name: `gather` of `Batcher.gather.<locals>.<listcomp>`."""
    return function.partition(".<locals>")[0].rpartition(".")[2]


def own_step(function: str, file: str) -> str | None:
    """The step that a frame stands for."""
    if file.endswith(SHARED + OUTER):
        return None
    return next((step for part, only, step in STEPS if part in file and only in {"", function}), None)


def shares(stacks: Iterable[str]) -> dict[str, float]:
    """Each step's share of py-spy's raw lines, which are a stack and how often it was seen."""
    seen: Counter[str] = Counter()
    for each in stacks:
        stack, _, times = each.rpartition(" ")
        if step := step_of(stack):
            seen[step] += int(times)
    return {step: times / seen.total() for step, times in seen.items()}
