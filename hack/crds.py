"""Writes what is made from the CRDs; `--check` compares instead.

The chart's copy, wrapped in the chart's own switches (a copy and no symbolic link: Helm follows links when it
packages, archives and other checkouts do not), and a JSON Schema for editors and `kubectl driftlead lint`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from hack import ROOT
from hack.editor_schema import editor_schema
from hack.freshness import write_or_check

SOURCE = ROOT / "crds"
TARGET = ROOT / "charts/driftlead/templates/crds"
SCHEMAS = ROOT / "operator/driftlead_cli/schemas"


def chart_copy(crd: str) -> str:
    """The CRD as a template: installed and kept by value, its own braces left alone."""
    keep = (
        "  annotations:\n    {{- if .Values.crds.keep }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n"
    )
    body = crd.replace("metadata:\n", "metadata:\n" + keep, 1)
    return "{{- if .Values.crds.enabled }}\n" + body.rstrip("\n") + "\n{{- end }}\n"


def wanted() -> Iterator[tuple[Path, str]]:
    """Each file that is made, and its text."""
    for source in sorted(SOURCE.glob("*.yaml")):
        text = source.read_text()
        yield TARGET / source.name, chart_copy(text)
        crd = yaml.safe_load(text)
        for version in crd["spec"]["versions"]:
            # As kubeconform's template {{.ResourceKind}}_{{.ResourceAPIVersion}}.json has it.
            name = f"{crd['spec']['names']['singular']}_{version['name']}.json"
            yield SCHEMAS / name, editor_schema(crd, version)


def main(arguments: list[str]) -> int:
    """Writes the files, or says which differ; 1 when one does."""
    return write_or_check(dict(wanted()), arguments, "make crds")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
