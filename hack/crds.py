"""Copies the CRDs into the chart, wrapped in the chart's own switches; `--check` compares instead.

A copy and no symbolic link: Helm follows links when it packages, archives and other checkouts do not.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "crds"
TARGET = ROOT / "charts/driftlead/templates/crds"


def chart_copy(crd: str) -> str:
    """The CRD as a template: installed and kept by value, its own braces left alone."""
    keep = (
        "  annotations:\n    {{- if .Values.crds.keep }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n"
    )
    body = crd.replace("metadata:\n", "metadata:\n" + keep, 1)
    return "{{- if .Values.crds.enabled }}\n" + body.rstrip("\n") + "\n{{- end }}\n"


def main(arguments: list[str]) -> int:
    """Writes the copies, or says which differ; 1 when one does."""
    stale = []
    for source in sorted(SOURCE.glob("*.yaml")):
        target, wanted = TARGET / source.name, chart_copy(source.read_text())
        if target.exists() and target.read_text() == wanted:
            continue
        stale.append(source.name)
        if "--check" not in arguments:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(wanted)
    if stale and "--check" in arguments:
        print(f"the chart's copy differs from crds/: {', '.join(stale)}; run: make crds")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
