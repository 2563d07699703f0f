"""What the service publishes as its OpenAPI is how it answers, on both fronts, whatever is sent to it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from neighbours.inference import inference_server
from neighbours.models import regression, rows, saved

EXAMPLES = 30
# A tensor's values must fit its shape and the model, which no schema says.
CONFIGURATION = """
[[operations]]
include-path = "/v2/models/demo/infer"
checks.positive_data_acceptance.enabled = false
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("published") / "demo", regression(), rows())


@pytest.mark.parametrize("front", ["wire", "asgi"])
def test_every_answer_is_one_that_the_openapi_promises(front: str, model: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    with inference_server(model, DRIFTLEAD_FRONT=front) as server:
        program = Path(sys.executable).with_name("schemathesis")
        command = [program, f"--config-file={configuration}", "run", f"{server.url}/openapi.json"]
        bounds = [f"--max-examples={EXAMPLES}", "--seed=1", "--generation-database=none", "--no-color"]
        done = subprocess.run(
            [*command, *bounds], check=False, capture_output=True, text=True, timeout=250, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout[-6000:]
        tested = re.search(r"Tested: (\d+)", done.stdout)
        assert tested
        assert int(tested[1]) >= 15
        assert "a request failed" not in server.log.read_text()
