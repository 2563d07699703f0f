"""How a stage moves: forward, back, over a failed version, and never by an accident of its surroundings."""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from driftlead_formats.exit_codes import ExitCode
from driftlead_operator.decisions import objects, spec
from driftlead_operator.decisions.facts import Ref
from driftlead_operator.decisions.plan import plan
from driftlead_operator.decisions.render import pod_template
from driftlead_operator.decisions.stage import rollout
from unit.operator_world import World, crashed, writes

PROD = Ref("Deployment", "demo-prod")


@pytest.fixture
def world() -> World:
    """Version 1 serves as prod on two pods."""
    world = World()
    world.register("1", stage="Production")
    world.settle()
    return world


def only_pod(world: World, stage: str = "prod") -> dict[str, Any]:
    """A pod of the newest template that is not ready."""
    pods = [pod for pod in world.pods.values() if objects.labels(pod).get("driftlead.dev/stage") == stage]
    return next(pod for pod in pods if objects.condition(pod, "Ready").get("status") != "True")


def start(world: World, number: str, ail: Callable[[dict[str, Any]], None]) -> None:
    """Version `number` goes to Production and its first pod ails."""
    world.register(number, stage="Production")
    world.reconcile()
    for ref, deployment in list(world.children.items()):
        if ref.kind == "Deployment":
            world._deployment(deployment)
    ail(only_pod(world))
    world.reconcile()


def test_ready_is_never_said_before_every_counted_pod_answered() -> None:
    world = World()
    world.register("1", stage="Production")
    seen = []
    for _ in range(6):
        world.reconcile()
        seen.append((world.ready()[0], len(world.serving("prod"))))
        world.step()
    assert all(status == "False" for status, count in seen if count < 2)
    assert seen[-1] == ("True", 2)


def test_while_it_rolls_prod_never_has_fewer_pods_and_status_says_from_what_to_what(world: World) -> None:
    world.register("2", stage="Production")
    displays = set()
    for _ in range(8):
        world.reconcile()
        assert len(world.serving("prod")) >= 2
        displays.add(world.status["prod"]["display"])
        world.step()
    assert displays == {"1>2", "2"}
    assert world.status["prod"]["version"] == "2"


def test_changing_only_the_source_of_the_same_version_touches_no_pod(world: World) -> None:
    world.patch(prod__version="1")
    made = world.reconcile()
    assert made.apply == ()
    assert world.status["prod"]["target"]["source"] == "pin"
    world.alias("1", "champion")
    world.patch(prod__version=None, prod__stage=None, prod__alias="champion")
    assert world.reconcile().apply == ()


def test_a_condemned_version_is_given_up_with_the_loaders_words_and_nothing_restarts(world: World) -> None:
    names = set(world.pods)
    world.register("2", stage="Production", exit_code=4)
    world.settle()
    assert set(world.pods) == names
    assert world.ready() == ("False", "VersionRejected")
    assert (world.condition("Available")["status"], world.condition("Stalled")["status"]) == ("True", "True")
    failure = world.status["prod"]["lastFailure"]
    assert (failure["version"], failure["reason"], failure["exitCode"]) == ("2", "SmokeFailed", 4)
    assert failure["message"] == "version 2 fell over"
    assert "version 2 fell over" in world.condition("Ready")["message"]
    assert world.status["prod"]["loadState"] == "FailedToLoad"
    assert world.status["history"][0]["by"] == "operator"
    assert sum("VersionRejected" in each for each in world.events) == 1


def test_a_newer_version_supersedes_a_rejected_one_at_once(world: World) -> None:
    world.register("2", stage="Production", exit_code=3)
    world.settle()
    world.register("3", stage="Production")
    world.settle()
    assert world.serving("prod") == ["3", "3"] and world.ready()[0] == "True"
    assert "rejected" not in world.status["prod"]


def test_a_newer_version_supersedes_a_half_rolled_one(world: World) -> None:
    world.register("2", stage="Production")
    world.reconcile()
    world.step()
    world.register("3", stage="Production")
    world.settle()
    assert world.serving("prod") == ["3", "3"]


def test_a_broken_prod_never_blocks_a_fix() -> None:
    world = World()
    world.register("1", stage="Production", exit_code=3)
    world.settle()
    assert world.ready() == ("False", "VersionRejected") and world.serving("prod") == []
    assert world.child(*PROD)["spec"]["replicas"] == 0  # given up, not tried again and again
    world.register("2", stage="Production")
    world.settle()
    assert world.serving("prod") == ["2", "2"]


