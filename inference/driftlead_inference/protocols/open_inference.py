"""The Open Inference Protocol (KServe V2, Triton, MLServer): tensors as JSON or by the binary extension.

A request carries one tensor of shape [rows, features], or one of shape [rows] or [rows, 1] for each feature
by name. The answer is the tensor `predict` of shape [rows, 1] (or [rows, outputs]), and `predict_proba` where
asked for.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from driftlead_inference.jobs import Job
from driftlead_inference.model.prepared import Prepared
from driftlead_inference.problems import Refused, shown, unprocessable
from driftlead_inference.protocols.bodies import answers, likelihoods
from driftlead_inference.protocols.predict import UNREADABLE, check_count, no_json
from driftlead_inference.rows.signature import Feature
from driftlead_inference.rows.validation import RowValidator

PREDICT, PROBABILITIES = "predict", "predict_proba"
NUMPY = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BOOL": "?",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
DATATYPES = {
    "float64": "FP64", "float32": "FP32", "int64": "INT64", "int32": "INT32", "bool": "BOOL",
    "object": "BYTES", "datetime64[ns]": "BYTES",
}  # fmt: skip


class Tensor(msgspec.Struct):
    """An input. `data` is flat or nested; absent where the values follow the JSON in binary."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class Output(msgspec.Struct):
    """A wanted output."""

    name: str
    parameters: dict[str, Any] = {}


class Body(msgspec.Struct):
    """An inference request."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[Output] | None = None


@dataclass(slots=True)
class Request:
    """Rows in the model's order, and how the answer is wanted. `binary`: names of outputs sent as bytes."""

    rows: list[list[Any]]
    id: str | None
    outputs: tuple[str, ...]
    binary: frozenset[str]


MOST_DIMENSIONS = 8
decode_body = msgspec.json.Decoder(Body).decode


def decode(body: bytes, header_length: bytes | None, validator: RowValidator, limit: int) -> Request:
    """The rows of a request. Raises `Refused`."""
    split = len(body) if header_length is None else length_of(header_length, len(body))
    try:
        document = decode_body(body[:split])
    except msgspec.ValidationError as error:
        raise unprocessable(f"the request is no inference request: {error}", expected="inputs") from error
    except UNREADABLE as error:
        raise no_json(body[:split], error) from error
    columns = {}
    rest = memoryview(body)[split:]
    for tensor in document.inputs:
        values, rest = values_of(tensor, rest)
        columns[tensor.name] = (tensor, values)
    if len(rest):
        raise unprocessable(
            f"{len(rest)} bytes follow the last tensor; check binary_data_size", field="inputs"
        )
    rows = rows_of(columns, validator, limit)
    names, binary = wanted(document)
    return Request(validator.admit(rows), document.id, names, binary)


def length_of(header: bytes, total: int) -> int:
    """The length of the JSON before the binary part."""
    if not header.isdigit() or len(header) > len(str(total)) or int(header) > total:
        raise unprocessable(
            f"Inference-Header-Content-Length is {header.decode(errors='replace')!r}, the body has {total} "
            "bytes",
            field="Inference-Header-Content-Length",
            expected=f"a number up to {total}",
        )
    return int(header)


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
        values = flat(tensor.data or [])
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


def flat(data: list[Any]) -> list[Any]:
    """Nested lists in row-major order."""
    while data and isinstance(data[0], list):
        data = [item for part in data for item in (part if isinstance(part, list) else [part])]
    return data


def from_bytes(tensor: Tensor, raw: memoryview) -> list[Any]:
    """A tensor's values from the binary extension; NaN is a missing value."""
    if tensor.datatype == "BYTES":
        return strings(tensor, bytes(raw))
    dtype = np.dtype(NUMPY[tensor.datatype])
    if len(raw) % dtype.itemsize:
        raise unprocessable(
            f"input {tensor.name!r} has {len(raw)} bytes, no multiple of {dtype.itemsize}", field=tensor.name
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
        raise unprocessable(f"input {tensor.name!r} holds no strings: {error}", field=tensor.name) from error
    return found


def rows_of(
    columns: dict[str, tuple[Tensor, list[Any]]], validator: RowValidator, limit: int
) -> list[object]:
    """Rows from one table, or from one tensor a feature. Raises `Refused`."""
    if len(columns) == 1 and (validator.width > 1 or not validator.signature.named):
        ((tensor, values),) = columns.values()
        shape = tensor.shape if len(tensor.shape) == 2 else [1, *tensor.shape]
        if len(shape) != 2 or shape[1] != validator.width:
            raise unprocessable(
                f"input {tensor.name!r} is of shape {tensor.shape}; "
                f"the model takes [rows, {validator.width}]",
                field=tensor.name,
                seen=shown(tensor.shape),
                expected=f"[rows, {validator.width}]",
            )
        check_count(shape[0], limit)
        return [values[at : at + validator.width] for at in range(0, len(values), validator.width)]
    lengths = {len(values) for _, values in columns.values()}
    if len(lengths) != 1:
        raise unprocessable(
            f"the inputs must all have one value a row, seen {sorted(lengths) or 'no input'}", field="inputs"
        )
    check_count(lengths.pop(), limit)
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*(v for _, v in columns.values()), strict=True)]


