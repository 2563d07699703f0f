"""The CRD's rules in JSON Schema's words: which can be said, and what each says."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hack import ROOT, editor_schema

CRD = yaml.safe_load((ROOT / "crds/modeldeployments.driftlead.dev.yaml").read_text())


def every_rule(schema: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield schema, rule
    for child in schema.get("properties", {}).values():
        yield from every_rule(child)
    if isinstance(schema.get("items"), dict):
        yield from every_rule(schema["items"])


def test_every_rule_of_the_crd_is_translated_but_those_that_compare_fields() -> None:
    left = []
    root = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for schema, rule in every_rule(root):
        try:
            editor_schema.translate(editor_schema.python(rule["rule"]), schema)
        except editor_schema.UntranslatableError:
            left.append(rule["rule"])
    assert left == ["self == oldSelf", "self.minReplicas <= self.maxReplicas"]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("has(self.a)", {"a": 1}, {}),
        ("!has(self.a) || has(self.b)", {}, {"a": 1}),
        ("!(has(self.a) && has(self.b))", {"a": 1}, {"a": 1, "b": 2}),
        ("self.a != 'x'", {"a": "y"}, {"a": "x"}),
        ("self.a == 'x'", {"a": "x"}, {"a": "y"}),
        ("self.c != 'default'", {"c": "other"}, {}),
        ("self.c == 'default'", {}, {"c": "other"}),
        ("self.a in ['x', 'y']", {"a": "y"}, {"a": "z"}),
        ("self.a.matches('^!&&$')", {"a": "!&&"}, {"a": "x"}),
        ("self.all(key, !key.startsWith('a.'))", {"ab": 1}, {"a.b": 1}),
        ("has(self.a.b) && self.a.b == 'x'", {"a": {"b": "x"}}, {"a": {}}),
    ],
)
def test_a_rule_holds_as_a_schema_where_it_holds_in_cel(rule: str, good: Any, bad: Any) -> None:
    schema = {"properties": {"a": {}, "b": {}, "c": {"default": "default"}}}
    validator = Draft202012Validator(editor_schema.translate(editor_schema.python(rule), schema))
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


@pytest.mark.parametrize(
    "rule", ["self.a < self.b", "self == oldSelf", "size(self.a) > 1", "self.a.foo('x')"]
)
def test_what_a_schema_cannot_say_is_left_to_the_server(rule: str) -> None:
    with pytest.raises(editor_schema.UntranslatableError):
        editor_schema.translate(editor_schema.python(rule), {})
    assert editor_schema.rules({"x-kubernetes-validations": [{"rule": rule, "message": "m"}]}) == []
