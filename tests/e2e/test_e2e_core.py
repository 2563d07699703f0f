"""What must hold on a real cluster beyond the demo's path: bad input, bad models, restarts, deletion."""

import json
from collections.abc import Iterator

import pytest

from driftlead_formats.exit_codes import ExitCode
from e2e.serving import (
    SOURCE,
    ZEROS,
    apply,
    ask,
    children,
    condition,
    has_condition,
    predict,
    reached,
    resource,
    served,
    starts,
    version_is,
)
from hack.demo.registry import Registry
from hack.demo.shell import eventually, run
from hack.demo.system import System

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def core(registry: Registry, system: System) -> Iterator[str]:
    """A resource of this module that serves version 1 of a model of the same name."""
    options = {"canary": {"stage": "Staging"}, "drift": {"schedule": "0 0 1 1 *"}}
    with served(system, registry, "core", **options) as name:
        eventually(lambda: reached(system, f"{name}-prod"), "prod's Service answers", 20)
        yield name


def test_a_prediction_is_answered_and_its_row_reaches_postgres(core: str, system: System) -> None:
    features = [float(number) for number in range(20)]
    features[11] = None  # type: ignore[call-overload]  # a value that is not known
    answer = predict(system, f"{core}-prod", features)
    assert answer.status == 200, answer.text
    reply = answer.json
    assert (reply["model_name"], reply["model_version"]) == ("core", "1")
    statement = (
        "SELECT model_name, model_version, deployment, prediction, latency_ms > 0, features, ts <= now()"
        f" FROM inference_logs WHERE request_id = '{reply['request_id']}'"
    )
    eventually(lambda: "there" if system.query(statement) else "", "the row is in inference_logs", 30)
    ((model, version, deployment, prediction, took, logged, past),) = system.query(statement)
    assert (model, version, deployment, took, past) == ("core", "1", "prod", "t", "t")
    assert float(prediction) == reply["prediction"]
    assert json.loads(logged) == features


def test_health_and_metrics_say_what_is_served(core: str, system: System) -> None:
    health, metrics = ask(system, (f"http://{core}/health", None), (f"http://{core}/metrics", None))
    assert (health.json["status"], health.json["model_name"], health.json["model_version"]) == (
        "ok",
        core,
        "1",
    )
    assert "driftlead_inference_requests_total{" in metrics.text
    assert "driftlead_inference_request_seconds_bucket{" in metrics.text
    assert "driftlead_inference_model_loads_total{" in metrics.text


BAD = {
    "nothing": "",
    "not JSON": "{",
    "an empty object": "{}",
    "nineteen numbers": json.dumps({"features": ZEROS[1:]}),
    "twenty-one numbers": json.dumps({"features": [*ZEROS, 0]}),
    "text": json.dumps({"features": [*ZEROS[1:], "late"]}),
    "a bare NaN": '{"features": [' + ",".join(["NaN"] * 20) + "]}",
    "a list of lists of nothing": json.dumps({"features": [[]]}),
    "ten megabytes": json.dumps({"features": [0] * 5_000_000}),
}


def test_bad_input_gets_a_sentence_and_the_service_stays_up(core: str, system: System) -> None:
    url = f"http://{core}/predict"
    answers = ask(system, *((url, body) for body in BAD.values()))
    for what, answer in zip(BAD, answers, strict=True):
        assert 400 <= answer.status < 500, (what, answer)
        assert "Traceback" not in answer.text, what
        assert len(answer.text) > 20, (what, answer)
    assert predict(system, core, ZEROS).status == 200
    pods = system.get("pods", "-l", f"driftlead.dev/name={core}")["items"]
    assert all(each["status"]["containerStatuses"][0]["restartCount"] == 0 for each in pods)


