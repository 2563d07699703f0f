"""Writes the reference pages from the code that they describe; `--check` compares instead.

Settings come from each component's `settings.py`, the API from `crds/`, labels and other names from the
operator's `decisions/names.py`.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from driftlead_formats.settings_source import variable_names
from driftlead_operator.decisions.names import DOCUMENTED, NameKind
from hack import ROOT
from hack.freshness import write_or_check

PAGES = ROOT / "docs/reference"
NOTE = "<!-- Written by `make docs` from the code; edit that instead. -->\n"
SETTINGS_INTRODUCTION = """\
Each setting is an environment variable and a flag of the component's command: `DRIFTLEAD_SPOOL_DIR` is
`--spool-dir`. A flag wins over the environment, the environment over a file of that name in the folder
`DRIFTLEAD_CONNECTIONS_DIR`, and that over the default.
"""
COMPONENTS = {
    "driftlead_operator": "The operator",
    "driftlead_inference": "The inference service",
    "driftlead_drift": "The drift job",
}


def cell(text: str) -> str:
    """A table cell: one line, no column separators of its own."""
    return " ".join(text.split()).replace("|", "\\|")


def default(field: FieldInfo) -> str:
    """What holds when nothing is set."""
    if field.default is PydanticUndefined:
        return "computed" if field.default_factory else "required"
    return "" if field.default in (None, "", ()) else f"`{getattr(field.default, 'value', field.default)}`"


def settings_page() -> str:
    """Every setting of every component: environment variable, default, meaning."""
    lines = ["# Settings", "", NOTE, SETTINGS_INTRODUCTION]
    for package, title in COMPONENTS.items():
        module = importlib.import_module(f"{package}.settings")
        lines += [f"## {title}", ""]
        said: set[str] = set()
        for settings in vars(module).values():
            ours = isinstance(settings, type) and issubclass(settings, BaseSettings)
            if not ours or settings.__module__ != module.__name__:
                continue
            rows = [
                f"| `{variable_names(settings, name)[0]}` | {cell(default(field))} "
                f"| {cell(field.description or '')} |"
                for name, field in settings.model_fields.items()
            ]
            # What a class has from another one stands there already.
            own = [row for row in rows if row not in said]
            said.update(own)
            if own:
                lines += [
                    cell(settings.__doc__ or ""),
                    "",
                    "| variable | default | meaning |",
                    "|---|---|---|",
                ]
                lines += [*own, ""]
    return "\n".join(lines)


def fields(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Each field below a schema: its path, its schema, and whether it must be there."""
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, child, name in schema.get("required", [])
        yield from fields(child, here)
        yield from fields(child.get("items", {}), f"{here}[]")


def rules(schema: Mapping[str, Any]) -> Iterator[str]:
    """Every sentence with which the API server refuses a resource."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield rule["message"]
    for child in [*schema.get("properties", {}).values(), schema.get("items", {})]:
        if child:
            yield from rules(child)


def resource_page() -> str:
    """Every field of the custom resource, and what is refused."""
    crd = yaml.safe_load((ROOT / "crds/modeldeployments.driftlead.dev.yaml").read_text())
    lines = ["# ModelDeployment", "", NOTE]
    for version in crd["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        lines += [f"`{crd['spec']['group']}/{version['name']}`. {cell(schema.get('description', ''))}", ""]
        for part in ("spec", "status"):
            lines += [f"## {part}", "", "| field | type | default | meaning |", "|---|---|---|---|"]
            for path, field, required in fields(schema["properties"][part]):
                kind = field.get("type", "any") + (", required" if required else "")
                value = f"`{field['default']}`" if "default" in field else ""
                lines.append(f"| `{path}` | {kind} | {cell(value)} | {cell(field.get('description', ''))} |")
            lines.append("")
        lines += (
            ["## What the API server refuses", ""]
            + [f"- {cell(sentence)}" for sentence in rules(schema)]
            + [""]
        )
    return "\n".join(lines)


NAMES = {
    NameKind.LABEL: ("Labels", "label"),
    NameKind.REQUEST: ("Annotations set by users", "annotation of a ModelDeployment"),
    NameKind.ANNOTATION: ("Annotations that the operator sets", "annotation"),
    NameKind.CHILD: ("Objects of a ModelDeployment", "name"),
    NameKind.CONTAINER: ("Containers", "name"),
}
"""The heading of each kind's table, and that of its first column."""


def names_page() -> str:
    """Every label, annotation, child and container that the operator names."""
    lines = ["# Labels, annotations and names", "", NOTE]
    lines += [
        "`{name}` stands for the name of the ModelDeployment. Other tools may use them.",
        "",
    ]
    for kind in NameKind:
        heading, column = NAMES[kind]
        lines += [f"## {heading}", "", f"| {column} | meaning |", "|---|---|"]
        lines += [f"| `{each.key}` | {cell(each.meaning)} |" for each in DOCUMENTED if each.kind is kind]
        lines.append("")
    return "\n".join(lines)


WRITERS = {"settings.md": settings_page, "modeldeployment.md": resource_page, "names.md": names_page}


def main(arguments: list[str]) -> int:
    """Writes the pages, or names those that are stale; 1 when one is."""
    return write_or_check({PAGES / name: write() for name, write in WRITERS.items()}, arguments, "make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
