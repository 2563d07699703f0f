"""Whatever the API can hold or a file can say, the command line answers with text and never falls."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from driftlead_cli import render
from driftlead_cli.errors import Refused
from driftlead_cli.facts import Family
from driftlead_cli.lint import lint
from driftlead_cli.promote import curl, refuse_without_target, wanted_version
from driftlead_cli.why import why

ROOT = Path(__file__).resolve().parents[2]
CRD = yaml.safe_load((ROOT / "crds/modeldeployments.driftlead.dev.yaml").read_text())
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MOMENTS = st.sampled_from(["2026-11-24T11:00:00Z", "2026-11-25T00:00:00Z", "1970-01-01T00:00:00Z"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Any value that a structural schema takes; fields that are not required may be missing."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        required = set(schema.get("required", []))
        fields = {name: values(each) for name, each in schema["properties"].items()}
        must = {name: each for name, each in fields.items() if name in required}
        may = {name: each for name, each in fields.items() if name not in required}
        return st.fixed_dictionaries(must, optional=may)
    if kind == "array":
        return st.lists(values(schema["items"]), max_size=3)
    if kind == "integer":
        return st.integers(schema.get("minimum", -3), schema.get("maximum", 2**31))
    if kind == "boolean":
        return st.booleans()
    return MOMENTS if schema.get("format") == "date-time" else st.text(max_size=12)


CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["Ready", "Available", "Stalled", "Reconciling", "DriftDetected", "CanaryHealthy", "Other"]
            ),
            "status": st.sampled_from(["True", "False", "Unknown"]),
            "reason": st.text(max_size=8),
            "message": st.text(max_size=20),
            "lastTransitionTime": MOMENTS,
        }
    ),
    max_size=5,
)


@FEW
@given(status=values(SCHEMA["status"]), conditions=CONDITIONS, spec=st.sampled_from([{}, {"suspend": True}]))
def test_any_status_that_the_api_can_hold_is_drawn_and_explained(
    status: dict[str, Any], conditions: list[dict[str, Any]], spec: dict[str, Any]
) -> None:
    resource = {
        "metadata": {"name": "demo", "namespace": "ml", "generation": 2},
        "spec": {"model": "M", "prod": {"stage": "Production"}, "canary": {}, "drift": {}, **spec},
        "status": {**status, "conditions": conditions},
    }
    console = Console(width=120)
    with console.capture() as capture:
        console.print(render.overview(Family(resource=resource, now=NOW)))
        console.print(render.findings(why(Family(resource=resource, now=NOW))))
    assert "demo" in capture.get()
    assert not set(capture.get()) & set("\x00\x07\x08\x0b")


@FEW
@given(status=values(SCHEMA["status"]), version=st.none() | st.text(max_size=5))
def test_any_promotion_is_a_command_or_a_sentence(status: dict[str, Any], version: str | None) -> None:
    resource = {
        "metadata": {"name": "demo", "namespace": "ml"},
        "spec": {"model": "M'$(x)", "prod": {"alias": "a"}},
        "status": status,
    }
    try:
        refuse_without_target(resource)
        assert "registered-models/alias" in curl(resource, wanted_version(resource, version))
    except Refused as refusal:
        assert "demo" in str(refusal) or "is not a version" in str(refusal)


@FEW
@given(spec=ANYTHING | values(SCHEMA["spec"]))
def test_any_spec_is_judged_with_sentences(spec: Any) -> None:
    head = {"apiVersion": "driftlead.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "demo"}}
    ours, problems = lint(yaml.safe_dump({**head, "spec": spec}))
    assert ours == 1
    assert all(problem.message for problem in problems)


@FEW
@given(text=st.text(max_size=60) | ANYTHING.map(yaml.safe_dump))
def test_any_text_is_judged_or_refused(text: str) -> None:
    try:
        lint(text)
    except Refused as refusal:
        assert str(refusal).startswith("the file is not valid YAML")
