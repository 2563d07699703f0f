"""What is fuzzed, by name: each target takes bytes, and raises where something is found.

A parser may refuse with a sentence; it may not fall, nor pass on what it promised to keep out.
"""

import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httptools
import yaml

from driftlead_inference.fronts.wire import read_head
from driftlead_inference.problems import Refused
from driftlead_inference.protocols import kserve_v1, mlflow, open_inference, predict
from driftlead_inference.rows.signature import Feature, Signature, unnamed
from driftlead_inference.rows.validation import RowValidator
from driftlead_operator.decisions.objects import dig
from driftlead_operator.decisions.plan import plan
from driftlead_operator.decisions.spec import parse
from unit.operator_world import World, resource

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 8
NUMBERS = RowValidator(unnamed(3), frozenset({1}))
MIXED = RowValidator(
    Signature(
        (
            Feature("temp"),
            Feature("seats", "integer", "int64"),
            Feature("open", "boolean", "bool", required=False),
            Feature("port", "string", "object"),
            Feature("day", "datetime", "datetime64[ns]"),
        ),
        named=True,
    ),
    frozenset({0, 2}),
)
CSV = (b"application/json", b"text/csv")


class Seen:
    """What httptools, which serves the ordinary front, understands of a head."""

    def __init__(self, head: bytes) -> None:
        self.url, self.lengths, self.whole = b"", [], False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(head)
        self.method = parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-length":
            self.lengths.append(int(value))

    def on_headers_complete(self) -> None:
        self.whole = True


def wire(data: bytes) -> None:
    """A head that the fast front takes means the same to the ordinary one, or requests could be smuggled."""
    for head in (data, b"POST /predict HTTP/1.1\r\n" + data + b"\r\n\r\n"):
        found = read_head(head)
        if found is None:
            continue
        seen = Seen(head)
        assert (seen.method, seen.url, seen.whole) == (b"POST", b"/predict", True), head
        assert seen.lengths == [found.length], head


def rows(data: bytes) -> None:
    """Every protocol's rows are as many values as the model has features, or are refused."""
    first, body = (data[0], data[1:]) if data else (0, b"")
    header = None if first % 3 else str(first).encode()
    for validator in (NUMBERS, MIXED):
        for decode in (
            lambda validator=validator: predict.decode(body, validator, LIMIT).rows,
            lambda validator=validator: kserve_v1.decode(body, validator, LIMIT),
            lambda validator=validator: open_inference.decode(body, header, validator, LIMIT).rows,
            lambda validator=validator: mlflow.decode(body, CSV[first % 2], validator, LIMIT),
        ):
            with contextlib.suppress(Refused):
                found = decode()
                assert 0 < len(found) <= LIMIT, body
                assert {len(row) for row in found} == {validator.width}, body


EXAMPLES = [
    yaml.safe_load(path.read_text())["spec"] for path in sorted(ROOT.glob("examples/0*/modeldeployment.yaml"))
]
VALUES: list[Any] = [None, True, 0, -1, 2**63, 1.5, "", "x", "7d", "0 0 30 2 *", [], [None], {}, {"a": None}]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of objects and lists."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in steps for place in places(inner, (*path, key)))]


def mutated(data: bytes) -> dict[str, Any]:
    """An example's spec, some of its values replaced: three bytes say which, where and by what."""
    spec: Any = json.loads(json.dumps(EXAMPLES[data[0] % len(EXAMPLES)])) if data else {}
    for at in range(1, min(len(data), 24) - 2, 3):
        spots = [place for place in places(spec) if place]
        if not spots:
            break
        *way, last = spots[int.from_bytes(data[at : at + 2], "big") % len(spots)]
        node = spec
        for step in way:
            node = node[step]
        choice = data[at + 2]
        if choice >= 128 and isinstance(node, dict):
            node[data[at:].decode(errors="replace")[:12]] = node.pop(last)
        else:
            node[last] = copy.deepcopy(VALUES[choice % len(VALUES)])
    return dict(spec)


def spec(data: bytes) -> None:
    """Whatever stands in a spec: the operator says what is wrong, or has a plan that can be written."""
    try:
        wild = json.loads(data)
    except ValueError:
        wild = mutated(data)
    _, sentences = parse({"spec": wild})
    assert all(isinstance(each, str) and each.startswith("spec") for each in sentences), sentences
    world = World()
    world.resource = {**resource(), "spec": wild}
    name = dig(world.resource, "spec", "model")
    for _ in range(2):
        decided = plan(world.facts())
        json.dumps([decided.apply, decided.status], default=dict)
        world.register("3", stage="Production")
    assert name is None or dig(world.resource, "spec", "model") == name


TARGETS: dict[str, Callable[[bytes], None]] = {"wire": wire, "rows": rows, "spec": spec}
SEEDS: dict[str, list[bytes]] = {
    "wire": [b"Host: a\r\nContent-Length: 12\r\nX-Request-ID: 1\r\nConnection: keep-alive"],
    "rows": [
        b'\x01{"features": [[1, null, 3e5], [1, 2, 3]]}',
        b'\x01{"features": {"temp": 1, "seats": 2, "open": true, "port": "a", "day": "2026-01-01"}}',
        b'\x02{"instances": [[1, 2, 3]]}',
        b'\x02{"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]}',
        b'\x60{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":12}}]}'
        + bytes(12),
        b'\x02{"dataframe_split": {"columns": ["temp"], "data": [[1]]}}',
        b"\x01temp,seats,open,port,day\n1,2,true,a,2026-01-01\n",
    ],
    "spec": [bytes([number]) + bytes(range(6)) for number in range(7)],
}
