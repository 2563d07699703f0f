"""The smoke prediction in the process that serves, and how long predictions take."""

import time

import numpy as np
import structlog

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.batching import Pace
from driftlead_inference.engines.base import Engine, Matrix, Rows
from driftlead_inference.failures import StartFailed
from driftlead_inference.model.answers import UnusableAnswer
from driftlead_inference.model.prepared import Prepared
from driftlead_inference.rows.validation import RowValidator

log = structlog.get_logger()


def matrix(rows: Rows, validator: RowValidator) -> Matrix | None:
    """The rows as an array, where all features are numbers."""
    return np.array(rows, dtype=np.float64) if validator.signature.numeric else None


def smoke(engine: Engine, validator: RowValidator, known: Prepared) -> None:
    """One real prediction; ready without it would be a guess. Raises `StartFailed` unless only zeros were
    refused."""
    rows = [known.example]
    try:
        answer = engine.predict(rows, matrix(rows, validator), probabilities=known.probabilities)
        if answer.wrong:
            raise ValueError(f"the answer is {answer.texts[0].decode()}")
    except Exception as error:
        sentence = f"the smoke prediction of {known.example_kind} failed: {type(error).__name__}: {error}"
        if known.example_kind != "zeros" or isinstance(error, UnusableAnswer):
            raise StartFailed(ExitCode.SMOKE_FAILED, sentence) from error
        log.warning(sentence)


def pace_of(engine: Engine, validator: RowValidator, known: Prepared, most: int) -> Pace:
    """The time of one row and of each further one, after a warm-up: the better of three."""
    try:
        single = duration(engine, validator, [known.example])
        many = duration(engine, validator, [known.example] * most)
    except Exception:  # zeros that the model refuses, said by `smoke` already
        return Pace(1.0, 0.0)
    return Pace(single, max(0.0, many - single) / max(1, most - 1))


def duration(engine: Engine, validator: RowValidator, rows: Rows) -> float:
    """Seconds of one prediction."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        engine.predict(rows, matrix(rows, validator))
        best = min(best, time.perf_counter() - started)
    return best
