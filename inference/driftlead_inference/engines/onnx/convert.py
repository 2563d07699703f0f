"""Converts an estimator to ONNX and verifies that ONNX Runtime repeats its answers. Only in the preparing
process."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline import Baseline
from driftlead_inference.engines.onnx import repairs
from driftlead_inference.engines.onnx.engine import Session
from driftlead_inference.engines.onnx.ensembles import complete
from driftlead_inference.engines.onnx.reference import Matrix, NotConvertible, reference_rows
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.rows.validation import RowValidator

# A regression may differ by this share of its size, and a probability by so much: float32 has 24 bits.
TOLERANCE = 1e-5
# Its arithmetic depends on how many rows it gets: all reference rows in large blocks, FEW as requests come.
SMALL, FEW = (1, 16), 1000
# The large ones: neighbours and kernels need memory for each row and each row of the training.
BLOCK_ROWS, BLOCK_CELLS = 1024, 1_000_000
TYPES = ("double", "float")  # double first: it is the estimator's own arithmetic


@dataclass(frozen=True)
class ParityResult:
    """Whether ONNX Runtime may serve: the file's bytes and input type, and why or why not."""

    reason: str
    model: bytes = b""
    dtype: str = ""


@dataclass(frozen=True)
class Reference:
    """Rows and what the estimator says of them; `size`: how many of them may be asked at once."""

    rows: Matrix
    expected: NDArray[Any]
    likely: Matrix | None
    size: int


def convert(
    loaded: Loaded, validator: RowValidator, takes: str, example: list[Any], baseline: Baseline | None
) -> ParityResult:
    """Whether ONNX Runtime may serve. Never raises: whatever goes wrong is a reason for scikit-learn."""
    if loaded.estimator is None or takes != "array":
        return ParityResult("only scikit-learn models that take an array of numbers are converted")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reference = answered(loaded, validator, example, baseline)
        except NotConvertible as reason:
            return ParityResult(f"not converted: {reason}")
        except Exception as error:
            return ParityResult(f"not converted: scikit-learn refuses reference rows ({short(error)})")
        reasons = []
        for dtype in TYPES:
            try:
                result = judge(loaded, reference, dtype)
            except NotConvertible as reason:
                return ParityResult(f"not converted: {reason}")
            if result.model:
                return result
            reasons.append(result.reason)
    return ParityResult("; ".join(dict.fromkeys(reasons)))


