"""The chart rendered by a real Helm: `render(values, files)` gives objects, `refusal(...)` Helm's words."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from chart.rendering import Objects, Render, template
from hack.tools import path_of


@pytest.fixture(scope="session")
def helm() -> str:
    return str(path_of("helm"))


@pytest.fixture(scope="session")
def render(helm: str) -> Render:
    cache: dict[str, Objects] = {}

    def rendered(values: Mapping[str, Any] | None = None, *files: str) -> Objects:
        key = json.dumps([values, files])
        if key not in cache:
            done = template(helm, values or {}, files)
            assert done.returncode == 0, done.stderr
            cache[key] = Objects(each for each in yaml.safe_load_all(done.stdout) if each)
        return cache[key]

    return rendered


@pytest.fixture(scope="session")
def refusal(helm: str) -> Callable[[Mapping[str, Any]], str]:
    def words(values: Mapping[str, Any]) -> str:
        done = template(helm, values, ())
        assert done.returncode != 0, "taken, but should be refused"
        return done.stderr

    return words


@pytest.fixture(params=["default", "dev", "production", "everything"])
def objects(request: pytest.FixtureRequest, render: Render) -> Objects:
    """Each way of installing in turn."""
    if request.param == "default":
        return render()
    if request.param == "dev":
        return render({"devStack": {"enabled": True}})
    return render({}, request.param)
