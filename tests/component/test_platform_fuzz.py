"""A short run of each fuzz target; `make fuzz` goes on for longer."""

import subprocess
import sys

import pytest

from fuzz.targets import SEEDS, TARGETS
from neighbours.processes import ROOT

RUNS = {"wire": 100_000, "rows": 20_000, "spec": 2_000}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_that_the_fuzzer_makes_breaks_what_the_target_promises(name: str) -> None:
    command = [sys.executable, str(ROOT / "tests/fuzz"), name, f"-runs={RUNS[name]}", "-max_total_time=60"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Done " in done.stderr


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_begins_with_examples_that_are_understood(name: str) -> None:
    assert SEEDS[name]
    for seed in SEEDS[name]:
        TARGETS[name](seed)
