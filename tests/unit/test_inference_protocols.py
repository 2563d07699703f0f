"""Each protocol's bodies become rows, and answers its bodies; documented payloads of their clients stand
here."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from driftlead_inference.engines.outputs import Outputs, outputs
from driftlead_inference.jobs import Job
from driftlead_inference.model.prepared import Prepared, Source
from driftlead_inference.problems import Refused
from driftlead_inference.protocols import kserve_v1, mlflow, open_inference, predict
from driftlead_inference.rows.signature import Feature, Signature, unnamed
from driftlead_inference.rows.validation import RowValidator

PLAIN = RowValidator(unnamed(3), frozenset({1}))
NAMED = RowValidator(Signature((Feature("a"), Feature("b", "string", "object")), named=True), frozenset())


def answered(count: int, found: Outputs, probabilities: bool = False) -> Job:
    job = Job([[0.0]] * count, None, "id-1", 0.0, 0.0, lambda _: None, probabilities=probabilities)
    job.outputs = found
    return job


def known(validator: RowValidator = PLAIN, classes: list[Any] | None = None) -> Prepared:
    return Prepared(
        source=Source("r", "Demo", "3", "s3://x"), digest="", signature=validator.signature,
        flavour="sklearn", engine="onnx", engine_reason="", takes="array", accepts_missing=(),
        accepts_huge=False, example=[], example_kind="zeros", classes=classes,
        probabilities=classes is not None,
    )  # fmt: skip


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.problem.detail


def test_one_row_keeps_its_own_text_for_the_log() -> None:
    request = predict.decode(b'{"features": [1, 2.50, 3e0]}', PLAIN, 10)
    assert (request.rows, request.raws, request.many) == ([[1.0, 2.5, 3.0]], [b"[1, 2.50, 3e0]"], False)


def test_rows_names_and_lists_of_both_are_understood() -> None:
    assert predict.decode(b'{"features": [[1,2,3],[4,null,6]]}', PLAIN, 10).rows == [[1, 2, 3], [4, None, 6]]
    assert predict.decode(b'{"features": {"b":"x","a":1}}', NAMED, 10).rows == [[1.0, "x"]]
    many = predict.decode(b'{"features": [{"a":1,"b":"x"},[2,"y"]]}', NAMED, 10)
    assert (many.rows, many.many) == ([[1.0, "x"], [2.0, "y"]], True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"), (b"[1]", "features"), (b'{"features":NaN}', "NaN"),
        (b'{"features":[1,NaN,2]}', "NaN"),
        (b'{"features":3}', "expected a list"), (b'{"features":[]}', "3 features"),
        (b'{"features":[[]]}', "3 features"),
        (b'{"features":[[1,2,3],[1]]}', "row 1"), (b'{"features":["a",1,2]}', "'f0'"),
        (b'{"features":[[1,2,3],[1,2,3],[1,2,3]]}', "1 to 2 rows"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_body_is_said(body: bytes, words: str) -> None:
    assert words in refused(predict.decode, body, PLAIN, 2)


def test_the_first_null_that_is_not_taken_passes_the_decoder_and_is_for_the_batch() -> None:
    assert predict.decode(b'{"features":[null,2,3]}', PLAIN, 2).rows == [[None, 2, 3]]


def test_kserves_instances_become_predictions() -> None:
    assert kserve_v1.decode(b'{"instances":[[1,2,3]]}', PLAIN, 9) == [[1, 2, 3]]
    found = outputs(np.array([1, 0]), np.array([[0.25, 0.75], [1.0, 0.0]]), {})
    assert json.loads(kserve_v1.encode(answered(2, found))) == {"predictions": [1, 0]}
    assert json.loads(kserve_v1.encode(answered(2, found, True)))["probabilities"] == [
        [0.25, 0.75],
        [1.0, 0.0],
    ]
    assert "instances" in refused(kserve_v1.decode, b"{}", PLAIN, 9)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["b", "a", "c"], "data": [["x", 1, 9]], "index": [0]}},
        {"dataframe_records": [{"a": 1, "b": "x", "c": 9}]},
        {"instances": [{"a": 1, "b": "x"}]},
        {"instances": [[1, "x"]]},
        {"inputs": {"a": [1], "b": ["x"]}},
        {"inputs": {"a": 1, "b": "x"}},
        {"inputs": [[1, "x"]]},
        {"inputs": [1, "x"]},
    ],
)
def test_every_form_of_mlflow_is_one_row(body: dict[str, Any]) -> None:
    assert mlflow.decode(json.dumps(body).encode(), b"application/json; charset=utf-8", NAMED, 9) == [
        [1.0, "x"]
    ]


def test_mlflows_csv_is_read_by_its_header_and_an_empty_cell_is_missing() -> None:
    assert mlflow.decode(b"b,a\nx,1\ny,2.5\n", b"text/csv", NAMED, 9) == [[1.0, "x"], [2.5, "y"]]
    assert mlflow.decode(b"0,1,2\n1,,3\n", b"text/csv", PLAIN, 9) == [[1.0, None, 3.0]]
    assert "'a'" in refused(mlflow.decode, b"a,b\nx,y\n", b"text/csv", NAMED, 9)


def test_mlflow_is_told_what_it_sent_wrongly() -> None:
    assert "one of" in refused(mlflow.decode, b'{"rows":[]}', b"application/json", PLAIN, 9)
    assert "content type" in refused(mlflow.decode, b"", b"application/xml", PLAIN, 9)
    assert "different lengths" in refused(
        mlflow.decode, b'{"inputs":{"a":[1,2],"b":["x"]}}', b"application/json", NAMED, 9
    )


def infer(
    inputs: list[dict[str, Any]], tail: bytes = b"", validator: RowValidator = PLAIN, **more: Any
) -> open_inference.TensorRequest:
    head = json.dumps({"inputs": inputs, **more}).encode()
    return open_inference.decode(head + tail, str(len(head)).encode() if tail else None, validator, 9)


def test_a_tensor_of_rows_may_be_flat_or_nested() -> None:
    tensor = {"name": "x", "shape": [2, 3], "datatype": "FP32"}
    flat = infer([{**tensor, "data": [1, 2, 3, 4, None, 6]}])
    assert (
        flat.rows == infer([{**tensor, "data": [[1, 2, 3], [4, None, 6]]}]).rows == [[1, 2, 3], [4, None, 6]]
    )


def test_a_tensor_a_feature_is_what_mlservers_pandas_codec_sends() -> None:
    request = infer(
        [
            {"name": "b", "shape": [2, 1], "datatype": "BYTES", "data": ["x", "y"]},
            {"name": "a", "shape": [2], "datatype": "INT64", "data": [1, 2]},
        ],
        validator=NAMED,
    )
    assert request.rows == [[1.0, "x"], [2.0, "y"]]


def test_tritons_client_sends_numbers_and_strings_in_binary() -> None:
    numbers = np.array([1, np.nan, 3], dtype="<f4").tobytes()
    tensor = {
        "name": "x",
        "shape": [1, 3],
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(numbers)},
    }
    assert infer([tensor], numbers).rows == [[1.0, None, 3.0]]
    text = struct.pack("<I", 2) + b"xy"
    rows = infer(
        [
            {"name": "a", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}},
            {"name": "b", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(text)}},
        ],
        struct.pack("<d", 1.5) + text,
        NAMED,
    ).rows
    assert rows == [[1.5, "xy"]]


@pytest.mark.parametrize(
    ("tensor", "tail", "words"),
    [
        ({"shape": [1, 2], "datatype": "FP32", "data": [1, 2]}, b"", "[rows, 3]"),
        ({"shape": [1, 3], "datatype": "FP32", "data": [1, 2]}, b"", "3 values"),
        ({"shape": [1, 3], "datatype": "FP8", "data": [1, 2, 3]}, b"", "FP8"),
        ({"shape": [-1, 3], "datatype": "FP32", "data": []}, b"", "[-1, 3]"),
        ({"shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 99}}, b"123", "99"),
        ({"shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 3}}, b"123", "multiple"),
        ({"shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}, b"123", "follow"),
        (
            {"shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}},
            b"\x09\0\0\0x",
            "cut",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(tensor: dict[str, Any], tail: bytes, words: str) -> None:
    with pytest.raises(Refused) as caught:
        infer([{"name": "x", **tensor}], tail)
    assert words in caught.value.problem.detail


def test_the_answer_has_predict_and_where_wanted_probabilities() -> None:
    found = outputs(np.array([1, 0]), np.array([[0.25, 0.75], [1.0, 0.0]]), {})
    tensor = {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [0] * 6}
    request = infer([tensor], id="mine", outputs=[{"name": "predict"}, {"name": "predict_proba"}])
    body, length = open_inference.encode(answered(2, found, True), request, known())
    assert length is None
    assert json.loads(body) == {
        "model_name": "Demo",
        "model_version": "3",
        "id": "mine",
        "outputs": [
            {"name": "predict", "shape": [2, 1], "datatype": "INT64", "data": [1, 0]},
            {"name": "predict_proba", "shape": [2, 2], "datatype": "FP64", "data": [0.25, 0.75, 1.0, 0.0]},
        ],
    }


def test_the_answer_may_be_binary() -> None:
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [0] * 3}
    request = infer([tensor], outputs=[{"name": "predict", "parameters": {"binary_data": True}}])
    body, length = open_inference.encode(answered(1, outputs(np.array([7]), None, {})), request, known())
    assert length is not None
    assert json.loads(body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert struct.unpack("<q", body[length:]) == (7,)
    assert "no output" in refused(lambda: infer([tensor], outputs=[{"name": "score"}]))


def test_metadata_says_what_a_client_should_send() -> None:
    plain = open_inference.metadata(known(classes=[0, 1]))
    assert plain["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 3]}]
    assert [output["name"] for output in plain["outputs"]] == ["predict", "predict_proba"]
    named = open_inference.metadata(known(NAMED))
    assert [(each["name"], each["datatype"]) for each in named["inputs"]] == [("a", "FP64"), ("b", "BYTES")]


def test_the_log_gets_one_number_whatever_the_model_answers() -> None:
    assert outputs(np.array([True, False]), None, {}).numbers == [1.0, 0.0]
    text = outputs(np.array(["late", "on time", "new"], dtype=object), None, {"late": 0, "on time": 1})
    assert (text.numbers, text.labels, text.texts[0]) == (
        [0.0, 1.0, -1.0],
        ["late", "on time", "new"],
        b'"late"',
    )
    several = outputs(np.array([[1.5, 2.5], [3.5, np.nan]]), None, {})
    assert (several.numbers, several.rest, several.wrong) == ([1.5, 3.5], [b"[2.5]", b"[null]"], {1})
    assert outputs(np.array([1.0, np.inf]), None, {}).wrong == {1}
