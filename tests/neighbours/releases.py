"""The chart as an earlier release might have been, for what must survive an upgrade."""

import shutil
from pathlib import Path

import yaml

from neighbours.processes import ROOT

CHART = ROOT / "charts/driftlead"


def older_chart(folder: Path) -> Path:
    """The chart as a release before this one might have been: an older number, a field less in the API."""
    shutil.copytree(CHART, folder / "driftlead")
    about = folder / "driftlead/Chart.yaml"
    about.write_text(about.read_text().replace("version: 0.1.0", "version: 0.0.9"))
    copy = folder / "driftlead/templates/crds/modeldeployments.driftlead.dev.yaml"
    head, _, rest = copy.read_text().partition("\nmetadata:")
    crd = yaml.safe_load((ROOT / "crds/modeldeployments.driftlead.dev.yaml").read_text())
    for version in crd["spec"]["versions"]:
        del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["suspend"]
    switches = rest[: rest.index("\nspec:")]
    body = yaml.safe_dump({"spec": crd["spec"]}, sort_keys=False)
    copy.write_text(f"{head}\nmetadata:{switches}\n{body}{{{{- end }}}}\n")
    return folder / "driftlead"
