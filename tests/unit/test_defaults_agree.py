"""A default that stands in several places is the same in all of them.

The resource's schema says it to the API server and to readers, the operator's spec holds it for resources
that were stored without it, and what the operator leaves out is a default of the program that it starts.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from driftlead_drift.settings import CheckSettings, CompareSettings
from driftlead_formats.settings_source import ConnectedSettings, variable_names
from driftlead_inference.settings import Settings as ServeSettings
from driftlead_operator.decisions.spec import Spec
from unit.test_components_agree import containers, spec_schema

# A field of the resource, and the setting by which the operator passes it on.
PASSED_ON: Mapping[str, tuple[type[ConnectedSettings], str]] = {
    "canary.judge.errorMargin": (CompareSettings, "error_margin"),
    "canary.judge.latencyMargin": (CompareSettings, "latency_margin"),
    "canary.judge.qualityMargin": (CompareSettings, "quality_margin"),
    "canary.judge.latencyThresholdMilliseconds": (CompareSettings, "latency_threshold_ms"),
    "canary.judge.maxShift": (CompareSettings, "max_shift"),
    "drift.assumeIndependent": (CheckSettings, "assume_independent"),
    "drift.period": (CheckSettings, "period"),
    "drift.persistence": (CheckSettings, "persistence"),
    "drift.q": (CheckSettings, "q"),
    "drift.rule": (CheckSettings, "rule"),
    "drift.classRatio": (CheckSettings, "class_ratio"),
    "drift.tau": (CheckSettings, "tau"),
    "drift.window": (CheckSettings, "window"),
    "inference.front": (ServeSettings, "front"),
    "inference.predictionLog.mode": (ServeSettings, "log_mode"),
    "inference.predictionLog.probabilities": (ServeSettings, "log_probabilities"),
    "inference.predictionLog.redact": (ServeSettings, "log_redact"),
    "inference.predictionLog.whenFull": (ServeSettings, "spool_full"),
}
# What the operator decides itself: who and where a pod is, and what follows from the size of its volumes and
# from its time to end. Outside of a cluster these have defaults of their own.
OPERATORS_OWN = frozenset(
    "cache_dir canary cluster connections_dir deployment drain_seconds model namespace pod port prod "
    "resource spool_bytes spool_dir stage termination_log tracking_uri".upper().split()
)
STATED = re.compile(r"""(?:^| )"?([\w.]+)"? \(default\)|; ([\w-]+) by default""")


def leaves(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        if "properties" in child:
            yield from leaves(child, here)
        else:
            yield here, child


def in_spec(path: str) -> FieldInfo | None:
    """The operator's field at a path of the resource; None where it passes a whole object through."""
    part: type[BaseModel] = Spec
    *parents, last = path.split(".")
    for name in parents:
        field = by_alias(part, name)
        parts = [each for each in candidates(field) if issubclass(each, BaseModel)]
        if not parts:
            return None
        part = parts[0]
    return by_alias(part, last)


def candidates(field: FieldInfo | None) -> list[type]:
    annotation = field.annotation if field else None
    return [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)]


def by_alias(part: type[BaseModel], alias: str) -> FieldInfo | None:
    return next((field for field in part.model_fields.values() if field.alias == alias), None)


def text(value: Any) -> str:
    """A default as people write it; empty for none, for the API tells apart neither."""
    if value is None or value in ("", (), {}):
        return ""
    shown = str(getattr(value, "value", value))
    return f"{float(shown):g}" if re.fullmatch(r"\d+\.\d+", shown) else shown.lower()


def stated(schema: Mapping[str, Any]) -> str:
    found = STATED.search(" ".join(schema.get("description", "").split()))
    return (found[1] or found[2]) if found else ""


LEAVES = dict(leaves(spec_schema()))


@pytest.mark.parametrize("path", LEAVES)
def test_a_default_is_the_same_wherever_it_stands(path: str) -> None:
    schema = LEAVES[path]
    said = {"the schema": text(schema.get("default")), "its description": text(stated(schema))}
    if (field := in_spec(path)) is not None and not field.is_required():
        said["the operator"] = text(field.get_default(call_default_factory=True))
    if path in PASSED_ON:
        settings, name = PASSED_ON[path]
        said[f"{settings.__name__}.{name}"] = text(settings.model_fields[name].get_default())
    assert len({value for value in said.values() if value}) <= 1, said


def test_the_defaults_that_are_compared_are_those_that_stand_in_several_places() -> None:
    """The comparison above would be quiet about paths that lead nowhere."""
    assert set(PASSED_ON) <= set(LEAVES)
    found = [path for path in LEAVES if in_spec(path) is not None]
    assert len(found) > 40
    assert {stated(LEAVES[path]) for path in LEAVES} >= {"0.005", "async", "120", "true", "10m"}


def test_every_variable_that_the_operator_sets_is_compared_or_is_its_own() -> None:
    compared = {
        variable for settings, name in PASSED_ON.values() for variable in variable_names(settings, name)
    }
    for command in ("serve", "check", "compare"):
        for each in containers()[command]["env"]:
            name = each["name"].removeprefix("DRIFTLEAD_").removeprefix("MLFLOW_")
            assert each["name"] in compared or name in OPERATORS_OWN, each["name"]
