"""One request on its way through the server: what a protocol has read, and a batch answers. Pure."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from driftlead_inference.engines.outputs import Outputs
from driftlead_inference.problems import Problem
from driftlead_log.frames import Mark

REQUEST_ID = re.compile(rb"[!#-\[\]-~]{1,128}")  # visible ASCII that stands in JSON as it is


class Job(msgspec.Struct):
    """One request's rows on their way through the model. A `Struct`, which is made in C: one a request.

    rows           in the model's order; raws: the same as JSON text where the request had it
    accepted       epoch seconds, the log's `ts`; parsed: `perf_counter` when decoding was over
    outputs        of the whole batch; this job's begin at `start`
    mark           how the request came, for the log
    alone          it was in a batch that failed, and is asked again by itself
    problem        instead of outputs
    """

    rows: list[list[Any]]
    raws: list[bytes] | None
    request_id: str
    accepted: float
    parsed: float
    done: Callable[["Job"], None]
    probabilities: bool = False
    mark: Mark = Mark.NONE
    alone: bool = False
    outputs: Outputs | None = None
    start: int = 0
    latency_ms: float = 0.0
    problem: Problem | None = None

    def refuse(self, problem: Problem) -> None:
        """Ends the job without an answer."""
        self.problem = problem
        self.done(self)