@pytest.mark.parametrize("change", ["annotation", "spec", "target"])
def test_a_rejected_version_is_tried_again_only_when_something_changed(world: World, change: str) -> None:
    world.register("2", stage="Production", exit_code=3)
    world.settle()
    world.versions["2"].exit_code = 0
    world.now += timedelta(hours=5)
    world.settle()
    assert world.serving("prod") == ["1", "1"]
    if change == "annotation":
        world.annotate(requestedAt="2026-11-24T13:00:00Z")
    elif change == "spec":
        world.patch(inference__resources={"limits": {"memory": "2Gi"}})
    else:
        world.transition("1", "Production")
        world.settle()
        world.transition("2", "Production")
    world.settle()
    assert world.serving("prod") == ["2", "2"] and world.ready()[0] == "True"


@pytest.mark.parametrize("change", ["annotation", "spec", "target"])
@pytest.mark.parametrize("served_before", [True, False])
def test_pods_of_the_try_before_do_not_end_the_next_one(change: str, served_before: bool) -> None:
    world = World()
    if served_before:
        world.register("1", stage="Production")
        world.settle()
    world.register("2", stage="Production", exit_code=3)
    world.reconcile()
    while world.ready() != ("False", "VersionRejected"):
        world.step()
        world.reconcile()
    world.versions["2"].exit_code = 0  # mended at once, while the pods that failed are still there
    if change == "annotation":
        world.annotate(requestedAt="again")
    elif change == "spec":
        world.patch(prod__replicas=3)
    else:
        world.register("3", stage="Production")
        world.reconcile()
        world.transition("2", "Production")
    world.reconcile()
    assert "2" in {each["metadata"]["labels"]["driftlead.dev/version"] for each in world.pods.values()}
    world.settle()
    assert set(world.serving("prod")) == {"2"} and world.ready() == ("True", "Serving")
    assert world.status.get("handled", {}) == ({"requestedAt": "again"} if change == "annotation" else {})


def test_another_try_that_was_asked_for_is_echoed_and_heard_once(world: World) -> None:
    world.register("2", stage="Production", exit_code=3)
    world.settle()
    world.annotate(requestedAt="again")
    world.settle()
    assert world.status["handled"]["requestedAt"] == "again"
    assert world.ready() == ("False", "VersionRejected")
    assert world.serving("prod") == ["1", "1"]


def test_a_version_that_served_is_not_condemned_by_a_later_crash(world: World) -> None:
    pod = next(iter(world.pods.values()))
    pod["status"] = crashed(3, "the cache is corrupted", world.now)
    world.step()
    world.reconcile()
    assert world.ready() == ("False", "Crashing")
    assert "rejected" not in world.status["prod"]


def test_a_bad_image_for_the_same_version_goes_back_to_the_template_that_served(world: World) -> None:
    world.versions["1"].exit_code = 5
    world.patch(inference__image="without-requirements:1")
    names = set(world.pods)
    world.settle()
    assert set(world.pods) == names
    assert world.ready() == ("False", "VersionRejected")
    world.versions["1"].exit_code = 0
    world.patch(inference__image="with-requirements:1")
    world.settle()
    assert world.ready()[0] == "True"


def test_with_status_wiped_the_way_back_is_found_in_the_replica_sets(world: World) -> None:
    world.register("2", stage="Production", exit_code=3)
    world.reconcile()
    world.step()
    world.step()
    world.resource.pop("status")
    world.settle()
    assert world.serving("prod") == ["1", "1"]
    assert world.ready() == ("False", "VersionRejected")
    assert world.writes == []


def waiting(reason: str, message: str = "words") -> Callable[[dict[str, Any]], None]:
    def ail(pod: dict[str, Any]) -> None:
        container = {"name": "server", "state": {"waiting": {"reason": reason, "message": message}}}
        pod["status"] = {"phase": "Pending", "containerStatuses": [container]}

    return ail


def ended(code: int, reason: str = "Error") -> Callable[[dict[str, Any]], None]:
    def ail(pod: dict[str, Any]) -> None:
        pod["status"] = crashed(code, "the words", World().now, reason)

    return ail


def unschedulable(pod: dict[str, Any]) -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: insufficient memory"}
    pod["status"] = {"phase": "Pending", "conditions": [scheduled], "containerStatuses": []}
    pod["status"]["containerStatuses"].append({"name": "server"})