def answered(
    loaded: Loaded, validator: RowValidator, example: list[Any], baseline: Baseline | None
) -> Reference:
    """The reference rows, answered by the estimator. Raises `NotConvertible`, and what that raises."""
    inner = inner_size(loaded, example)
    rows = reference_rows(
        loaded.estimator, validator, example, baseline_values(baseline, validator), inner=inner
    )
    size = max(1, min(BLOCK_ROWS, BLOCK_CELLS // max(validator.width, inner)))
    parts = [loaded.predict(rows[part], probabilities=True) for part in blocks(np.arange(len(rows)), size)]
    expected, likely = zip(*parts, strict=True)
    return Reference(
        rows, np.concatenate(expected), None if likely[0] is None else np.concatenate(likely), size
    )


def inner_size(loaded: Loaded, example: list[Any]) -> int:
    """The most numbers that a row becomes on its way through the model: between its steps, or as answers."""
    answers = loaded.predict(np.array([example], dtype=np.float64), probabilities=True)
    steps = [getattr(step, "n_features_in_", 1) for _, step in getattr(loaded.estimator, "steps", ())]
    return max(1, *steps, *(each.size for each in answers if each is not None))


def blocks(places: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    """Places in blocks of at most this size."""
    return np.array_split(places, -(-len(places) // size))


def judge(loaded: Loaded, reference: Reference, dtype: str) -> ParityResult:
    """Converts for one input type, and compares every reference row. Raises `NotConvertible`."""
    rows = reference.rows
    try:
        model = converted(loaded.estimator, rows.shape[1], dtype)
        session = Session(model, dtype)
        counts = (differing(session, reference, size) for size in (reference.size, *SMALL))
        wrong = next(filter(None, counts), 0)
    except NotConvertible:
        raise
    except Exception as error:
        return ParityResult(f"not convertible as {dtype} ({short(error)})")
    if wrong:
        return ParityResult(f"as {dtype} ONNX Runtime differs on {wrong:,} of {len(rows):,} reference rows")
    faster, ours, theirs = race(loaded, session, rows)
    if not faster:
        return ParityResult(f"ONNX Runtime is not faster ({theirs:.0f} us a row, scikit-learn {ours:.0f} us)")
    times = f"a row takes {theirs:.0f} us, not {ours:.0f}"
    reason = f"verified equal on {len(rows):,} reference rows as {dtype}; {times}"
    return ParityResult(reason, model, dtype)


def differing(session: Session, reference: Reference, size: int) -> int:
    """On how many rows ONNX Runtime differs when it is asked for `size` rows at once: on all of them, or on
    some in sizes as requests have."""
    rows, expected, likely = reference.rows, reference.expected, reference.likely
    some = np.arange(0, len(rows), max(1, len(rows) // FEW) if size in SMALL else 1)
    wrong, usual = 0, usual_size(expected)
    for part in blocks(some, size):
        answers, probabilities = session.run(rows[part], probabilities=likely is not None)
        known, wanted = None if likely is None else likely[part], expected[part]
        wrong += differences(wanted, answers.reshape(wanted.shape), known, probabilities, usual)
    return wrong


def converted(estimator: Any, width: int, dtype: str) -> bytes:
    """The ONNX file. Raises `NotConvertible` where skl2onnx lacks a converter, and what else it raises."""
    from skl2onnx import to_onnx  # noqa: PLC0415 - heavy
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType  # noqa: PLC0415
    from skl2onnx.common.exceptions import MissingShapeCalculator  # noqa: PLC0415

    repairs.repair()
    kind = DoubleTensorType if dtype == "double" else FloatTensorType
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    options = {"zipmap": False} if hasattr(final, "classes_") else None
    try:
        model = to_onnx(
            estimator,
            initial_types=[("x", kind([None, width]))],
            options={id(final): options} if options else None,
        )
    except MissingShapeCalculator as error:
        name = type(final).__name__
        raise NotConvertible(f"skl2onnx has no converter for {name} or a step before it") from error
    complete(model, estimator, dtype)
    return bytes(model.SerializeToString())


def usual_size(expected: NDArray[Any]) -> float:
    """How large a regression's answers usually are, at most 1; 1 for classes."""
    return min(1.0, float(np.nanmedian(np.abs(expected)))) if expected.dtype.kind == "f" else 1.0


def differences(
    expected: NDArray[Any],
    answers: NDArray[Any],
    likely: Matrix | None,
    probabilities: Matrix | None,
    usual: float,
) -> int:
    """On how many rows the answers are not the same: classes exactly, numbers within the tolerance.

    Near zero a tenth of the tolerance counts as a share of the `usual` answer, whatever its unit.
    """
    if expected.dtype.kind == "f":
        near = TOLERANCE * 0.1 * usual
        same = np.isclose(answers, expected, rtol=TOLERANCE, atol=near, equal_nan=True)
    else:
        same = np.asarray(answers.astype(expected.dtype) == expected)
    same = same.reshape(len(expected), -1).all(axis=1)
    if likely is not None and probabilities is not None:
        same &= (np.abs(probabilities - likely) <= TOLERANCE).all(axis=1)
    return int((~same).sum())


def race(loaded: Loaded, session: Session, rows: Matrix) -> tuple[bool, float, float]:
    """Whether ONNX Runtime is faster, and both times of one row in microseconds."""
    one = rows[:1]
    ours = best(lambda: loaded.predict(one))
    theirs = best(lambda: session.run(one))
    return theirs < ours, ours * 1e6, theirs * 1e6


def best(call: Any, rounds: int = 5) -> float:
    """The shortest of a few runs, in seconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def baseline_values(baseline: Baseline | None, validator: RowValidator) -> list[Matrix]:
    """For each feature, the edges and points of its baseline's bins: where real traffic lies."""
    if baseline is None:
        return []
    bins = {each.name: np.array([*each.edges, *each.points], dtype=np.float64) for each in baseline.features}
    return [bins.get(name, np.empty(0)) for name in validator.signature.names]


def short(error: Exception) -> str:
    """An exception in a few words."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def written(result: ParityResult, folder: Path) -> str:
    """Puts the file beside the artifact; its name."""
    from driftlead_inference.model.cache import write_whole  # noqa: PLC0415

    name = f"model-{result.dtype}.onnx"
    write_whole(folder / name, result.model)
    return name
