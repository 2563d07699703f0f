"""Each variable that the operator renders for another component's container is a setting which that has."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic_settings import BaseSettings

from driftlead_drift.settings import CheckSettings, CompareSettings, RetrainSettings
from driftlead_formats.settings_source import ConnectedSettings, variable_names
from driftlead_inference.settings import Front, LogMode, WhenFull
from driftlead_inference.settings import Settings as ServeSettings
from driftlead_operator.decisions.facts import Defaults, Facts, RegistryFacts
from driftlead_operator.decisions.render import manifests, pod_template
from driftlead_operator.decisions.spec import parse

ROOT = Path(__file__).resolve().parents[2]
RESOURCE = """
apiVersion: driftlead.dev/v1alpha1
kind: ModelDeployment
metadata: {name: demo, namespace: models, uid: u}
spec:
  model: Flights
  prod: {stage: Production}
  canary: {stage: Staging}
  drift:
    {schedule: "0 * * * *", window: 1h, period: none, rule: psi, q: "0.05", tau: "0.2", persistence: 1,
     assumeIndependent: true}
  inference:
    predictionLog: {redact: [age, home address], probabilities: true}
  retraining: {trigger: OnDrift, function: "a:b", parameters: {months: "1"}}
"""
# Read by the libraries themselves, or by the user's own function.
ELSEWHERE = ("MLFLOW_", "DRIFTLEAD_PARAM_")


def variables(settings: type[BaseSettings]) -> set[str]:
    """Every name under which a setting is read from the environment."""
    return {name for field in settings.model_fields for name in variable_names(settings, field)}


def spec_schema() -> dict[str, Any]:
    """The schema of `spec` as the API server has it."""
    crd = yaml.safe_load((ROOT / "crds/modeldeployments.driftlead.dev.yaml").read_text())
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema["properties"]["spec"]  # type: ignore[no-any-return]


def containers() -> dict[str, dict[str, Any]]:
    defaults = Defaults(cluster="c", inference_image="i", drift_image="d", train_image="t")
    facts = Facts(
        resource=yaml.safe_load(RESOURCE),
        registry=RegistryFacts(name="default", tracking_uri="http://mlflow"),
        defaults=defaults,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    spec, faults = parse(facts.resource)
    assert spec is not None, faults
    assert spec.drift is not None
    assert spec.retraining is not None
    context = pod_template.Context.of(facts, spec)
    cronjob = manifests.drift_cronjob(context, spec.drift, version="3")
    job = manifests.retrain_job(context, spec.retraining, name="j", champion="3", report="r")
    judge = manifests.judge(context, canary="4")
    return {
        "serve": pod_template.serving(context, "prod", "3")["spec"]["containers"][0],
        "compare": judge["spec"]["template"]["spec"]["containers"][0],
        "check": cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0],
        "retrain": job["spec"]["template"]["spec"]["containers"][0],
    }


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("serve", ServeSettings),
        ("check", CheckSettings),
        ("retrain", RetrainSettings),
        ("compare", CompareSettings),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_every_variable_that_the_operator_sets_is_a_setting_of_the_command_it_starts(
    command: str, settings: type[BaseSettings]
) -> None:
    container = containers()[command]
    assert container["args"][0] == command
    rendered = {each["name"] for each in container["env"] if not each["name"].startswith(ELSEWHERE)}
    assert rendered - {"DRIFTLEAD_CONNECTIONS_DIR"}, "nothing was rendered"
    assert rendered - variables(settings) <= {"DRIFTLEAD_CONNECTIONS_DIR"}


def test_no_rendered_value_is_refused_by_the_server_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in containers()["serve"]["env"]:
        monkeypatch.setenv(each["name"], each.get("value", "pod"))
    settings = ServeSettings()
    assert settings.model == "models:/Flights/3"
    assert settings.deployment == "prod"
    assert settings.log_probabilities


def test_no_rendered_value_is_refused_by_the_check_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in containers()["check"]["env"]:
        monkeypatch.setenv(each["name"], each.get("value", "pod"))
    settings = CheckSettings(model="models:/Flights/3")
    assert (settings.rule, settings.q, settings.tau, settings.persistence) == ("psi", 0.05, 0.2, 1)
    assert settings.assume_independent


def test_the_check_is_told_what_the_servers_do_not_log() -> None:
    told = {
        command: {each["name"]: each.get("value") for each in container["env"]}
        for command, container in containers().items()
    }
    assert told["serve"]["DRIFTLEAD_LOG_REDACT"] == "age,home address"
    assert told["check"]["DRIFTLEAD_LOG_REDACT"] == told["serve"]["DRIFTLEAD_LOG_REDACT"]


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("drift.rule", get_args(CheckSettings.model_fields["rule"].annotation)),
        ("inference.front", tuple(Front)),
        ("inference.predictionLog.mode", tuple(LogMode)),
        ("inference.predictionLog.whenFull", tuple(WhenFull)),
    ],
)
def test_the_api_offers_what_the_component_behind_it_knows(field: str, known: tuple[str, ...]) -> None:
    schema = spec_schema()
    for name in field.split("."):
        schema = schema["properties"][name]
    assert set(schema["enum"]) == set(known)


@pytest.mark.parametrize("settings", [ServeSettings, CheckSettings], ids=["inference", "drift"])
@pytest.mark.parametrize("by", ["flag", "variable"])
def test_flag_or_variable_names_the_folder_of_connections(
    settings: type[ConnectedSettings], by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "DRIFTLEAD_RESOURCE").write_text("file\n")
    (tmp_path / "MLFLOW_TRACKING_URI").write_text("http://file")
    (tmp_path / "DRIFTLEAD_CLUSTER").write_text("file")
    (tmp_path / "DRIFTLEAD_NAMESPACE").write_text("")
    (tmp_path / "DRIFTLEAD_LOG_REDACT").write_text("age, home address,,")
    monkeypatch.setenv("DRIFTLEAD_CLUSTER", "environment")
    monkeypatch.setenv("DRIFTLEAD_RESOURCE", "")
    flags = {"model": "models:/A/1"}
    if by == "flag":
        flags["connections_dir"] = str(tmp_path)
    else:
        monkeypatch.setenv("DRIFTLEAD_CONNECTIONS_DIR", str(tmp_path))
    read = settings(**flags).model_dump()
    assert read["connections_dir"] == tmp_path
    assert (read["resource"], read["tracking_uri"]) == ("file", "http://file")
    assert (read["cluster"], read["namespace"]) == ("environment", "")
    assert read["log_redact"] == ("age", "home address")
