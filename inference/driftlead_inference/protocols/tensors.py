"""Tensors of the Open Inference Protocol, as JSON or as bytes behind it (the binary extension). Pure."""

import math
import struct
from typing import Any

import msgspec
import numpy as np

from driftlead_inference.model.answers import type_of
from driftlead_inference.problems import Refused, shown, unprocessable
from driftlead_inference.rows.signature import ZONED

NUMPY = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BOOL": "?",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
DATATYPES = {
    "float64": "FP64", "float32": "FP32", "int64": "INT64", "int32": "INT32", "bool": "BOOL",
    "object": "BYTES", "datetime64[ns]": "BYTES", ZONED: "BYTES",
}  # fmt: skip
KINDS = {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64"}  # of numpy's types
MOST_DIMENSIONS = 8


class Tensor(msgspec.Struct):
    """An input. `data` is flat or nested; absent where the values follow the JSON in binary."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


def values_of(tensor: Tensor, rest: memoryview) -> tuple[list[Any], memoryview]:
    """A tensor's values, flat, and the binary part after it. Raises `Refused`."""
    # The product of many large numbers would take minutes.
    odd = len(tensor.shape) > MOST_DIMENSIONS or any(size < 0 for size in tensor.shape)
    if odd or (tensor.datatype not in NUMPY and tensor.datatype != "BYTES"):
        raise unprocessable(
            f"input {tensor.name!r} is {tensor.datatype} {tensor.shape[:MOST_DIMENSIONS]}; "
            f"served are {', '.join(NUMPY)} and BYTES",
            field=tensor.name,
            seen=tensor.datatype,
        )
    count = math.prod(tensor.shape)
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        values = flat(tensor)
    else:
        if not isinstance(size, int) or not 0 <= size <= len(rest):
            raise unprocessable(
                f"input {tensor.name!r} says binary_data_size {shown(size)}, {len(rest)} bytes are left",
                field=tensor.name,
            )
        values, rest = from_bytes(tensor, rest[:size]), rest[size:]
    if len(values) != count:
        raise unprocessable(
            f"input {tensor.name!r} of shape {tensor.shape} needs {count} values, seen {len(values)}",
            field=tensor.name,
            seen=f"{len(values)} values",
            expected=f"{count} values",
        )
    return values, rest


def flat(tensor: Tensor) -> list[Any]:
    """A tensor's values in row-major order; lists within lists must have its shape. Raises `Refused`."""
    data = tensor.data or []
    sizes = [len(data)]
    while data and isinstance(data[0], list):
        lengths = {len(part) if isinstance(part, list) else -1 for part in data}
        if len(lengths) > 1:
            raise misshapen(tensor, "lists of different lengths")
        sizes.append(lengths.pop())
        data = [item for part in data for item in part]
    if len(sizes) > 1 and wide(sizes) != wide(tensor.shape):
        raise misshapen(tensor, f"lists of shape {sizes}")
    return data


def wide(shape: list[int]) -> list[int]:
    """A shape without its dimensions of one."""
    return [size for size in shape if size != 1]


def misshapen(tensor: Tensor, seen: str) -> Refused:
    """The refusal of values that do not have the shape that the tensor says."""
    return unprocessable(
        f"input {tensor.name!r} says shape {tensor.shape}, its data are {seen}",
        field=tensor.name,
        seen=seen,
        expected=f"shape {tensor.shape}",
    )


def from_bytes(tensor: Tensor, raw: memoryview) -> list[Any]:
    """A tensor's values from the binary extension; NaN is a missing value."""
    if tensor.datatype == "BYTES":
        return strings(tensor, bytes(raw))
    dtype = np.dtype(NUMPY[tensor.datatype])
    if len(raw) % dtype.itemsize:
        raise unprocessable(
            f"input {tensor.name!r} has {len(raw)} bytes, which is not a multiple of {dtype.itemsize}",
            field=tensor.name,
        )
    array = np.frombuffer(raw, dtype)
    values: list[Any] = array.tolist()
    if dtype.kind == "f" and np.isnan(array).any():
        return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN alone differs
    return values


def strings(tensor: Tensor, raw: bytes) -> list[str]:
    """Strings, each after its length in four little-endian bytes."""
    found, at = [], 0
    try:
        while at < len(raw):
            (size,) = struct.unpack_from("<I", raw, at)
            text = raw[at + 4 : at + 4 + size]
            if len(text) < size:
                raise ValueError("the last string is cut")
            found.append(text.decode())
            at += 4 + size
    except (struct.error, ValueError) as error:
        raise unprocessable(
            f"input {tensor.name!r} does not hold strings: {error}", field=tensor.name
        ) from error
    return found


def datatype_of(data: list[Any]) -> str:
    """The protocol's type of values."""
    return answer_datatype(type_of(data))


def answer_datatype(dtype: str) -> str:
    """The protocol's type of answers of one of numpy's types: the widest of its kind."""
    if dtype == "uint64":
        return "UINT64"
    return KINDS.get(np.dtype(dtype).kind, "BYTES")


def to_bytes(data: list[Any], datatype: str) -> bytes:
    """Values by the binary extension."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in data]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(data, dtype=NUMPY[datatype]).tobytes()
