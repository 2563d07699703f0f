"""Frames become histograms per minute: what a batch adds. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline import Baseline
from driftlead_formats.histograms import CLASSES, Counts, latency_counts
from driftlead_log import row_tuples
from driftlead_log.frames import Frame, Kind, Mark

MINUTE: Final = 60


def count(
    frames: Iterable[Frame], baseline: Baseline | None, redacted: Sequence[int] = ()
) -> dict[int, Counts]:
    """Counts of `frames` by the minute of acceptance (epoch seconds of its start).

    `redacted`: places of features that the log does not keep; they count nowhere.
    """
    counts: dict[int, Counts] = {}
    rows: list[bytes] = []
    failures: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for frame in frames:
        if frame.kind == Kind.FAILED:
            for ts, status, latency in frame.failures():
                failures[_minute(ts)].append((status, latency))
        elif frame.kind == Kind.FORWARDED:
            continue
        elif frame.mark is Mark.NONE:
            rows += frame.rows()
        else:
            _merge(counts, _rows(frame.rows(), baseline, redacted, requests=False))
    if rows:
        _merge(counts, _rows(rows, baseline, redacted))
    for minute, found in failures.items():
        _add_failures(counts.setdefault(minute, Counts()), found)
    return counts


def count_forwarded(frames: Iterable[Frame]) -> dict[tuple[int, str, str], Counts]:
    """What became of requests that a canary was asked: its counts by minute, version and deployment.

    The server that forwards a request counts it, for it alone knows whether the answer was good and in time.
    The rows of marked frames are counted by whoever answered them, and their requests are not.
    """
    found: dict[tuple[int, str, str], Counts] = {}
    for frame in frames:
        if frame.kind == Kind.FORWARDED:
            ts, status, latency, version, deployment = frame.forwarded()
            counts = found.setdefault((_minute(ts), version, deployment), Counts())
            if status == 2:
                counts.requests += 1
                counts.latency[0] += latency_counts([latency])
            else:
                _add_failures(counts, [(status, latency)])
    return found


def _merge(counts: dict[int, Counts], more: dict[int, Counts]) -> None:
    for minute, added in more.items():
        counts.setdefault(minute, Counts()).add(added)


def _minute(ts: float) -> int:
    return int(ts // MINUTE) * MINUTE


def _rows(
    rows: list[bytes], baseline: Baseline | None, redacted: Sequence[int], *, requests: bool = True
) -> dict[int, Counts]:
    numbers = row_tuples.numbers(rows)
    minutes = np.floor_divide(numbers.ts, MINUTE).astype(np.int64) * MINUTE
    found: dict[int, Counts] = {}
    for minute in np.unique(minutes).tolist():
        chosen = minutes == minute
        first = (
            chosen & (numbers.row == 0) & requests
        )  # of its request, which is answered once however many rows it has
        counts = found[minute] = Counts(rows=int(chosen.sum()), requests=int(first.sum()))
        counts.latency[0] = latency_counts(numbers.latency_ms[first])
        if baseline is not None:
            picked = rows if chosen.all() else [rows[i] for i in np.flatnonzero(chosen)]
            counts.features = _features(picked, baseline, redacted)
            counts.prediction = _prediction(picked, numbers.prediction[chosen], baseline)
    return found


def _features(rows: list[bytes], baseline: Baseline, redacted: Sequence[int]) -> NDArray[np.int64]:
    if not baseline.features:
        return np.zeros(0, dtype=np.int64)
    vectors = baseline.count(_matrix(rows, baseline))
    for place in redacted:
        vectors[place] = np.zeros_like(vectors[place])
    return np.concatenate(vectors)


def _matrix(rows: list[bytes], baseline: Baseline) -> NDArray[np.float32]:
    """The features as `Baseline.count` takes them; text as codes, which only the JSON can tell."""
    width = len(baseline.features)
    if all(bins.kind != "categorical" for bins in baseline.features):
        packed = row_tuples.packed_features(rows, width)
        if packed is not None:
            return packed
    return baseline.encode([_fitting(row_tuples.json_features(row), width) for row in rows])


def _fitting(values: object, width: int) -> list[object]:
    """A row as wide as the baseline; one of another width is missing altogether."""
    return values if isinstance(values, list) and len(values) == width else [None] * width


def _prediction(rows: list[bytes], numbers: NDArray[np.float64], baseline: Baseline) -> NDArray[np.int64]:
    bins = baseline.prediction
    if bins is None:
        return np.zeros(0, dtype=np.int64)
    if bins.kind == "categorical":
        labels = [row_tuples.label_of(row) for row in rows]
        said = [
            label if label is not None else number
            for label, number in zip(labels, numbers.tolist(), strict=True)
        ]
        counted = baseline.count_prediction(said)
    else:
        counted = baseline.count_prediction(numbers)
    assert counted is not None  # noqa: S101 - there are bins
    return counted


def _add_failures(counts: Counts, failures: list[tuple[int, float]]) -> None:
    for place, status in enumerate(CLASSES[1:], start=1):
        latencies = [latency for kind, latency in failures if kind == status]
        counts.latency[place] += latency_counts(latencies)
        if status == 4:
            counts.failed_4xx += len(latencies)
        else:
            counts.failed_5xx += len(latencies)
