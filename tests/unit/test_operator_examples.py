"""Each example says at its top what it shows, and is planned to the children that it promises."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from driftlead_operator.decisions import spec
from driftlead_operator.decisions.facts import Ref
from unit.operator_world import World

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*/modeldeployment.yaml"))


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_says_what_it_shows_and_comes_to_serve(path: Path) -> None:
    assert path.read_text().startswith("# ")
    example = load(path)
    parsed, wrong = spec.parse(example)
    assert parsed is not None and wrong == []
    world = World()
    world.resource["spec"] = example["spec"]
    world.resource["metadata"]["name"] = name = example["metadata"]["name"]
    world.register("3", stage="Production")
    world.versions["3"].aliases = {"champion"}
    world.register("4", stage="Staging")
    world.versions["4"].aliases = {"challenger"}
    world.settle()
    assert world.ready() == ("True", "Serving")
    assert world.serving("prod") == ["3"] * parsed.prod.initial_replicas
    assert world.serving("canary") == (["4"] if parsed.canary else [])
    assert (Ref("HorizontalPodAutoscaler", f"{name}-prod") in world.children) == bool(parsed.prod.autoscaling)