def test_a_killed_container_comes_back_with_the_same_version(core: str, system: System) -> None:
    (pod,) = system.get("pods", "-l", f"driftlead.dev/name={core},driftlead.dev/stage=prod")["items"]
    name = pod["metadata"]["name"]
    script = "import os, signal; os.kill(1, signal.SIGTERM)"
    run(*system.kubectl("exec", name, "--", "python3", "-c", script))
    restarted = "jsonpath={.status.containerStatuses[0].restartCount}=1"
    run(*system.kubectl("wait", f"pod/{name}", f"--for={restarted}", "--timeout=120s"))
    run(*system.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=120s"))
    assert predict(system, core, ZEROS).json["model_version"] == "1"


def test_a_model_that_does_not_exist_is_said_so_in_the_registrys_words(system: System, core: str) -> None:
    apply(system, resource("nobody", "NoSuchModel"))
    message = has_condition(system, "nobody", "Ready", "WaitingForModel")
    assert "NoSuchModel" in message
    assert system.status("nobody")["conditions"]
    assert [each for each in children(system, "nobody") if each.startswith("deployment")] == []
    assert predict(system, core, ZEROS).status == 200
    run(*system.kubectl("delete", "modeldeployment", "nobody"))


BREAK = """
import os, sys, tempfile, pathlib
import flights, mlflow, models
rows = flights.load([2])
model = models.new("logistic").fit(rows[flights.FEATURES], rows["late"])
with mlflow.start_run():
    kind = {"serialization_format": "pickle", "registered_model_name": sys.argv[1]}
    info = mlflow.sklearn.log_model(model, name="broken", **kind)
broken = pathlib.Path(tempfile.mkdtemp()) / "model.pkl"
broken.write_bytes(b"this is not a pickle")
mlflow.MlflowClient().log_model_artifact(info.model_id, str(broken))
print("registered", info.registered_model_version)
"""


def test_a_broken_version_is_rejected_with_the_loaders_words_and_prod_keeps_serving(
    core: str, system: System, registry: Registry
) -> None:
    before = starts(system, core)
    output = run(*system.client("python", "-c", BREAK, core))
    broken = output.rsplit("registered ", 1)[1].strip()
    registry.transition(broken, "Production", core)
    message = has_condition(system, core, "Ready", "VersionRejected", 180)
    assert broken in message
    status = system.status(core)
    assert condition(status, "Available")["status"] == "True"
    assert status["prod"]["lastFailure"]["version"] == broken
    assert status["prod"]["lastFailure"]["exitCode"] == ExitCode.LOAD_FAILED
    assert "UnpicklingError" in status["prod"]["lastFailure"]["message"]
    assert predict(system, core, ZEROS).json["model_version"] == "1"
    assert before.items() <= starts(system, core).items(), "the pods that served were replaced"
    registry.transition("1", "Production", core)
    has_condition(system, core, "Ready", "Serving")
    assert starts(system, core) == before, "the way back started a pod again"
    registry.transition(broken, "Production", core)
    has_condition(system, core, "Ready", "VersionRejected")
    good = registry.copy("2", core, SOURCE)
    registry.transition(good, "Production", core)
    version_is(system, core, "prod", good)


def test_the_drift_job_without_postgres_says_so_and_exits_1(system: System) -> None:
    command = ["env", "DRIFTLEAD_POSTGRES_DSN=postgresql://driftlead@127.0.0.1:1/driftlead"]
    check = ["driftlead-drift", "check", "--model", f"models:/{SOURCE}/1", "--deployment", "prod"]
    script = f"{' '.join([*command, *check])} 2>&1; echo exit $?"
    output = run(*system.client("sh", "-c", script))
    assert output.strip().endswith("exit 1"), output
    assert "Traceback" not in output
    assert "127.0.0.1" in output or "refused" in output.lower()


def test_a_wrong_flag_of_the_drift_job_never_looks_like_drift(system: System) -> None:
    output = run(*system.client("sh", "-c", "driftlead-drift check --no-such-flag 2>&1; echo exit $?"))
    assert output.strip().endswith("exit 1"), output


@pytest.mark.parametrize("operator", ["running", "stopped"])
def test_deleting_the_resource_removes_every_child(operator: str, registry: Registry, system: System) -> None:
    name = f"gone-{operator}"
    registry.copy("1", name, SOURCE)
    registry.transition("1", "Production", name)
    apply(system, resource(name, name, canary={"stage": "Staging"}, drift={"schedule": "0 0 1 1 *"}))
    run(*system.kubectl("wait", f"modeldeployment/{name}", "--for=condition=Ready", "--timeout=180s"))
    kinds = {each.split("/")[0].split(".")[0] for each in children(system, name)}
    assert {"deployment", "service", "cronjob", "replicaset", "pod"} <= kinds
    deployment = f"deployment/{system.release}-operator"
    if operator == "stopped":
        run(*system.kubectl("scale", deployment, "--replicas=0"))
        labels = "app.kubernetes.io/component=operator"
        run(*system.kubectl("wait", "pod", "-l", labels, "--for=delete", "--timeout=60s"))
    try:
        run(*system.kubectl("delete", "modeldeployment", name, "--timeout=30s"))
        eventually(
            lambda: "none" if not children(system, name) else "",
            f"no child of {name} is left: {children(system, name)}",
            180,
        )
    finally:
        run(*system.kubectl("scale", deployment, "--replicas=1"))
        run(*system.kubectl("rollout", "status", deployment, "--timeout=120s"))


def test_the_installation_tests_itself(system: System) -> None:
    run("helm", "test", system.release, "--namespace", system.namespace, "--timeout", "6m", "--logs")
