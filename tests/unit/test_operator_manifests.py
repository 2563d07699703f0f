"""The children as they are rendered: valid for Kubernetes, restricted, and the same each time."""

from typing import Any

import kubernetes_validate
import pytest
from pydantic_settings import BaseSettings

from driftlead_drift.settings import CheckSettings, CompareSettings, RetrainSettings
from driftlead_formats.exit_codes import ExitCode
from driftlead_formats.settings_source import variable_names
from driftlead_inference import settings as inference_settings
from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Defaults, Manifest, Ref
from driftlead_operator.decisions.plan import plan
from driftlead_operator.decisions.render import manifests, pod_template
from unit.operator_world import World

OVERLAY = {
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "env": [{"name": "MINE", "value": "1"}],
    "labels": {"team": "a", "app.kubernetes.io/name": "theft"},
    "annotations": {"note": "x"},
    "serviceAccountName": "pods",
    "imagePullSecrets": [{"name": "pull"}],
    "securityContext": {"runAsUser": 1000, "runAsNonRoot": False},
    "affinity": {"nodeAffinity": {}},
    "volumes": [{"name": "more", "emptyDir": {}}],
    "volumeMounts": [{"name": "more", "mountPath": "/more"}],
}
EVERYTHING: dict[str, Any] = {
    "canary": {"stage": "Staging", "judge": {"errorMargin": "0.01", "maxShift": "0.3"}},
    "prod": {"stage": "Production", "autoscaling": {"maxReplicas": 4}, "logAs": "legacy"},
    "inference": {
        "image": "mine:1",
        "resources": {"requests": {"cpu": "1"}},
        "predictionLog": {"mode": "durable", "spoolSize": "1Gi", "whenFull": "refuse"},
        "front": "asgi",
        "terminationGracePeriodSeconds": 60,
        "overlay": OVERLAY,
    },
    "drift": {"schedule": "@hourly", "persistence": 3, "q": "0.02", "rule": "psi", "assumeIndependent": True},
    "retraining": {"function": "train:train", "parameters": {"MONTHS": "5"}, "image": "trainer"},
}


def rendered(**spec: Any) -> dict[Ref, Manifest]:
    world = World(**spec)
    world.register("3", stage="Production")
    world.register("4", stage="Staging")
    world.settle()
    if world.resource["spec"].get("retraining"):
        world.drift_run("drift", report="r1", version="3")
        world.reconcile()
    return world.applied


