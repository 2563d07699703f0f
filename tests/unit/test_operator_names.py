"""The table of names is whole: what the operator gives to objects stands in it, each name once."""

import re
from collections.abc import Iterator
from typing import Any

from driftlead_operator.decisions import names
from driftlead_operator.decisions.names import NameKind
from unit.operator_world import World


def documented(*kinds: NameKind) -> set[str]:
    return {each.key for each in names.DOCUMENTED if each.kind in kinds}


def keys(value: Any, field: str) -> Iterator[str]:
    """The keys of every mapping that stands under `field`."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from each if name == field else keys(each, field)
    elif isinstance(value, list):
        for each in value:
            yield from keys(each, field)


def everything() -> list[Any]:
    world = World(
        prod={"stage": "Production", "replicas": 2, "autoscaling": {"maxReplicas": 4}},
        drift={"schedule": "@hourly"},
        retraining={"function": "train:train"},
    )
    world.register("3", stage="Production")
    world.register("4", stage="Staging")
    world.settle()
    for report in ("r1", "r2"):
        world.drift_run("drift", report=report, version="3")
        world.reconcile()
    return list(world.applied.values())


def test_each_name_is_documented_once_with_a_sentence() -> None:
    found = [(each.kind, each.key) for each in names.DOCUMENTED]
    assert len(found) == len(set(found))
    assert all(each.meaning and not each.meaning.endswith(".") for each in names.DOCUMENTED)


def test_every_label_and_annotation_of_a_child_is_documented() -> None:
    children = everything()
    assert set(keys(children, "labels")) <= documented(NameKind.LABEL)
    assert set(keys(children, "annotations")) <= documented(NameKind.ANNOTATION)


def test_every_child_bears_a_documented_name() -> None:
    templates = documented(NameKind.CHILD)
    patterns = [re.sub(r"\\{\w+\\}", "[a-z0-9]+", re.escape(each)) for each in templates]
    found = {each["metadata"]["name"] for each in everything()}
    assert len(found) == len(templates)
    assert all(any(re.fullmatch(pattern, name) for pattern in patterns) for name in found)


def test_the_champion_can_be_read_from_a_retraining_jobs_name() -> None:
    assert names.champion_of("a-retrain-b", names.retraining("a-retrain-b", "12", "f00")) == "12"
