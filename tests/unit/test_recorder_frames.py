"""The spool's format: what was written is read, what was damaged is found, half a frame is no frame."""

import json
import math
import struct
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftlead_inference.recorder.types import Row
from driftlead_log import row_tuples
from driftlead_log.frames import (
    FAILED,
    HEADER,
    Damage,
    Frame,
    Kind,
    Mark,
    forwarded,
    header,
    scan,
)
from driftlead_log.row_tuples import Identity

payloads = st.lists(st.binary(max_size=200), max_size=8)


def frame(kind: Kind, first_seq: int, count: int, payload: bytes) -> bytes:
    return header(kind, first_seq, count, payload) + payload


def written(payloads: list[bytes]) -> bytes:
    return b"".join(frame(Kind.ROWS, 10 + number, 1, payload) for number, payload in enumerate(payloads))


def row(request_id: str = "r", **more: Any) -> Row:
    values = np.array([1.5, math.nan, -3], dtype="<f4")
    given = {
        "ts": 1_790_000_000.123456, "row": 2, "latency_ms": 1.25, "features_json": b"[1.5,null,-3]",
        "features_f32": values.tobytes(), "prediction": 0.75,
    }  # fmt: skip
    return Row(request_id=request_id, **{**given, **more})


def rows_of(rows: list[Row], first_seq: int = 1) -> list[bytes]:
    payload = row_tuples.payload(rows, first_seq)
    return Frame(Kind.ROWS, first_seq, len(rows), payload, 0, len(payload)).rows()


@given(st.sampled_from(list(Mark)), st.binary(max_size=50))
def test_a_frame_says_how_its_requests_came(mark: Mark, payload: bytes) -> None:
    found = list(scan(header(Kind.ROWS, 1, 1, payload, mark) + payload))
    assert [part.mark for part in found if isinstance(part, Frame)] == [mark]


@given(st.sampled_from([2, 4, 5]), st.floats(0, 1e6), st.text(max_size=20), st.text(max_size=20))
def test_what_became_of_a_forwarded_request_is_read(
    status: int, latency: float, version: str, deployment: str
) -> None:
    payload = forwarded(1.5, status, latency, version, deployment)
    (found,) = scan(frame(Kind.FORWARDED, 1, 1, payload))
    assert isinstance(found, Frame)
    assert found.forwarded() == (1.5, status, latency, version, deployment)
    assert found.last_seq == 0  # it uses up no number


@given(payloads)
def test_what_was_written_is_read(payloads: list[bytes]) -> None:
    found = list(scan(written(payloads), base=1000))
    assert [part.payload for part in found if isinstance(part, Frame)] == payloads
    assert [part.start for part in found[:1]] == [1000] * len(found[:1])
    assert all(a.end == b.start for a, b in pairwise(found))


@settings(max_examples=200)
@given(payloads.filter(bool), st.data())
def test_one_flipped_bit_anywhere_damages_one_frame_and_no_other(payloads: list[bytes], data: Any) -> None:
    content = bytearray(written(payloads))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    found = list(scan(bytes(content)))
    frames = [part for part in found if isinstance(part, Frame)]
    damages = [part for part in found if isinstance(part, Damage)]
    assert len(frames) == len(payloads) - 1
    assert all(part.payload == payloads[part.first_seq - 10] for part in frames)
    assert sum(d.length for d in damages) + sum(f.end - f.start for f in frames) == len(content)
    assert any(d.start <= place < d.end for d in damages)


@given(payloads.filter(bool), st.data())
def test_a_cut_tail_is_damage_when_nothing_more_comes_and_awaited_when_more_may(
    payloads: list[bytes], data: Any
) -> None:
    content = written(payloads)
    last = len(content) - HEADER.size - len(payloads[-1])
    cut = content[: data.draw(st.integers(last + 1, len(content) - 1))]
    ended, going_on = list(scan(cut)), list(scan(cut, whole=False))
    assert isinstance(ended[-1], Damage) and (ended[-1].start, ended[-1].end) == (last, len(cut))
    assert len(going_on) == len(payloads) - 1 and all(isinstance(part, Frame) for part in going_on)


def test_a_damaged_payload_says_which_rows_it_was() -> None:
    content = bytearray(frame(Kind.ROWS, 41, 7, b"x" * 50))
    content[-1] ^= 1
    (damage,) = scan(bytes(content))
    assert damage == Damage(0, len(content), 41, 7)


def test_a_tuple_has_postgres_types_in_the_columns_order() -> None:
    identity = Identity(
        model_name="model",
        model_version="3",
        deployment="prod",
        cluster="cluster",
        namespace="ns",
        resource="demo",
        pod="pod-0",
    )
    (one,) = rows_of([row("id-1", label="late", outputs_json=b"[2]")], 77)
    data = row_tuples.copy_data([one], identity.columns())
    place, fields = len(row_tuples.COPY_HEADER) + 2, []
    for _ in row_tuples.COLUMNS:
        (length,) = struct.unpack_from(">i", data, place)
        fields.append(None if length < 0 else data[place + 4 : place + 4 + length])
        place += 4 + max(length, 0)
    assert data[place:] == row_tuples.COPY_END
    named = dict(zip(row_tuples.COLUMNS, fields, strict=True))
    assert struct.unpack(">q", named["ts"])[0] == 843_315_200_123_456  # microseconds since 2000
    assert struct.unpack(">d", named["prediction"])[0] == 0.75
    assert struct.unpack(">qi", named["seq"] + named["row"]) == (77, 2)
    assert named["features"] == b"\x01[1.5,null,-3]" and named["outputs"] == b"\x01[2]"
    assert named["request_id"] == b"id-1" and named["prediction_label"] == b"late"
    assert named["model_name"] == b"model" and named["pod"] == b"pod-0"


def test_numbers_features_and_labels_are_read_back_in_place() -> None:
    rows = rows_of([row("a"), row("bbb", prediction=-1.0, label="on time")], 5)
    numbers = row_tuples.numbers(rows)
    assert numbers.ts == pytest.approx([1_790_000_000.123456] * 2, abs=1e-6)
    assert numbers.prediction.tolist() == [0.75, -1.0]
    assert [row_tuples.seq_of(one) for one in rows] == [5, 6]
    assert [row_tuples.label_of(one) for one in rows] == [None, "on time"]
    assert row_tuples.json_features(rows[1]) == [1.5, None, -3]
    np.testing.assert_array_equal(row_tuples.packed_features(rows, 3), [[1.5, np.nan, -3]] * 2)
    assert row_tuples.packed_features(rows, 4) is None
    assert row_tuples.packed_features(rows_of([row("a"), row("b", features_f32=None)]), 3) is None


def test_a_prediction_that_is_no_number_is_no_row() -> None:
    with pytest.raises(ValueError, match="row 2 of request r: the prediction is NaN"):
        row_tuples.payload([row(prediction=math.nan)], 1)


def test_redaction_makes_named_places_missing() -> None:
    text, packed = row_tuples.redacted(b'[1.5, "caf\xc3\xa9", -3]', row().features_f32, [0, 2])
    assert json.loads(text) == [None, "café", None]
    assert packed is not None and np.isnan(np.frombuffer(packed, dtype="<f4")).all()
    assert row_tuples.redacted(b"[1]", None, [0]) == (b"[null]", None)


def test_failed_requests_use_up_no_sequence_number() -> None:
    payload = FAILED.pack(1.0, 4, 2.0)
    (part,) = scan(frame(Kind.FAILED, 12, 1, payload))
    assert isinstance(part, Frame)
    assert part.last_seq == 11 and part.failures() == [(1.0, 4, 2.0)]
