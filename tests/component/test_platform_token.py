"""Predictions behind a bearer token that stands in a pod's connections, on every path and both fronts."""

from collections.abc import Iterator
from typing import Any

import pytest

from neighbours.inference import Inference, inference_server
from neighbours.models import regression, rows, saved

TOKEN = "a-long-secret"
ROW = rows(1)[0].tolist()
TENSOR = {"name": "x", "shape": [1, len(ROW)], "datatype": "FP64", "data": ROW}
ASKED: dict[str, Any] = {
    "/predict": {"features": ROW},
    "/v1/models/demo:predict": {"instances": [ROW]},
    "/v2/models/demo/infer": {"inputs": [TENSOR]},
    "/v2/models/demo/versions/0/infer": {"inputs": [TENSOR]},
    "/invocations": {"instances": [ROW]},
}
OPEN = ["/health", "/livez", "/readyz", "/metrics", "/v2", "/v2/models/demo", "/openapi.json"]


@pytest.fixture(scope="module", params=["wire", "asgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inference]:
    home = tmp_path_factory.mktemp("token")
    (home / "connections").mkdir()
    (home / "connections/DRIFTLEAD_REQUIRES_TOKEN").write_text(f"{TOKEN}\n")
    model = saved(home / "demo", regression(), rows())
    places = {"DRIFTLEAD_CONNECTIONS_DIR": str(home / "connections"), "DRIFTLEAD_FRONT": request.param}
    with inference_server(model, home, **places) as found:
        yield found


@pytest.mark.parametrize("path", ASKED)
def test_a_prediction_needs_the_token(path: str, server: Inference) -> None:
    assert server.ask(path, ASKED[path])[0] == 401
    for wrong in ("Bearer", "Bearer no", f"Basic {TOKEN}", TOKEN):
        status, said = server.ask(path, ASKED[path], Authorization=wrong)
        assert status == 401
        assert "Authorization: Bearer" in said["detail"]
    assert server.ask(path, ASKED[path], Authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize("path", OPEN)
def test_probes_scrapes_and_descriptions_need_none(path: str, server: Inference) -> None:
    assert server.ask(path)[0] == 200


def test_the_token_stands_in_no_answer_and_no_log(server: Inference) -> None:
    said = [str(server.ask(path)) for path in OPEN]
    assert not any(TOKEN in each for each in [*said, server.log.read_text()])
