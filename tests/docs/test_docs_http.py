"""The page of the HTTP API has every path that a model pod serves, and the limits that it really has."""

import re
from pathlib import Path
from typing import cast

import pytest
from fastapi.routing import APIRoute

from driftlead_inference.fronts import routes
from driftlead_inference.protocols import PROTOCOLS
from driftlead_inference.protocols.feedback import FEEDBACK
from driftlead_inference.service import Service
from driftlead_inference.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/http.md").read_text()
TABLES = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
POSTED = [path for endpoint in (*PROTOCOLS, FEEDBACK) for path in endpoint.paths]


def got() -> list[str]:
    """What is asked by GET; making the routes asks nothing of the service."""
    nobody = cast("Service", None)
    routers = (routes.operations(nobody), routes.descriptions(nobody))
    return [route.path for router in routers for route in router.routes if isinstance(route, APIRoute)]


@pytest.mark.parametrize("path", [*POSTED, *got(), "/docs", "/openapi.json"])
def test_every_path_stands_in_the_tables(path: str) -> None:
    assert f"`{path}`" in TABLES


def test_every_path_that_the_tables_name_exists() -> None:
    named = set(re.findall(r"`(/[a-z0-9{}/:_.]+)`", TABLES))
    assert named <= {*POSTED, *got(), "/docs", "/openapi.json"}


@pytest.mark.parametrize(
    ("setting", "words", "value"),
    [
        ("rows", "10,000", 10_000),
        ("body_bytes", "8 MiB", 8 * 2**20),
        ("body_seconds", "30 s", 30),
        ("waiting_rows", "50,000", 50_000),
    ],
)
def test_the_limits_on_the_page_are_the_defaults(setting: str, words: str, value: int) -> None:
    assert Settings.model_fields[setting].default == value
    assert f"`DRIFTLEAD_{setting.upper()}`) | {words} |" in PAGE


def test_every_status_that_a_path_can_refuse_with_is_explained() -> None:
    table = PAGE.split("| status | meaning |")[1]
    statuses = {status for endpoint in (*PROTOCOLS, FEEDBACK) for status in endpoint.refusals}
    assert [status for status in statuses if not re.search(rf"^\| .*{status}", table, re.MULTILINE)] == []
