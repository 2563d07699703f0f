"""A row in the spool: the tuple of COPY BINARY, without the columns that a whole segment shares. Pure.

Everything that varies comes first, numbers at fixed places, `features_f32` last; what is constant follows
when the row is sent. So appending and sending are joins of bytes, and the histograms read the numbers in
place.
"""

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.traffic import Traffic
from driftlead_log.frames import Mark

COLUMNS: Final = (
    "ts", "latency_ms", "prediction", "seq", "row", "request_id", "features", "prediction_label", "outputs",
    "features_f32", "model_name", "model_version", "deployment", "cluster", "namespace", "resource", "pod",
)  # fmt: skip
_SHARED: Final = len(COLUMNS) - COLUMNS.index("model_name")
#: With whether a user got the answer, and whether it was given in a canary's place. Rows of requests that
#: came directly have the columns' defaults, and are not made longer for it.
MARKED_COLUMNS: Final = (*COLUMNS[:-_SHARED], "served", "fallback", *COLUMNS[-_SHARED:])
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END: Final = b"\xff\xff"
EPOCH_2000: Final = 946_684_800  # PostgreSQL counts time from the year 2000

_START: Final = struct.Struct(">hiqididiqiii")
_JSON: Final = struct.Struct(">iB")
_NULL: Final = b"\xff\xff\xff\xff"
_LABEL_AND_OUTPUTS_NULL: Final = _NULL + _NULL
_NUMBERS: Final = np.dtype(
    {
        "names": ["ts", "latency_ms", "prediction", "seq", "row"],
        "formats": [">i8", ">f8", ">f8", ">i8", ">i4"],
        "offsets": [6, 18, 30, 42, 54],
        "itemsize": _START.size,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Traffic):
    """Whose rows these are, and which pod's: the columns that all rows of a server share."""

    pod: str = ""

    def columns(self) -> bytes:
        """The end of every tuple."""
        return b"".join(_text(str(value)) for value in asdict(self).values())


class LoggedRow(Protocol):
    """What a row must have; see `driftlead_inference.recorder.Row`."""

    ts: float
    request_id: str
    row: int
    latency_ms: float
    features_json: bytes
    features_f32: bytes | None
    prediction: float
    label: str | None
    outputs_json: bytes | None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of n rows, each of shape (n,): epoch seconds, milliseconds, the prediction, the place in its
    request, from 0."""

    ts: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    prediction: NDArray[np.float64]
    row: NDArray[np.int32]


def payload(rows: Sequence[LoggedRow], first_seq: int) -> bytes:
    """The payload of a frame of rows. Raises ValueError for a prediction that is NaN."""
    parts: list[bytes] = [b""]
    lengths: list[int] = []
    seq, start, json_length = first_seq, _START.pack, _JSON.pack
    for row in rows:
        prediction = row.prediction
        if prediction != prediction:  # noqa: PLR0124 - the fastest test for NaN
            raise ValueError(
                f"row {row.row} of request {row.request_id}: the prediction is NaN, which is not logged"
            )
        identifier, features, packed = row.request_id.encode(), row.features_json, row.features_f32
        when = int((row.ts - EPOCH_2000) * 1e6 + 0.5)
        length = len(identifier)
        head = start(
            17, 8, when, 8, row.latency_ms, 8, prediction, 8, seq, 4, row.row, length
        )  # fmt: skip
        if row.label is None and row.outputs_json is None:
            middle = _LABEL_AND_OUTPUTS_NULL
        else:
            middle = _text(row.label) + _jsonb(row.outputs_json)
        tail = _NULL if packed is None else len(packed).to_bytes(4, "big") + packed
        parts += (head, identifier, json_length(len(features) + 1, 1), features, middle, tail)
        lengths.append(_START.size + length + 5 + len(features) + len(middle) + len(tail))
        seq += 1
    parts[0] = struct.pack(f"<{len(lengths)}I", *lengths)
    return b"".join(parts)


def copy_data(rows: Sequence[bytes], constant: bytes) -> bytes:
    """What COPY BINARY takes: `rows` of the spool, each followed by the `constant` columns."""
    return b"".join((COPY_HEADER, constant.join(rows), constant if rows else b"", COPY_END))


def marked(row: bytes, mark: Mark) -> bytes:
    """The same row with `MARKED_COLUMNS`.

    Whether the answer to a forwarded request was served is not known where it is logged: it was, unless the
    server that forwarded it logged an answer of its own as a fallback.
    """
    served = _NULL if mark is Mark.FORWARDED else _boolean(mark is not Mark.COPIED)
    fields = len(MARKED_COLUMNS).to_bytes(2, "big")
    return b"".join((fields, row[2:], served, _boolean(mark is Mark.FALLBACK)))


def seq_of(row: bytes) -> int:
    """The row's sequence number."""
    return int(_START.unpack_from(row)[8])


def numbers(rows: Sequence[bytes]) -> Numbers:
    """The numbers of the rows."""
    found = np.frombuffer(b"".join([row[: _START.size] for row in rows]), dtype=_NUMBERS)
    return Numbers(
        found["ts"].astype(np.float64) / 1e6 + EPOCH_2000,
        found["latency_ms"].astype(np.float64),
        found["prediction"].astype(np.float64),
        found["row"].astype(np.int32),
    )


def packed_features(rows: Sequence[bytes], width: int) -> NDArray[np.float32] | None:
    """`features_f32` of the rows, shape (n, width), or None where a row has none of that width."""
    size = 4 * width
    mark = size.to_bytes(4, "big")
    if any(row[-size - 4 : -size] != mark for row in rows) or not size:
        return None
    return np.frombuffer(b"".join([row[-size:] for row in rows]), dtype="<f4").reshape(len(rows), width)


def json_features(row: bytes) -> Any:
    """The features as they were written: a list in the signature's order."""
    place = _START.size + int(_START.unpack_from(row)[11])
    length, _ = _JSON.unpack_from(row, place)
    return json.loads(row[place + 5 : place + 4 + length])


def label_of(row: bytes) -> str | None:
    """The class, where classes are text."""
    place = _START.size + int(_START.unpack_from(row)[11])
    place += 4 + int(_JSON.unpack_from(row, place)[0])
    length = int.from_bytes(row[place : place + 4], "big", signed=True)
    return None if length < 0 else row[place + 4 : place + 4 + length].decode()


def redacted(
    features_json: bytes, features_f32: bytes | None, places: Sequence[int]
) -> tuple[bytes, bytes | None]:
    """The features with those at `places` missing."""
    values = json.loads(features_json)
    for place in places:
        values[place] = None
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
    if features_f32 is None:
        return text, None
    packed = np.frombuffer(features_f32, dtype="<f4").copy()
    packed[list(places)] = math.nan
    return text, packed.tobytes()


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def _boolean(value: bool) -> bytes:
    return b"\x00\x00\x00\x01\x01" if value else b"\x00\x00\x00\x01\x00"


def _jsonb(value: bytes | None) -> bytes:
    return _NULL if value is None else _JSON.pack(len(value) + 1, 1) + value
