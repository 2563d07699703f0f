"""What `kubectl driftlead lint` says of manifests, without a cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from driftlead_cli.errors import Refused
from driftlead_cli.lint import UNTRANSLATED, lint

ROOT = Path(__file__).resolve().parents[2]
PROD = {"stage": "Production"}
OFFER = {"canary": {"stage": "Staging"}}
RETRAIN = {"function": "train:train"}
DRIFT = {"schedule": "@hourly"}


def manifest(name: str = "demo", **spec: Any) -> str:
    body = {"model": "M", "prod": PROD, **spec}
    head = {"apiVersion": "driftlead.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": name}}
    return yaml.safe_dump({**head, "spec": {key: value for key, value in body.items() if value is not None}})


GOOD = {
    "the least": {},
    "everything on": {**OFFER, "drift": DRIFT, "retraining": RETRAIN, "suspend": True},
    "a pin beside a stage": {"prod": {**PROD, "version": "3", "replicas": 0}},
    "a pin alone": {"prod": {"version": "12"}},
    "autoscaling": {"prod": {**PROD, "autoscaling": {"minReplicas": 2, "maxReplicas": 2}}},
    "retraining that never starts": {"retraining": {**RETRAIN, "trigger": "Never"}},
    "opaque parts": {"inference": {"overlay": {"affinity": {"a": 1}, "volumes": [{"name": "v", "nfs": {}}]}}},
    "quantities": {"inference": {"resources": {"limits": {"cpu": 2, "memory": "1.5Gi"}}}},
    "a sparse schedule": {"drift": {"schedule": "*/15 0-6 1,15 JAN-JUN mon"}},
}

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "both": ({"prod": {**PROD, "alias": "a"}}, "spec.prod", "name prod by stage or by alias, not by both"),
    "neither": ({"prod": {}}, "spec.prod", "prod needs a stage (Production), an alias, or a version"),
    "no model": ({"model": None}, "spec", "'model' is a required property"),
    "version abc": (
        {"prod": {"version": "abc"}},
        "spec.prod.version",
        "a string of digits as the registry numbers",
    ),
    "version 3": ({"prod": {"version": 3}}, "spec.prod.version", "3 is not of type 'string'"),
    "a typing error": ({"prod": {**PROD, "replica": 2}}, "spec.prod.replica", "did you mean replicas?"),
    "a stranger": ({"zzz": 1}, "spec.zzz", "known here: model, registry"),
    "text": ({"prod": {**PROD, "replicas": "two"}}, "spec.prod.replicas", "'two' is not of type 'integer'"),
    "too many": (
        {"prod": {**PROD, "replicas": 1001}},
        "spec.prod.replicas",
        "1001 is greater than the maximum of 1000",
    ),
    "stage": ({"prod": {"stage": "Prod"}}, "spec.prod.stage", "'Prod' is not one of ['Production'"),
    "cron": ({"drift": {"schedule": "hourly"}}, "spec.drift.schedule", "a schedule has five cron fields"),
    "window": ({"drift": {**DRIFT, "window": "1 day"}}, "spec.drift.window", "'1 day' does not match"),
    "no drift": (
        {**OFFER, "retraining": RETRAIN},
        "spec",
        "retraining with trigger OnDrift needs spec.drift",
    ),
    "no canary": (
        {"drift": DRIFT, "retraining": RETRAIN},
        "spec",
        "needs spec.canary with a stage or an alias",
    ),
    "a canary by pin": (
        {"drift": DRIFT, "retraining": RETRAIN, "canary": {"version": "4"}},
        "spec",
        "needs spec.canary with a stage or an alias",
    ),
    "autoscaling": (
        {"prod": {**PROD, "autoscaling": {"minReplicas": 3, "maxReplicas": 2}}},
        "spec.prod.autoscaling",
        UNTRANSLATED,
    ),
    "autoscaling of nothing": (
        {"prod": {**PROD, "autoscaling": {}}},
        "spec.prod.autoscaling",
        "'maxReplicas' is a required property",
    ),
    "a minute that is none": (
        {"drift": {"schedule": "61 * * * *"}},
        "spec",
        "spec.drift.schedule '61 * * * *' is not a cron schedule: '61' is not a minute from 0 to 59",
    ),
    "the operator's variable": (
        {"inference": {"overlay": {"env": [{"name": "DRIFTLEAD_MODEL", "value": "x"}]}}},
        "spec.inference.overlay.env[0]",
        "the operator sets this variable itself",
    ),
    "the operator's label": (
        {"inference": {"overlay": {"labels": {"app.kubernetes.io/name": "x"}}}},
        "spec.inference.overlay.labels",
        "are reserved for the operator and Kubernetes",
    ),
    "the operator's volume": (
        {"inference": {"overlay": {"volumes": [{"name": "tmp"}]}}},
        "spec.inference.overlay.volumes[0]",
        "use another name",
    ),
    "a parameter": (
        {"drift": DRIFT, **OFFER, "retraining": {**RETRAIN, "parameters": {"a-b": "1"}}},
        "spec.retraining.parameters",
        "names of parameters contain only letters",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_the_api_server_takes_has_no_problem(case: str) -> None:
    assert lint(manifest(**GOOD[case])) == (1, [])


@pytest.mark.parametrize("case", BAD)
def test_what_the_api_server_refuses_has_a_sentence_at_its_place(case: str) -> None:
    spec, path, words = BAD[case]
    ours, problems = lint(manifest(**spec))
    assert ours == 1
    assert [problem.path for problem in problems if words in problem.message] == [path], problems


@pytest.mark.parametrize("name", ["Demo", "3d", "a" * 37, "a-", "a_b"])
def test_a_name_from_which_no_service_can_be_named_is_a_problem(name: str) -> None:
    _, problems = lint(manifest(name))
    assert ["the name must begin with a letter" in each.message for each in problems] == [True]


def test_each_document_is_judged_and_foreign_ones_are_left_alone() -> None:
    text = "---\n".join([manifest(), "kind: Service\napiVersion: v1\n", "", manifest(zzz=1), "- a list\n"])
    ours, problems = lint(text)
    assert ours == 2
    assert [str(each).split(":")[0] for each in problems] == ["document 3, spec.zzz"]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"apiVersion": "driftlead.dev/v1"}, "'driftlead.dev/v1alpha1' was expected"),
        ({"kind": "Modeldeployment"}, "'ModelDeployment' was expected"),
        ({"metadata": {}}, "'name' is a required property"),
        ({"spec": []}, "[] is not of type 'object'"),
        ({"spec": None}, "None is not of type 'object'"),
    ],
)
def test_a_wrong_head_is_a_problem_and_no_traceback(head: dict[str, Any], words: str) -> None:
    _, problems = lint(yaml.safe_dump({**yaml.safe_load(manifest()), **head}))
    assert any(words in each.message for each in problems), problems


def test_what_is_no_yaml_is_refused_with_the_place() -> None:
    with pytest.raises(Refused, match=r"the file is not valid YAML: (.|\n)*line 1"):
        lint("a: [")


@pytest.mark.parametrize("example", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_example_of_the_repository_is_clean(example: Path) -> None:
    _, problems = lint(example.read_text())
    assert problems == []
