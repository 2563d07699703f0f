"""Makes a JSON Schema for editors, kubeconform and `kubectl driftlead lint` from the CRD.

What the API server checks in CEL is put into JSON Schema's words, each with the rule's own sentence as
`errorMessage`. A rule that no schema can say (one field against another, old against new) is the server's.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]
OPEN = "x-kubernetes-preserve-unknown-fields"
KEPT = (
    "type",
    "description",
    "default",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "maxItems",
    "minProperties",
    "maxProperties",
    "anyOf",
)


class UntranslatableError(Exception):
    """A rule that compares fields with one another, or with what they were."""


def python(rule: str) -> ast.expr:
    """CEL's operators in Python's words, parsed: the rules of the CRD use nothing in which the two differ."""
    outside_strings = re.split(r"('[^']*')", rule)
    for place in range(0, len(outside_strings), 2):
        text = outside_strings[place].replace("&&", " and ").replace("||", " or ")
        outside_strings[place] = re.sub(r"!(?!=)", " not ", text)
    return ast.parse(f"({''.join(outside_strings)})", mode="eval").body


def path_of(node: ast.expr) -> list[str]:
    """`self.a.b` as its names; `self` and a comprehension's variable are the empty path."""
    if isinstance(node, ast.Name):
        return []
    if isinstance(node, ast.Attribute):
        return [*path_of(node.value), node.attr]
    raise UntranslatableError(ast.dump(node))


def at(path: Sequence[str], leaf: Schema, *, present: bool = True) -> Schema:
    """A schema for what lies below a path; the path's last name may be missing unless `present`."""
    for depth, name in enumerate(reversed(path)):
        leaf = {"properties": {name: leaf}}
        if present or depth > 0:
            leaf["required"] = [name]
    return leaf


def default_of(schema: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The default of the field at a path, None without one."""
    for name in path:
        schema = schema.get("properties", {}).get(name, {})
    return schema.get("default")


def translate(node: ast.expr, schema: Mapping[str, Any]) -> Schema:
    """A boolean expression of CEL as a schema that holds where it is true."""
    match node:
        case ast.BoolOp(op=operator, values=values):
            joined = "allOf" if isinstance(operator, ast.And) else "anyOf"
            return {joined: [translate(each, schema) for each in values]}
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return {"not": translate(operand, schema)}
        case ast.Call(func=ast.Name(id="has"), args=[field]):
            return at(path_of(field), {})
        case ast.Call(func=ast.Attribute(value=value, attr=method), args=arguments):
            return called(value, method, arguments, schema)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return compared(left, operator, ast.literal_eval(right) if constant(right) else None, schema)
    raise UntranslatableError(ast.dump(node))


def constant(node: ast.expr) -> bool:
    """Whether a node is a literal; one that is none ends the translation."""
    try:
        ast.literal_eval(node)
    except ValueError:
        raise UntranslatableError(ast.dump(node)) from None
    return True


def called(value: ast.expr, method: str, arguments: list[ast.expr], schema: Mapping[str, Any]) -> Schema:
    """`matches` and `startsWith` on a text, `all` over the keys of a mapping."""
    if method == "all":
        return at(path_of(value), {"propertyNames": translate(arguments[1], schema)})
    text = ast.literal_eval(arguments[0])
    if method == "startsWith":
        text = "^" + re.escape(text)
    elif method != "matches":
        raise UntranslatableError(method)
    return at(path_of(value), {"pattern": text})


def compared(left: ast.expr, operator: ast.cmpop, right: Any, schema: Mapping[str, Any]) -> Schema:
    """A field against a literal. A missing field is its default."""
    path = path_of(left)
    if isinstance(operator, ast.In):
        return at(path, {"enum": right})
    if not isinstance(operator, ast.Eq | ast.NotEq):
        raise UntranslatableError(ast.dump(operator))
    equal = at(path, {"const": right}, present=default_of(schema, path) != right)
    return equal if isinstance(operator, ast.Eq) else {"not": equal}


def rules(schema: Mapping[str, Any]) -> list[Schema]:
    """The CEL rules of one place that a schema can say, each with its sentence."""
    found = []
    for rule in schema.get("x-kubernetes-validations", []):
        try:
            found.append({**translate(python(rule["rule"]), schema), "errorMessage": rule["message"]})
        except UntranslatableError:
            continue
    return found


def convert(schema: Mapping[str, Any]) -> Schema:
    """A CRD's structural schema as plain JSON Schema: closed where the API server prunes, rules beside it."""
    result: Schema = {key: schema[key] for key in KEPT if key in schema}
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
        result.pop("anyOf", None)
    if "properties" in schema:
        result["properties"] = {name: convert(each) for name, each in schema["properties"].items()}
        if not schema.get(OPEN):
            result["additionalProperties"] = False
    if isinstance(extra := schema.get("additionalProperties"), dict):
        result["additionalProperties"] = convert(extra)
    if "items" in schema:
        result["items"] = convert(schema["items"])
    if "required" in schema:
        result["required"] = schema["required"]
    if found := rules(schema):
        result["allOf"] = found
    return result


def editor_schema(crd: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    """The schema of one version of a kind, as the text of its file."""
    group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
    root = convert(version["schema"]["openAPIV3Schema"])
    root["properties"] |= {
        "apiVersion": {"const": f"{group}/{version['name']}"},
        "kind": {"const": kind},
        "metadata": {"type": "object", "required": ["name"]},
        "status": {"type": "object", "description": "What is. Written by the operator only."},
    }
    root["required"] = ["apiVersion", "kind", "metadata", "spec"]
    draft = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps({"$schema": draft, "title": kind, **root}, indent=1, ensure_ascii=False) + "\n"
