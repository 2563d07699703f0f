"""The Open Inference Protocol (KServe V2, Triton, MLServer): tensors as JSON or by the binary extension.

A request carries one tensor of shape [rows, features], or one of shape [rows] or [rows, 1] for each feature
by name. The answer is the tensor `predict` of shape [rows, 1] (or [rows, outputs]), and `predict_proba` where
asked for.
"""

from typing import Any

import msgspec

from driftlead_inference.jobs import Job
from driftlead_inference.model.prepared import Prepared
from driftlead_inference.model.served import ServedModel
from driftlead_inference.problems import Refused, shown, unprocessable
from driftlead_inference.protocols.answer_checks import (
    Unfit,
    check_answers,
    check_kind,
    check_likely,
    finding,
    member,
    object_in,
)
from driftlead_inference.protocols.bodies import (
    UNREADABLE,
    answers,
    check_count,
    class_probabilities,
    invalid_json,
)
from driftlead_inference.protocols.protocol import JSON, Incoming, Protocol, Reply, Request, Schema
from driftlead_inference.protocols.schemas import holding
from driftlead_inference.protocols.tensors import (
    DATATYPES,
    Tensor,
    answer_datatype,
    datatype_of,
    to_bytes,
    values_of,
    wide,
)
from driftlead_inference.rows.signature import Feature
from driftlead_inference.rows.validation import RowValidator
from driftlead_inference.traffic.outcome import Cause

PREDICT, PROBABILITIES = "predict", "predict_proba"
BINARY = b"application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"


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


class TensorRequest(Request, kw_only=True):
    """How the answer is wanted, beside the rows. `binary`: names of outputs sent as bytes."""

    id: str | None
    outputs: tuple[str, ...]
    binary: frozenset[str]


decode_body = msgspec.json.Decoder(Body).decode


def decode(body: bytes, header_length: bytes | None, validator: RowValidator, limit: int) -> TensorRequest:
    """The rows of a request. Raises `Refused`."""
    split = len(body) if header_length is None else length_of(header_length, len(body))
    try:
        document = decode_body(body[:split])
    except msgspec.ValidationError as error:
        raise unprocessable(f"the request is not an inference request: {error}", expected="inputs") from error
    except UNREADABLE as error:
        raise invalid_json(body[:split], error) from error
    columns = {}
    rest = memoryview(body)[split:]
    for tensor in document.inputs:
        values, rest = values_of(tensor, rest)
        if tensor.name in columns:
            raise unprocessable(f"input {tensor.name!r} came twice; send it once", field=tensor.name)
        columns[tensor.name] = (tensor, values)
    if len(rest):
        raise unprocessable(
            f"{len(rest)} bytes follow the last tensor; check binary_data_size", field="inputs"
        )
    rows = rows_of(columns, validator, limit)
    names, binary = wanted(document)
    return TensorRequest(validator.admit(rows), id=document.id, outputs=names, binary=binary)


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
    for tensor, _ in columns.values():
        if wide(tensor.shape[1:]):
            raise unprocessable(
                f"input {tensor.name!r} is of shape {tensor.shape}; a feature has one value a row, [rows, 1]",
                field=tensor.name,
                seen=shown(tensor.shape),
                expected="[rows, 1]",
            )
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


def encode(job: Job, request: TensorRequest, known: Prepared) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON where binary tensors follow. Raises `Refused`."""
    tensors, tails = [], []
    for name in request.outputs:
        values = probabilities_of(job) if name == PROBABILITIES else decoded(job)
        several = isinstance(values[0], list)
        data = [item for row in values for item in row] if several else values
        datatype = "FP64" if name == PROBABILITIES else told(answer_type(known), data)
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


def told(said: str, data: list[Any]) -> str:
    """The type of answers: what the metadata said, wherever it can hold them."""
    seen = datatype_of(data)
    return said if said in (seen, "BYTES") or (said, seen) == ("UINT64", "INT64") else seen


def decoded(job: Job) -> list[Any]:
    """The answers as values."""
    return [msgspec.json.decode(text) for text in answers(job)]


def probabilities_of(job: Job) -> list[list[float]]:
    """The probabilities that were asked for. Raises `Refused` where the model knows none."""
    likely = class_probabilities(job)
    if likely is None:
        raise no_probabilities()
    return likely


def no_probabilities() -> Refused:
    """The refusal of probabilities that the model does not give."""
    return unprocessable(
        f"the model gives no probabilities, so it has no output {PROBABILITIES}", field="outputs"
    )


def metadata(known: Prepared) -> dict[str, Any]:
    """The model's metadata: inputs, outputs, versions."""
    signature = known.signature
    if signature.named:
        inputs = [tensor_of(feature) for feature in signature.features]
    else:
        inputs = [
            {**tensor_of(signature.features[0]), "name": "input", "shape": [-1, len(signature.features)]}
        ]
    outputs = [{"name": PREDICT, "datatype": answer_type(known), "shape": [-1, known.answer.width]}]
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
    """The type of `predict`: that of the smoke prediction's answer; a number where there was none."""
    return answer_datatype(known.answer.dtype or "float64")


