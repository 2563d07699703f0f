"""Writes charts/install/install.yaml, the chart rendered for `kubectl apply`; `--check` compares instead."""

import subprocess
import sys
from pathlib import Path

from hack import ROOT
from hack.freshness import write_or_check
from hack.tools import path_of

FOLDER = ROOT / "charts/install"
TARGET = FOLDER / "install.yaml"
HEAD = """\
# Written by `make docs` from the chart with charts/install/values.yaml; edit those instead.
apiVersion: v1
kind: Namespace
metadata:
  name: driftlead
  labels: {pod-security.kubernetes.io/enforce: restricted}
"""


def rendered() -> str:
    """The namespace and everything that the chart makes in it, but not its tests."""
    options: list[str | Path] = ["--skip-tests", "-n", "driftlead", "-f", FOLDER / "values.yaml"]
    command = [path_of("helm"), "template", "driftlead", ROOT / "charts/driftlead", *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return HEAD + done.stdout


def main(arguments: list[str]) -> int:
    """Writes the file, or says that it is stale; 1 when it is."""
    return write_or_check({TARGET: rendered()}, arguments, "make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
