"""The chart as an OCI artifact: packed, pushed and rendered from there by Helm 3 and 4 as from the folder."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.tools import path_of
from neighbours.oci import oci_registry
from neighbours.processes import ROOT

CHART = ROOT / "charts/driftlead"


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    with oci_registry() as address:
        yield address


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("tool", ["helm", "helm3"])
def test_the_pushed_chart_renders_what_its_folder_renders(tool: str, registry: str, tmp_path: Path) -> None:
    helm = path_of(tool)
    run(helm, "package", CHART, "--destination", tmp_path)
    (archive,) = tmp_path.glob("driftlead-*.tgz")
    place = f"oci://{registry}/{tool}/charts"
    run(helm, "push", archive, place, "--plain-http")
    values = ["-n", "driftlead", "-f", CHART / "ci/everything-values.yaml"]
    pulled = run(helm, "template", "everything", f"{place}/driftlead", "--plain-http", *values)
    assert pulled == run(helm, "template", "everything", CHART, *values)
    shown = run(helm, "show", "values", f"{place}/driftlead", "--plain-http")
    assert shown.rstrip() == (CHART / "values.yaml").read_text().rstrip()