@pytest.mark.parametrize(
    ("ail", "reason", "words"),
    [
        (unschedulable, "Unschedulable", "insufficient memory"),
        (waiting("ImagePullBackOff"), "ImageUnavailable", "image inference:1 of pod"),
        (waiting("ErrImagePull"), "ImageUnavailable", "image inference:1 of pod"),
        (
            waiting("CreateContainerConfigError", "secret x not found"),
            "ContainerConfigError",
            "secret x not found",
        ),
        (ended(10), "PodCannotReachRegistry", "the words"),
        (ended(11), "PodCannotReachArtifacts", "the words"),
        (ended(12), "ConnectionsMissing", "kubectl create secret generic driftlead-connections -n shop"),
        (ended(13), "SpoolUnusable", "the words"),
        (ended(14), "VersionNotFound", "the words"),
        (ended(137, "OOMKilled"), "OutOfMemory", "exit code 137"),
        (ended(1), "Crashing", "exit code 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_trouble_of_the_surroundings_is_named_and_condemns_nothing(
    world: World, ail: Callable[[dict[str, Any]], None], reason: str, words: str
) -> None:
    start(world, "2", ail)
    assert world.ready() == ("False", reason)
    assert words in world.condition("Ready")["message"]
    assert "version 1 goes on serving" in world.condition("Ready")["message"]
    assert world.condition("Reconciling")["status"] == "True"
    assert "rejected" not in world.status["prod"] and world.serving("prod") == ["1", "1"]
    assert sum(each.startswith(reason) for each in world.events) == 1
    only_pod(world)["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    world.settle()
    assert world.serving("prod") == ["2", "2"] and world.ready()[0] == "True"


def test_pods_that_are_refused_are_named(world: World) -> None:
    world.register("2", stage="Production")
    world.reconcile()
    world.child(*PROD)["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods=2"}
    ]
    world.reconcile()
    assert world.ready() == ("False", "PodsRefused")
    assert "exceeded quota" in world.condition("Ready")["message"]


def test_a_rollout_without_progress_says_so_and_a_newer_version_still_passes(world: World) -> None:
    start(
        world, "2", lambda pod: pod.update(status={"phase": "Pending", "containerStatuses": [{"name": "x"}]})
    )
    world.child(*PROD)["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    ]
    world.reconcile()
    assert world.ready() == ("False", "ProgressDeadlineExceeded")
    world.register("3", stage="Production")
    world.settle()
    assert world.serving("prod") == ["3", "3"]


def test_a_target_that_vanishes_changes_nothing_that_serves(world: World) -> None:
    world.versions["1"].stage = "Archived"
    made = world.reconcile()
    assert (made.apply, made.delete) == ((), ())
    assert world.ready() == ("False", "TargetMissing") and world.serving("prod") == ["1", "1"]
    world.model_exists = False
    made = world.reconcile()
    assert (made.apply, made.delete) == ((), ())
    assert world.ready() == ("False", "TargetMissing")


def test_without_any_model_it_waits_without_end_and_without_alarm() -> None:
    world = World(
        drift={"schedule": "@hourly"}, prod={"stage": "Production", "autoscaling": {"maxReplicas": 3}}
    )
    world.settle()
    assert world.ready() == ("False", "WaitingForModel")
    assert world.condition("Reconciling")["status"] == "True" and not world.condition("Stalled")
    assert {ref.kind for ref in world.children} == {"Service", "CronJob"}
    assert world.child("CronJob", "demo-drift")["spec"]["suspend"] is True
    assert world.events == []
    world.register("1", stage="Production")
    world.settle()
    assert world.child("CronJob", "demo-drift")["spec"]["suspend"] is False
    assert {"HorizontalPodAutoscaler", "PodDisruptionBudget"} <= {ref.kind for ref in world.children}


def test_a_pin_to_a_version_that_is_not_there_says_so(world: World) -> None:
    world.patch(prod__version="9")
    world.settle()
    assert world.ready() == ("False", "TargetMissing")
    assert "no version 9 of Flights" in world.condition("Ready")["message"]
    assert world.condition("Reconciling") and not world.condition("Stalled")
    assert world.serving("prod") == ["1", "1"]


def test_a_registry_that_is_unreachable_disturbs_nothing_and_is_mentioned_with_its_time(world: World) -> None:
    world.unreachable_since = world.now
    world.settle()
    assert world.ready()[0] == "True"
    assert "registry default does not answer since 2026-11-24T12:00" in world.condition("Ready")["message"]


def test_a_new_operator_changes_nothing_before_the_registrys_first_answer(world: World) -> None:
    world.answered = False
    world.delete(Ref("Service", "demo"))
    made = world.plan()
    assert not writes(made) and made.retry_after == 10.0


def test_a_registry_that_is_unreachable_when_the_operator_starts_leaves_ready_what_is_ready(
    world: World,
) -> None:
    world.answered, world.unreachable_since = False, world.now
    world.delete(Ref("Service", "demo"))
    world.settle()
    assert world.ready() == ("True", "Serving") and Ref("Service", "demo") in world.children
    assert "registry default does not answer since" in world.condition("Ready")["message"]
    assert world.status["prod"]["target"]["source"] == "stage Production"


def test_a_rollout_goes_on_by_the_remembered_target_while_the_registry_is_unreachable(world: World) -> None:
    world.register("2", stage="Production")
    world.reconcile()
    world.answered, world.unreachable_since = False, world.now
    world.settle()
    assert world.serving("prod") == ["2", "2"]


def test_a_registry_that_never_answered_leaves_a_new_pin_and_a_new_resource_waiting(world: World) -> None:
    world.answered, world.unreachable_since = False, world.now
    world.patch(prod__version="2")
    made = world.reconcile()
    assert (made.apply, made.delete) == ((), ())
    assert world.ready() == ("False", "RegistryUnreachable") and world.serving("prod") == ["1", "1"]
    fresh = World()
    fresh.answered, fresh.unreachable_since = False, fresh.now
    fresh.settle()
    assert fresh.ready() == ("False", "RegistryUnreachable")


def test_a_child_edited_or_deleted_by_hand_returns(world: World) -> None:
    before = copy.deepcopy(world.child("Service", "demo")["spec"])
    world.child("Service", "demo")["spec"]["selector"] = {"app": "mine"}
    world.delete(Ref("Service", "demo-prod"))
    made = world.reconcile()
    assert {objects.ref(each) for each in made.apply} == {Ref("Service", "demo"), Ref("Service", "demo-prod")}
    assert world.child("Service", "demo")["spec"] == before


def test_an_upgrade_of_the_operator_restarts_no_model_pod_and_the_next_rollout_takes_the_image(
    world: World,
) -> None:
    names = set(world.pods)
    changed = {"cluster": "here", "inference_image": "inference:2", "drift_image": "d", "train_image": "t"}
    world.defaults = type(world.defaults)(**changed)
    assert world.reconcile().apply == ()
    world.settle()
    assert set(world.pods) == names
    world.register("2", stage="Production")
    world.settle()
    images = {pod["spec"]["containers"][0]["image"] for pod in world.pods.values()}
    assert images == {"inference:2"}


def test_with_rolling_updates_a_new_default_image_is_taken_when_its_time_comes(world: World) -> None:
    world.patch(inference__imageUpdate="Rolling")
    world.settle()
    changed = {"cluster": "here", "inference_image": "inference:2", "drift_image": "d", "train_image": "t"}
    world.defaults = type(world.defaults)(**changed)
    world.reconcile()
    while world.plan().retry_after is not None and not world.plan().apply:
        retry = world.plan().retry_after
        assert retry is not None and 0 < retry <= 300
        assert world.status["prod"]["outdated"] is True
        world.now += timedelta(seconds=retry)
    world.settle()
    images = {pod["spec"]["containers"][0]["image"] for pod in world.pods.values()}
    assert images == {"inference:2"} and "outdated" not in world.status["prod"]


def test_an_upgrade_rolls_a_fleet_with_rolling_updates_bit_by_bit() -> None:
    world = World()
    parsed, _ = spec.parse(world.resource)
    assert parsed is not None
    waits = []
    for number in range(200):
        context = replace(pod_template.Context.of(world.facts(), parsed), uid=f"uid-{number}")
        waits.append((rollout.slot_opens(context) - world.now).total_seconds())
    assert min(waits) == 0 and max(waits) <= 300
    assert all(sum(low <= wait < low + 30 for wait in waits) <= 40 for low in range(0, 300, 30))


def test_replicas_never_drop_when_an_autoscaler_takes_over(world: World) -> None:
    world.patch(prod__replicas=3)
    world.settle()
    world.patch(prod__autoscaling={"minReplicas": 1, "maxReplicas": 5})
    made = world.reconcile()
    deployments = [each for each in made.apply if each["kind"] == "Deployment"]
    assert all(each["spec"]["replicas"] == 3 for each in deployments)
    world.settle()
    assert len(world.serving("prod")) == 3


def test_replicas_under_an_autoscaler_that_owns_them_are_left_alone(world: World) -> None:
    world.patch(prod__autoscaling={"minReplicas": 1, "maxReplicas": 5})
    world.settle()
    deployment = world.child(*PROD)
    deployment["spec"]["replicas"] = 4
    deployment["metadata"]["managedFields"] = [
        {"manager": "kube-controller-manager", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    ]
    world.register("2", stage="Production")
    made = world.reconcile()
    (applied,) = [each for each in made.apply if each["kind"] == "Deployment"]
    assert "replicas" not in applied["spec"]
    world.settle()
    assert world.serving("prod") == ["2"] * 4


def test_scaled_to_zero_is_ready_and_serves_nothing(world: World) -> None:
    world.patch(prod__replicas=0)
    world.settle()
    assert world.ready() == ("True", "ScaledToZero")
    assert world.condition("Available") | {"lastTransitionTime": ""} == {
        "type": "Available",
        "status": "False",
        "observedGeneration": 2,
        "reason": "NoReadyPods",
        "message": "no pod of prod answers",
        "lastTransitionTime": "",
    }
    world.patch(prod__replicas=1)
    world.settle()
    assert world.serving("prod") == ["1"]


def test_suspended_nothing_is_changed_and_everybody_sees_it(world: World) -> None:
    world.patch(suspend=True)
    world.register("2", stage="Production")
    world.delete(Ref("Service", "demo"))
    made = world.reconcile()
    assert not (made.apply or made.delete or made.create or made.registry_writes)
    assert world.ready() == ("False", "Suspended")
    assert world.status["rollout"]["phase"] == "Suspended"
    world.patch(suspend=None)
    world.settle()
    assert world.serving("prod") == ["2", "2"]


def test_a_strangers_object_of_a_name_is_never_touched() -> None:
    world = World()
    world.register("1", stage="Production")
    stranger = {
        "kind": "Service",
        "metadata": {"name": "demo", "uid": "x", "resourceVersion": "1"},
        "spec": {},
    }
    world.children[Ref("Service", "demo")] = copy.deepcopy(stranger)
    world.settle()
    assert world.child("Service", "demo") == stranger
    assert world.ready() == ("False", "NameTaken")
    assert "Service demo belongs to somebody else" in world.condition("Ready")["message"]
    assert not world.pods  # nobody could reach them
    del world.children[Ref("Service", "demo")]
    world.settle()
    assert (world.ready(), world.serving("prod")) == (("True", "Serving"), ["1", "1"])


def test_pods_that_serve_stay_when_a_stranger_takes_the_name_of_their_service(world: World) -> None:
    names = set(world.pods)
    metadata = {"name": "demo", "uid": "x", "resourceVersion": "1"}
    world.children[Ref("Service", "demo")] = {"kind": "Service", "metadata": metadata, "spec": {}}
    world.settle()
    assert world.ready() == ("False", "NameTaken") and set(world.pods) == names


def test_a_child_of_the_canary_that_cannot_be_had_leaves_ready_alone(world: World) -> None:
    ref = Ref("Service", "demo-canary")
    world.register("4", stage="Staging")
    metadata = {"name": ref.name, "uid": "x", "resourceVersion": "1"}
    world.delete(ref)
    world.children[ref] = {"kind": ref.kind, "metadata": metadata, "spec": {}}
    world.settle()
    assert world.ready() == ("True", "Serving")
    found = world.condition("CanaryHealthy")
    assert (found["status"], found["reason"]) == ("False", "NameTaken")
    assert f"{ref.kind} {ref.name} belongs to somebody else" in found["message"]
    assert sum(each.startswith("NameTaken: ") for each in world.events) == 1
    assert world.serving("canary") == []


def test_a_refused_service_of_the_canary_is_the_canarys_trouble(world: World) -> None:
    world.register("4", stage="Staging")
    world.delete(Ref("Service", "demo-canary"))
    world.refused = {Ref("Service", "demo-canary"): "403 exceeded quota: services"}
    made = world.plan()
    assert made.status is not None
    found = {each["type"]: (each["status"], each["reason"]) for each in made.status["conditions"]}
    assert (found["Ready"], found["CanaryHealthy"]) == (("True", "Serving"), ("False", "ApplyRefused"))


def test_a_refused_cronjob_is_the_checks_trouble() -> None:
    world = World(drift={"schedule": "@hourly"})
    world.register("1", stage="Production")
    world.settle()
    world.delete(Ref("CronJob", "demo-drift"))
    world.refused = {Ref("CronJob", "demo-drift"): "403 exceeded quota: cronjobs"}
    made = world.plan()
    assert made.status is not None
    found = {each["type"]: (each["status"], each["reason"]) for each in made.status["conditions"]}
    assert (found["Ready"], found["DriftCheckFailed"]) == (("True", "Serving"), ("True", "ApplyRefused"))


def test_an_orphan_that_carries_our_labels_is_taken_back_without_a_restart(world: World) -> None:
    names = set(world.pods)
    for child in world.children.values():
        child["metadata"]["ownerReferences"] = []
    world.resource["metadata"]["uid"] = "cr-2"
    world.resource.pop("status")
    world.settle()
    assert set(world.pods) == names
    assert all(objects.controller(child)["uid"] == "cr-2" for child in world.children.values())
    assert world.ready()[0] == "True"


def test_what_the_api_server_refuses_is_said_in_its_own_words(world: World) -> None:
    world.patch(inference__resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}})
    refused = {PROD: "requests: must be less than or equal to cpu limit"}
    made = plan(replace(world.facts(), refused=refused))
    assert made.status is not None
    (ready,) = [each for each in made.status["conditions"] if each["type"] == "Ready"]
    assert ready["reason"] == "ApplyRefused" and "less than or equal to cpu limit" in ready["message"]


def test_a_resource_that_is_being_deleted_asks_for_nothing(world: World) -> None:
    world.resource["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    world.register("2", stage="Production")
    assert not writes(world.plan())


def test_a_child_that_is_being_deleted_is_waited_for(world: World) -> None:
    world.child("Service", "demo")["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    world.child("Service", "demo")["spec"]["ports"] = []
    assert not world.plan().apply


def test_the_hash_of_what_people_decide_stands_still_over_releases() -> None:
    # Were it another, an upgrade of the operator would restart every model pod there is.
    world = World(inference={"resources": {"limits": {"memory": "1Gi"}}, "front": "wire"})
    world.register("1", stage="Production")
    world.settle()
    inputs = objects.annotations(world.child(*PROD))["driftlead.dev/inputs"]
    assert inputs.partition("-")[0] == "c41075181fd32060"


def test_saying_a_default_restarts_nothing(world: World) -> None:
    names = set(world.pods)
    world.patch(inference__predictionLog={"mode": "async", "whenFull": "drop"}, connections={})
    world.settle()
    assert set(world.pods) == names


def test_writing_a_deployment_changes_nothing_in_what_status_says(world: World) -> None:
    world.register("2", stage="Production")
    world.reconcile()  # the Deployment's controller does not look at it before the way back
    world.transition("1", "Production")
    made = world.reconcile()
    assert [objects.ref(each) for each in made.apply] == [PROD]
    assert world.status["prod"]["readyReplicas"] == 2
    assert not writes(world.plan())


def test_pods_of_an_older_template_count_while_they_serve_the_wanted_version(world: World) -> None:
    world.patch(inference__image="mine:1")
    world.reconcile()
    assert world.status["prod"]["readyReplicas"] == 2
    words = "2 of 2 pods serve version 1, 0 of 2 have the new template"
    assert world.status["rollout"]["message"] == words
    assert not writes(world.plan())
    world.settle()
    assert world.status["prod"]["readyReplicas"] == 2


def test_a_template_too_large_for_an_annotation_is_counted_too() -> None:
    world = World(inference={"overlay": {"env": [{"name": "LONG", "value": "x" * 70_000}]}})
    world.register("1", stage="Production")
    world.settle()
    assert "driftlead.dev/template" not in objects.annotations(world.child("Deployment", "demo-prod"))
    assert world.status["prod"]["readyReplicas"] == 2
    assert world.ready()[0] == "True"


def test_an_artifact_store_that_came_back_empty_is_an_outage_and_no_rejection() -> None:
    world = World()
    world.register("3", stage="Production", exit_code=ExitCode.POD_CANNOT_REACH_ARTIFACTS)
    world.settle()
    assert world.ready() == ("False", "PodCannotReachArtifacts")
    assert not world.condition("Stalled") and "rejected" not in world.status["prod"]
    assert not any(each.startswith("VersionRejected") for each in world.events)
    world.versions["3"].exit_code = 0
    for pod in world.pods.values():  # the kubelet starts the container again
        pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    world.settle()
    assert world.ready() == ("True", "Serving")
    assert world.serving("prod") == ["3", "3"]
