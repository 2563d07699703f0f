"""Writes the chart's schema and reference page from the comments of values.yaml; `--check` compares instead.

`# -- text` above a key says what it is for, `# @schema keywords` narrows it in JSON Schema's words; a key
without text is a section. Types are those of the defaults, and unknown keys are refused everywhere.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from hack import ROOT
from hack.freshness import write_or_check

CHART = ROOT / "charts/driftlead"
SCHEMA = CHART / "values.schema.json"
PAGE = ROOT / "docs/reference/values.md"
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):(?:\s|$)")
INTRODUCTION = """\
# The chart's values

<!-- Written by `make docs` from charts/driftlead/values.yaml; edit that instead. -->

`helm install driftlead charts/driftlead -n driftlead --create-namespace`, with `--set devStack.enabled=true`
for a whole system on a laptop, or with values of your own:
[production-values.yaml](../../charts/driftlead/ci/production-values.yaml) is a place to start.
A key or value that is not allowed is refused before anything is installed.
"""
NAMESPACE = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
IMAGE_FIELDS = ("registry", "repository", "tag", "digest")
OBJECT = {"type": "object"}
DEFINITIONS: dict[str, Any] = {
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
    "objectName": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"},
    "name": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {"name": {"type": "string", "minLength": 1}},
    },
    "namespaces": {"type": "array", "uniqueItems": True, "items": NAMESPACE},
    "registry": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "trackingURI"],
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
            "trackingURI": {"type": "string", "pattern": "^https?://[^ ]+$"},
            "existingSecret": {"$ref": "#/$defs/objectName"},
            "tokenKey": {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"},
            "basicAuth": {"type": "boolean"},
            "caBundle": {"type": "string", "pattern": "^-----BEGIN CERTIFICATE-----"},
            "allowedNamespaces": {"$ref": "#/$defs/namespaces"},
            "allowWrite": {"type": "boolean"},
        },
    },
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            part: {"type": "object", "additionalProperties": {"$ref": "#/$defs/quantity"}}
            for part in ("requests", "limits")
        },
    },
    "quantity": {
        "type": ["string", "number"],
        "pattern": "^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
        "minimum": 0,
    },
    "podSecurityContext": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "runAsNonRoot": {"type": "boolean"},
            **{key: {"type": "integer", "minimum": 0} for key in ("runAsUser", "runAsGroup", "fsGroup")},
            "fsGroupChangePolicy": {"enum": ["OnRootMismatch", "Always"]},
            "supplementalGroups": {"type": "array", "items": {"type": "integer"}},
            "seccompProfile": OBJECT,
            "seLinuxOptions": OBJECT,
            "sysctls": {"type": "array"},
        },
    },
    "containerSecurityContext": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{
                key: {"type": "boolean"}
                for key in (
                    "allowPrivilegeEscalation",
                    "readOnlyRootFilesystem",
                    "privileged",
                    "runAsNonRoot",
                )
            },
            **{key: {"type": "integer", "minimum": 0} for key in ("runAsUser", "runAsGroup")},
            **dict.fromkeys(("capabilities", "seccompProfile", "seLinuxOptions"), OBJECT),
        },
    },
}


@dataclass(frozen=True)
class Value:
    """A documented key: where it is, what it is for, its default, and what narrows it."""

    path: tuple[str, ...]
    text: str
    default: Any
    keywords: Mapping[str, Any]


def comments(lines: list[str]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Each key of the block style with the comment lines right above it."""
    stack: list[tuple[int, str]] = []
    above: list[str] = []
    for line in lines:
        if match := KEY.match(line):
            depth = len(match[1])
            stack = [each for each in stack if each[0] < depth] + [(depth, match[2])]
            yield tuple(key for _, key in stack), above
            above = []
        elif line.lstrip().startswith("#"):
            above.append(line.strip().removeprefix("#").strip())
        else:
            above = []


def split(above: list[str]) -> tuple[str, dict[str, Any]]:
    """The text after `--`, with the lines that go on with it, and the keywords of `@schema`."""
    text: list[str] = []
    keywords: dict[str, Any] = {}
    for line in above:
        if line.startswith("@schema "):
            keywords |= yaml.safe_load("{" + line.removeprefix("@schema ") + "}")
        elif line.startswith("-- "):
            text = [line.removeprefix("-- ")]
        elif text:
            text.append(line)
    return " ".join(text), keywords


def documented(source: str) -> list[Value]:
    """Every documented value of values.yaml, in its order."""
    defaults = yaml.safe_load(source)
    values: list[Value] = []
    for path, above in comments(source.splitlines()):
        text, keywords = split(above)
        if text:
            default = defaults
            for key in path:
                default = default[key]
            values.append(Value(path, text, default, keywords))
    return values


def json_type(default: Any) -> str:
    """JSON Schema's name for the type of a default."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(default)]


def schema(source: str) -> dict[str, Any]:
    """The whole schema: sections are closed objects, values have their default's type."""
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the driftlead chart",
        "type": "object",
        "additionalProperties": False,
        "properties": {"global": {"type": "object", "description": "Values that Helm shares between charts"}},
    }
    for value in documented(source):
        node = root
        for key in value.path[:-1]:
            section = {"type": "object", "additionalProperties": False, "properties": {}}
            node = node["properties"].setdefault(key, section)
        own = {} if {"$ref", "enum"} & value.keywords.keys() else {"type": json_type(value.default)}
        node["properties"][value.path[-1]] = {**own, **value.keywords, "description": value.text}
    image = root["properties"]["images"]["properties"]["operator"]
    fields = {field: image["properties"][field] for field in IMAGE_FIELDS}
    return {**root, "$defs": {**DEFINITIONS, "image": {**image, "properties": fields}}}


def cell(text: str) -> str:
    """A table cell: one line, no column separators of its own."""
    return " ".join(text.split()).replace("|", "\\|")


def values_page() -> str:
    """The reference page: a table for each top-level section."""
    sections: dict[str, list[Value]] = {}
    for value in documented((CHART / "values.yaml").read_text()):
        sections.setdefault(value.path[0] if len(value.path) > 1 else "In general", []).append(value)
    lines = [INTRODUCTION]
    for title in sorted(sections, key=lambda each: each != "In general"):
        lines += [f"## {title}", "", "| value | default | meaning |", "|---|---|---|"]
        for value in sections[title]:
            default = f"`{json.dumps(value.default)}`"
            lines.append(f"| `{'.'.join(value.path)}` | {cell(default)} | {cell(value.text)} |")
        lines.append("")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Writes schema and page, or names those that are stale; 1 when one is."""
    source = (CHART / "values.yaml").read_text()
    wanted = {SCHEMA: json.dumps(schema(source), indent=2) + "\n", PAGE: values_page()}
    return write_or_check(wanted, arguments, "make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