def wanted(document: Body) -> tuple[tuple[str, ...], frozenset[str]]:
    """Which outputs are wanted, and which of them as bytes. Raises `Refused`."""
    everything_binary = bool(document.parameters.get("binary_data_output"))
    outputs = document.outputs or [Output(PREDICT)]
    for output in outputs:
        if output.name not in (PREDICT, PROBABILITIES):
            raise unprocessable(
                f"the model has no output {output.name!r}; it has {PREDICT} and, where it knows them, "
                f"{PROBABILITIES}",
                field="outputs",
                seen=output.name,
            )
    binary = {o.name for o in outputs if o.parameters.get("binary_data", everything_binary)}
    return tuple(output.name for output in outputs), frozenset(binary)


def reply(job: Job, request: Request, known: Prepared) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON where binary tensors follow. Raises `Refused`."""
    tensors, tails = [], []
    for name in request.outputs:
        values = probabilities_of(job) if name == PROBABILITIES else decoded(job)
        several = isinstance(values[0], list)
        data = [item for row in values for item in row] if several else values
        datatype = datatype_of(data)
        tensor: dict[str, Any] = {
            "name": name,
            "shape": [len(values), len(values[0]) if several else 1],
            "datatype": datatype,
        }
        if name in request.binary:
            tail = to_bytes(data, datatype)
            tensor["parameters"] = {"binary_data_size": len(tail)}
            tails.append(tail)
        else:
            tensor["data"] = data
        tensors.append(tensor)
    head = msgspec.json.encode(
        {
            "model_name": known.source.name,
            "model_version": known.source.version,
            "id": request.id if request.id is not None else job.request_id,
            "outputs": tensors,
        }
    )
    return head + b"".join(tails), len(head) if tails else None


def decoded(job: Job) -> list[Any]:
    """The answers as values."""
    return [msgspec.json.decode(text) for text in answers(job)]


def probabilities_of(job: Job) -> list[list[float]]:
    """The probabilities that were asked for. Raises `Refused` where the model knows none."""
    likely = likelihoods(job)
    if likely is None:
        raise no_probabilities()
    return likely


def no_probabilities() -> Refused:
    """The refusal of probabilities that the model does not give."""
    return unprocessable(
        f"the model gives no probabilities, so it has no output {PROBABILITIES}", field="outputs"
    )


def datatype_of(data: list[Any]) -> str:
    """The protocol's type of values."""
    kinds = {type(value) for value in data}
    if kinds <= {bool}:
        return "BOOL"
    if kinds <= {int}:
        return "INT64"
    return "FP64" if kinds <= {int, float} else "BYTES"


def to_bytes(data: list[Any], datatype: str) -> bytes:
    """Values by the binary extension."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in data]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(data, dtype=NUMPY[datatype]).tobytes()


def metadata(known: Prepared) -> dict[str, Any]:
    """The model's metadata: inputs, outputs, versions."""
    signature = known.signature
    if signature.named:
        inputs = [tensor_of(feature) for feature in signature.features]
    else:
        inputs = [
            {**tensor_of(signature.features[0]), "name": "input", "shape": [-1, len(signature.features)]}
        ]
    outputs = [{"name": PREDICT, "datatype": answer_type(known), "shape": [-1, 1]}]
    if known.probabilities and known.classes is not None:
        outputs.append({"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, len(known.classes)]})
    return {
        "name": known.source.name,
        "versions": [known.source.version],
        "platform": f"driftlead_{known.engine}",
        "inputs": inputs,
        "outputs": outputs,
    }


def tensor_of(feature: Feature) -> dict[str, Any]:
    """One feature as an input tensor."""
    return {"name": feature.name, "datatype": DATATYPES.get(feature.dtype, "FP64"), "shape": [-1, 1]}


def answer_type(known: Prepared) -> str:
    """The type of `predict`: of the classes, else a number."""
    return datatype_of(list(known.classes)) if known.classes else "FP64"