def server(child: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = child["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container["env"]}


@pytest.mark.parametrize("spec", [{}, EVERYTHING], ids=["minimal", "everything"])
def test_each_child_is_valid_for_kubernetes_to_the_last_field(spec: dict[str, Any]) -> None:
    children = rendered(**spec)
    assert len(children) >= 6
    for child in children.values():
        kubernetes_validate.validate(child, "1.35", strict=True)


def test_everything_has_every_kind_of_child() -> None:
    assert {ref.kind for ref in rendered(**EVERYTHING)} == {
        "Deployment",
        "Service",
        "CronJob",
        "Job",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    }


def test_every_child_is_owned_labelled_and_among_the_names_that_could_be_ours() -> None:
    world = World(**EVERYTHING)
    for ref, child in rendered(**EVERYTHING).items():
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == ("cr-1", True)
        assert objects.labels(child)["app.kubernetes.io/managed-by"] == "driftlead-operator"
        assert "driftlead.dev/version" not in str(child["spec"].get("selector", ""))
        assert ref.kind == "Job" or ref in manifests.child_refs(world.resource)


def test_a_pod_of_a_stage_is_restricted_and_gets_no_token() -> None:
    pod = rendered()[Ref("Deployment", "demo-prod")]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_pod_serves_one_exact_version_that_its_labels_name() -> None:
    child = rendered()[Ref("Deployment", "demo-prod")]
    assert environment(server(child))["DRIFTLEAD_MODEL"] == "models:/Flights/3"
    assert child["spec"]["template"]["metadata"]["labels"]["driftlead.dev/version"] == "3"


def test_what_people_set_reaches_the_pod() -> None:
    child = rendered(**EVERYTHING)[Ref("Deployment", "demo-prod")]
    variables = environment(server(child))
    assert variables["DRIFTLEAD_DEPLOYMENT"] == "legacy"
    assert (variables["DRIFTLEAD_LOG_MODE"], variables["DRIFTLEAD_SPOOL_FULL"]) == ("durable", "refuse")
    assert (variables["DRIFTLEAD_SPOOL_BYTES"], variables["DRIFTLEAD_FRONT"]) == (str(1024**3), "asgi")
    assert (variables["DRIFTLEAD_DRAIN_SECONDS"], variables["MINE"]) == ("50", "1")
    assert server(child)["image"] == "mine:1"


def test_the_spool_fits_into_its_volume_with_room_for_the_model() -> None:
    pod = rendered()[Ref("Deployment", "demo-prod")]["spec"]["template"]["spec"]
    (work,) = [each for each in pod["volumes"] if each["name"] == "work"]
    spool = int(environment(pod["containers"][0])["DRIFTLEAD_SPOOL_BYTES"])
    assert int(work["emptyDir"]["sizeLimit"]) >= spool + 1024**3


def test_the_overlay_never_overrules_what_is_ours() -> None:
    template = rendered(**EVERYTHING)[Ref("Deployment", "demo-prod")]["spec"]["template"]
    assert template["metadata"]["labels"]["app.kubernetes.io/name"] == "driftlead-model"
    assert template["metadata"]["labels"]["team"] == "a"
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert template["spec"]["securityContext"]["runAsUser"] == 1000
    (spread,) = template["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"]["driftlead.dev/stage"] == "prod"


def test_pods_ask_for_something_where_spec_says_nothing_so_that_a_quota_can_count_them() -> None:
    retraining = {"function": "train:train"}
    asking = 0
    for ref, child in rendered(drift={"schedule": "@hourly"}, retraining=retraining).items():
        pod = child["spec"].get("jobTemplate", child)["spec"].get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            limits = {"memory": "2Gi"} if ref.kind == "CronJob" else None
            assert container["resources"].get("limits") == limits, ref
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}, ref
            asking += 1
    assert asking == 5, "prod, canary, its judge, check, retraining"


def test_the_stable_service_sends_to_prod_alone() -> None:
    stable = rendered()[Ref("Service", "demo")]
    assert stable["spec"]["selector"] == {"driftlead.dev/name": "demo", "driftlead.dev/stage": "prod"}
    assert [each["port"] for each in stable["spec"]["ports"]] == [80, 8000]
    assert stable["spec"]["ports"][0]["name"] == "http"


def test_a_budget_stands_only_where_more_than_one_pod_may_serve() -> None:
    children = rendered()
    assert Ref("PodDisruptionBudget", "demo-prod") in children
    assert Ref("PodDisruptionBudget", "demo-canary") not in children


def test_the_check_judges_the_version_that_serves_and_never_turns_red_over_drift() -> None:
    child = rendered(drift={"schedule": "@hourly", "period": "none"})[Ref("CronJob", "demo-drift")]
    container = child["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    wanted = ["check", "--model", "models:/Flights/3", "--deployment", "prod", "--exit-zero"]
    assert container["args"] == wanted
    assert environment(container)["DRIFTLEAD_PERIOD"] == "none"
    assert (child["spec"]["concurrencyPolicy"], child["spec"]["suspend"]) == ("Forbid", False)


def test_the_check_reads_the_rows_that_prod_logs_as() -> None:
    child = rendered(**EVERYTHING)[Ref("CronJob", "demo-drift")]
    args = child["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--deployment") + 1] == "legacy"


def test_each_variable_of_the_drift_jobs_is_one_that_they_read() -> None:
    known = {
        name
        for settings in (CheckSettings, CompareSettings, RetrainSettings)
        for field in settings.model_fields
        for name in variable_names(settings, field)
    }
    for ref, child in rendered(**EVERYTHING).items():
        if ref.kind in ("CronJob", "Job") or ref.name == "demo-judge":
            pod = child["spec"].get("jobTemplate", child)["spec"]["template"]["spec"]
            names = {
                name for name in environment(pod["containers"][0]) if not name.startswith("DRIFTLEAD_PARAM_")
            }
            assert names <= known, names - known


def test_each_variable_of_a_serving_pod_is_one_that_it_reads() -> None:
    known = {
        name
        for settings in vars(inference_settings).values()
        if isinstance(settings, type) and issubclass(settings, BaseSettings)
        for field in settings.model_fields
        for name in variable_names(settings, field)
    }
    variables = environment(server(rendered()[Ref("Deployment", "demo-prod")]))
    assert set(variables) <= known, set(variables) - known


def test_a_template_holds_no_clock_and_no_chance() -> None:
    world = World(**EVERYTHING)
    world.register("3", stage="Production")
    assert plan(world.facts()).apply == plan(world.facts()).apply


def test_a_very_large_template_is_not_kept_in_an_annotation() -> None:
    env = [{"name": f"V{each}", "value": "x" * 4000} for each in range(20)]
    child = rendered(inference={"overlay": {"env": env}})[Ref("Deployment", "demo-prod")]
    assert names.TEMPLATE not in objects.annotations(child)


def test_only_codes_from_three_to_nine_blame_a_model() -> None:
    assert {code for code in ExitCode if 3 <= code <= 9} == {3, 4, 5, 6}


def test_the_context_names_model_and_version() -> None:
    world = World()
    parsed = pod_template.Context(
        name="demo",
        namespace="shop",
        uid="u",
        spec=pod_template.Spec.model_validate(world.resource["spec"]),
        defaults=Defaults(cluster="c", inference_image="i", drift_image="d", train_image="t"),
        tracking_uri="http://mlflow",
        now=world.now,
    )
    assert (parsed.model_uri("3"), parsed.model_uri(None)) == ("models:/Flights/3", "Flights")
