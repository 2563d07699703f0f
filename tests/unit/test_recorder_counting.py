"""Frames become histograms per minute, whose bins are the baseline's."""

import dataclasses
import json
import math

import numpy as np
import pytest

from driftlead_formats.baseline import build
from driftlead_formats.histograms import (
    LATENCY_BINS,
    LATENCY_EDGES_MS,
    Counts,
    by_feature,
    latency_counts,
    pack,
    unpack,
)
from driftlead_inference.recorder.types import Row
from driftlead_log import row_tuples
from driftlead_log.counting import count, count_forwarded
from driftlead_log.frames import FAILED, Frame, Kind, Mark, forwarded

MINUTE = 1_790_000_040
RANDOM = np.random.default_rng(3)
MATRIX = RANDOM.normal(size=(500, 4)).astype(np.float32)
MATRIX[::7, 1] = np.nan
NUMERIC = build({f"f{i}": MATRIX[:, i] for i in range(4)}, prediction=MATRIX[:, 0].astype(np.float64))


def rows_frame(
    matrix: np.ndarray, *, ts: float = MINUTE, kind: Kind = Kind.ROWS, packed: bool = True
) -> Frame:
    rows = [
        Row(
            ts, f"r{i}", 0, 1.0, json.dumps([None if math.isnan(v) else float(v) for v in values]).encode(),
            values.tobytes() if packed else None, float(values[0]),
        )
        for i, values in enumerate(matrix)
    ]  # fmt: skip
    payload = row_tuples.payload(rows, 1)
    return Frame(kind, 1, len(rows), payload, 0, len(payload))


@pytest.mark.parametrize("packed", [True, False], ids=["float32", "JSON"])
def test_features_and_predictions_count_as_the_baseline_counts_them(packed: bool) -> None:
    counts = count(
        [rows_frame(MATRIX[:100], packed=packed), rows_frame(MATRIX[100:200], packed=packed)], NUMERIC
    )
    found = counts[MINUTE]
    np.testing.assert_array_equal(found.features, np.concatenate(NUMERIC.count(MATRIX[:200])))
    np.testing.assert_array_equal(found.prediction, NUMERIC.count_prediction(MATRIX[:200, 0]))
    assert found.rows == 200 and found.latency[0].sum() == 200
    assert [len(v) for v in by_feature(found.features, NUMERIC)] == [f.bin_count for f in NUMERIC.features]


def test_minutes_are_told_apart_and_add_up() -> None:
    frames = [rows_frame(MATRIX[i : i + 10], ts=MINUTE + 25 * i) for i in range(0, 50, 10)]
    apart = count(frames, NUMERIC)
    assert sorted(apart) == [MINUTE, MINUTE + 240, MINUTE + 480, MINUTE + 720, MINUTE + 960]
    total = Counts()
    for counts in apart.values():
        total.add(counts)
    np.testing.assert_array_equal(total.features, np.concatenate(NUMERIC.count(MATRIX[:50])))


def test_text_features_and_labels_are_counted_from_the_json() -> None:
    words = np.array(["ewr", "jfk", "lga"], dtype=object)[RANDOM.integers(0, 3, 300)]
    base = build({"origin": words, "temp": RANDOM.normal(size=300)}, prediction=words)
    rows = [
        Row(MINUTE, "r", 0, 1.0, json.dumps([word, 0.5]).encode(), None, 0.0, label=word)
        for word in ("ewr", "jfk", "jfk", "new")
    ]
    payload = row_tuples.payload(rows, 1)
    found = count([Frame(Kind.ROWS, 1, 4, payload, 0, len(payload))], base)[MINUTE]
    origin = dict(zip(base.features[0].labels, by_feature(found.features, base)[0], strict=True))
    assert {label: n for label, n in origin.items() if n} == {"ewr": 1, "jfk": 2, "OTHER": 1}
    assert base.prediction is not None
    predicted = dict(zip(base.prediction.labels, found.prediction, strict=True))
    assert {label: n for label, n in predicted.items() if n} == {"ewr": 1, "jfk": 2, "OTHER": 1}


