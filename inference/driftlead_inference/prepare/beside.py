"""Whether a row is answered alone as it is among others; what is not can only be answered wrongly.

A batch holds rows of several clients. A model that sorts its answers, ranks them or divides them by their sum
gives each of them what another one's row decides. It is found out by asking: some different rows one by one,
then together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.failures import StartFailed
from driftlead_inference.model import frames
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.prepare.probing import variants
from driftlead_inference.rows.signature import Signature

MOST = 6  # rows; each is asked alone, which for some models takes a second
FAR = 1e-2  # of the largest answer: solvers that stop when all rows are good enough differ by less
Asked = list[NDArray[Any]]


def alone(loaded: Loaded, signature: Signature, takes: str, rows: Sequence[Sequence[Any]]) -> None:
    """Refuses a model whose answer to a row depends on the rows beside it. Raises `StartFailed`."""
    known: list[tuple[Sequence[Any], Asked]] = [
        (row, answer)
        for row in variants(signature, rows[0], MOST, rows[1:MOST])[:MOST]
        if (answer := asked(loaded, signature, takes, [row])) is not None
    ]
    if len(known) < 2:
        return
    together = asked(loaded, signature, takes, [row for row, _ in known])
    if together is None:
        raise StartFailed(
            ExitCode.SMOKE_FAILED,
            f"each of {len(known)} rows is answered alone, and none of them when they are asked together; "
            "requests share batches, so answer any number of rows",
        )
    for at, (row, answer) in enumerate(known):
        pairs = [(one[0], every[at], every) for one, every in zip(answer, together, strict=True)]
        other = next(((one, among) for one, among, every in pairs if not close(one, among, every)), None)
        if other is None:
            continue
        again = asked(loaded, signature, takes, [row])
        if again is None or not all(close(a[0], b[0], a) for a, b in zip(answer, again, strict=True)):
            return  # the model draws lots
        raise refused(*other, len(known))


def asked(loaded: Loaded, signature: Signature, takes: str, rows: Sequence[Sequence[Any]]) -> Asked | None:
    """Answers, and probabilities where there are some; None where the rows are refused."""
    try:
        answers, likely = frames.predict(
            loaded, signature, takes, rows, probabilities=loaded.has_probabilities
        )
    except Exception:
        return None
    return [answers] if likely is None else [answers, likely]


def close(one: Any, other: Any, every: NDArray[Any]) -> bool:
    """Whether two answers are the same: numbers nearly, everything else exactly."""
    if every.dtype.kind != "f":
        return bool(np.all(np.asarray(one == other)))
    finite = np.abs(every[np.isfinite(every)])
    size = float(finite.max()) if finite.size else 0.0
    return bool(np.allclose(one, other, rtol=FAR, atol=FAR * size, equal_nan=True))


def refused(single: Any, among: Any, rows: int) -> StartFailed:
    """The refusal, with both answers."""
    return StartFailed(
        ExitCode.SMOKE_FAILED,
        f"the answer to a row depends on the rows beside it: {said(single)} alone, {said(among)} among {rows}"
        " rows; requests share batches, so answer each row by itself and in the order of the rows: do not "
        "sort, rank or normalize over what is asked together",
    )


def said(answer: Any) -> str:
    """An answer in one line."""
    return " ".join(str(answer).split())[:60]