def read(incoming: Incoming, served: ServedModel, limit: int) -> TensorRequest:
    """The rows of a whole request. Raises `Refused`."""
    request = decode(incoming.body, incoming.headers.get(HEADER_LENGTH), served.validator, limit)
    request.probabilities = PROBABILITIES in request.outputs
    if request.probabilities and not served.known.probabilities:
        raise no_probabilities()
    return request


def reply(job: Job, request: TensorRequest, served: ServedModel) -> Reply:
    """An answered job. Raises `Refused`."""
    body, json_length = encode(job, request, served.known)
    if json_length is None:
        return Reply(body)
    return Reply(body, BINARY, ((HEADER_LENGTH, b"%d" % json_length),))


def check(reply: Reply, request: TensorRequest, served: ServedModel) -> None:
    """Checks another server's answer. Raises `Unfit`."""
    lengths = [value for name, value in reply.headers if name == HEADER_LENGTH]
    check_kind(reply, BINARY if request.binary else JSON)
    if bool(lengths) != bool(request.binary) or not all(each.isdigit() for each in lengths):
        raise Unfit(Cause.UNREADABLE, f"its {HEADER_LENGTH.decode()} is {b''.join(lengths)!r}")
    split = int(lengths[0]) if lengths else len(reply.body)
    document = object_in(reply.body[:split])
    for name in ("model_name", "model_version", "id"):
        member(document, name)
    try:
        tensors = msgspec.convert(member(document, "outputs"), list[Tensor])
        rest = memoryview(reply.body)[split:]
        found = {}
        for tensor in tensors:
            values, rest = values_of(tensor, rest)
            found[tensor.name] = (tensor, values)
    except (msgspec.ValidationError, Refused) as error:
        raise Unfit(Cause.UNREADABLE, f"its outputs are none: {error}") from error
    if len(rest) or [tensor.name for tensor in tensors] != list(request.outputs):
        raise Unfit(
            Cause.SHAPE, f"its outputs are {', '.join(found)}, asked were {', '.join(request.outputs)}"
        )
    for name, (tensor, values) in found.items():
        check_tensor(name, tensor, values, len(request.rows), served)


def check_tensor(name: str, tensor: Tensor, values: list[Any], rows: int, served: ServedModel) -> None:
    """Checks one output: rows, values a row, type. Raises `Unfit`."""
    if len(tensor.shape) != 2 or tensor.shape[0] != rows:
        raise Unfit(Cause.COUNT, f"output {name} is of shape {tensor.shape} for {rows} rows")
    width = tensor.shape[1]
    each = [values[at : at + width] for at in range(0, len(values), width)]
    if name == PROBABILITIES:
        check_likely(each, rows, served)
        return
    form = served.known.answer
    if form.dtype and tensor.datatype != answer_type(served.known):
        raise Unfit(Cause.SHAPE, f"output {name} is {tensor.datatype}, ours is {answer_type(served.known)}")
    check_answers(each if form.shape or width != 1 else [row[0] for row in each], rows, served)


# What every tensor says; which of them the model takes is not said by a schema.
TENSOR: Schema = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string"},
        "data": {"type": "array"},
    },
}


def example(row: list[Any]) -> dict[str, Any]:
    """A body with one row."""
    return {"inputs": [{"name": "input", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}


OPEN_INFERENCE = Protocol(
    paths=("/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer"),
    tag="Open Inference Protocol",
    summary="Tensors",
    error_members=("error",),
    parameters=(),  # probabilities are an output here
    read=read,
    reply=reply,
    fault=finding(check),
    body_schema=lambda validator: holding("inputs", {"type": "array", "items": TENSOR, "minItems": 1}),
    example=example,
)