def test_rows_left_out_by_sampling_count_like_any() -> None:
    both = count([rows_frame(MATRIX[:5]), rows_frame(MATRIX[5:9], kind=Kind.COUNTED)], NUMERIC)
    assert both[MINUTE].rows == 9


@pytest.mark.parametrize("mark", [Mark.FORWARDED, Mark.COPIED, Mark.FALLBACK])
@pytest.mark.parametrize("kind", [Kind.ROWS, Kind.COUNTED])
def test_rows_of_requests_that_a_canary_was_asked_count_and_their_requests_do_not(
    mark: Mark, kind: Kind
) -> None:
    marked = dataclasses.replace(rows_frame(MATRIX[5:9], kind=kind), mark=mark)
    found = count([rows_frame(MATRIX[:5]), marked], NUMERIC)[MINUTE]
    alone = count([rows_frame(MATRIX[:5])], NUMERIC)[MINUTE]
    assert (found.rows, found.requests) == (9, alone.requests)
    np.testing.assert_array_equal(found.latency, alone.latency)
    np.testing.assert_array_equal(found.features, np.concatenate(NUMERIC.count(MATRIX[:9])))


def test_what_became_of_forwarded_requests_counts_for_the_canary_alone() -> None:
    said = [(2, 1.0, "5"), (5, 50.0, "5"), (4, 2.0, "5"), (2, 1.0, "6")]
    payloads = [
        forwarded(MINUTE + 1, status, latency, version, "canary") for status, latency, version in said
    ]
    sent = [Frame(Kind.FORWARDED, 1, 1, payload, 0, len(payload)) for payload in payloads]
    assert count(sent, NUMERIC) == {}
    found = count_forwarded([rows_frame(MATRIX[:5]), *sent])
    assert sorted(found) == [(MINUTE, "5", "canary"), (MINUTE, "6", "canary")]
    counts = found[MINUTE, "5", "canary"]
    assert (counts.rows, counts.requests, counts.failed_4xx, counts.failed_5xx) == (0, 1, 1, 1)
    assert counts.latency.sum(axis=1).tolist() == [1, 1, 1]


def test_redacted_features_count_nowhere() -> None:
    found = count([rows_frame(MATRIX[:20])], NUMERIC, redacted=[2])[MINUTE]
    assert [int(v.sum()) for v in by_feature(found.features, NUMERIC)] == [20, 20, 0, 20]


def test_failed_requests_are_counted_by_class_with_their_latency() -> None:
    payload = b"".join(FAILED.pack(MINUTE + i, status, 2.0) for i, status in enumerate([4, 5, 4]))
    found = count([Frame(Kind.FAILED, 1, 3, payload, 0, len(payload))], None)[MINUTE]
    assert (found.rows, found.failed_4xx, found.failed_5xx) == (0, 2, 1)
    assert found.latency.sum(axis=1).tolist() == [0, 2, 1]


def test_latency_bins_hold_their_lower_edge_and_have_no_end() -> None:
    counts = latency_counts([0.0, LATENCY_EDGES_MS[0], LATENCY_EDGES_MS[40], 1e9])
    assert np.flatnonzero(counts).tolist() == [0, 1, 41, LATENCY_BINS - 1]


def test_stored_counts_come_back_and_are_small() -> None:
    counts = np.zeros(300, dtype=np.int64)
    counts[::3] = RANDOM.integers(0, 5000, 100)
    np.testing.assert_array_equal(unpack(pack(counts)), counts)
    assert len(pack(counts)) < 700


def test_histograms_of_other_bins_are_not_taken_apart() -> None:
    with pytest.raises(ValueError, match="the histogram has 3 bins"):
        by_feature(np.zeros(3, dtype=np.int64), NUMERIC)
