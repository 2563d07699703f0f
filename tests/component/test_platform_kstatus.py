"""What Flux sees in a ModelDeployment, by the kstatus library that it judges with."""

import subprocess
from pathlib import Path

import pytest

from hack.tools import path_of

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "charts/gitops/argocd/driftlead.dev/ModelDeployment/testdata"
SEEN = {
    "healthy": "Current",
    "drifting": "Current",
    "suspended": "Current",
    "new": "InProgress",
    "newer-spec": "InProgress",
    "rolling-out": "InProgress",
    "waiting-for-model": "InProgress",
    "rejected": "Failed",
    "stalled": "Failed",
}


@pytest.fixture(scope="module")
def kstatus() -> str:
    return str(path_of("kstatus"))


@pytest.mark.parametrize("state", SEEN)
def test_flux_waits_for_what_moves_and_stops_at_what_is_stalled(state: str, kstatus: str) -> None:
    text = (FIXTURES / f"{state}.yaml").read_text()
    done = subprocess.run([kstatus], input=text, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split("\t")[0] == SEEN[state]


def test_every_state_that_argo_cd_is_tried_with_is_tried_with_flux_too() -> None:
    assert {path.stem for path in FIXTURES.glob("*.yaml")} == set(SEEN)
