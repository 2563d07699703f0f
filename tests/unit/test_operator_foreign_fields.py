"""What others set on our children: named with its owner where it stays, else not."""

import copy
from typing import Any

import pytest

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Ref
from driftlead_operator.decisions.render.foreign_fields import ForeignField, foreign_fields
from unit.operator_world import World

Json = dict[str, Any]
PROD = Ref("Deployment", "demo-prod")
SERVER = 'k:{"name":"server"}'


@pytest.fixture
def world() -> World:
    world = World(drift={"schedule": "@hourly"})
    world.register("3", stage="Production")
    world.settle()
    return world


def of_template(**spec: Any) -> Json:
    """Fields of a pod template, in the API server's notation."""
    return {"f:template": {"f:spec": {f"f:{key}": value for key, value in spec.items()}}}


def of_server(**fields: Any) -> Json:
    return of_template(containers={SERVER: {f"f:{key}": value for key, value in fields.items()}})


def own(child: Json, manager: str, fields: Json, **more: Any) -> None:
    entry = {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": fields}, **more}
    child["metadata"].setdefault("managedFields", []).append(entry)


def server_of(child: Json) -> Json:
    (server,) = (each for each in child["spec"]["template"]["spec"]["containers"] if each["name"] == "server")
    return dict(server)


def changed(world: World) -> str:
    found = world.condition("ChildrenModified")
    return str(found["message"]) if found else ""


def set_env(child: Json, name: str) -> None:
    """What `kubectl set env` does."""
    for server in child["spec"]["template"]["spec"]["containers"]:
        server["env"] = [*server["env"], {"name": name, "value": "x"}]
    item = {".": {}, "f:name": {}, "f:value": {}}
    own(child, "kubectl-set", of_server(env={f'k:{{"name":"{name}"}}': item}))


def test_a_variable_a_sidecar_and_a_limit_are_named_with_their_owners(world: World) -> None:
    child = world.child(*PROD)
    set_env(child, "FOO")
    child["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "envoy"})
    own(child, "mesh", of_template(containers={'k:{"name":"proxy"}': {".": {}, "f:image": {}, "f:name": {}}}))
    server_of(child)["resources"]["limits"] = {"cpu": "1"}
    own(child, "kubectl-edit", of_server(resources={"f:limits": {".": {}, "f:cpu": {}}}))
    child["spec"]["paused"] = True
    own(child, "kubectl-rollout", {"f:paused": {}})
    world.reconcile()
    template = "Deployment demo-prod: spec.template.spec.containers"
    for words in (
        f"{template}[server].env[FOO] by kubectl-set",
        f"{template}[proxy] by mesh",
        f"{template}[server].resources.limits.cpu by kubectl-edit",
        "Deployment demo-prod: spec.paused by kubectl-rollout",
    ):
        assert words in changed(world)
    assert world.condition("ChildrenModified")["status"] == "True"


def test_it_is_told_once_writes_nothing_at_rest_and_goes_when_it_was_taken_back(world: World) -> None:
    before = copy.deepcopy(world.child(*PROD))
    set_env(world.child(*PROD), "FOO")
    world.settle()
    made = world.plan()
    assert made.status is None and not (made.apply or made.events)
    assert sum(each.startswith("ForeignFields: ") for each in world.events) == 1
    set_env(world.child(*PROD), "BAR")
    world.settle()
    assert sum(each.startswith("ForeignFields: ") for each in world.events) == 2
    child = world.child(*PROD)
    child["spec"], child["metadata"]["managedFields"] = before["spec"], []
    world.settle()
    assert changed(world) == ""


def test_other_kinds_of_children_count_too(world: World) -> None:
    service, cronjob = world.child("Service", "demo"), world.child("CronJob", "demo-drift")
    service["spec"]["externalIPs"] = ["10.0.0.1"]
    own(service, "kubectl-patch", {"f:externalIPs": {}})
    cronjob["spec"]["timeZone"] = "Europe/Berlin"
    own(cronjob, "kubectl-edit", {"f:timeZone": {}})
    world.reconcile()
    assert "CronJob demo-drift: spec.timeZone by kubectl-edit" in changed(world)
    assert "Service demo: spec.externalIPs by kubectl-patch" in changed(world)


def test_what_belongs_to_the_life_of_an_object_is_not_named(world: World) -> None:
    child = world.child(*PROD)
    own(child, "kube-controller-manager", {"f:replicas": {}, "f:paused": {}}, subresource="scale")
    own(child, "some-autoscaler", {"f:replicas": {}}, subresource="scale")
    child["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    restarted = {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}
    own(child, "kubectl-rollout", {"f:template": {"f:metadata": {"f:annotations": restarted}}})
    # A restored backup owns what we set, and what the API server fills in.
    pod = child["spec"]["template"]["spec"]
    pod |= {"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "restartPolicy": "Always"}
    server_of(child)["terminationMessagePolicy"] = "File"
    image = {SERVER: {".": {}, "f:image": {}, "f:terminationMessagePolicy": {}, "f:name": {}}}
    names = {f"f:{key}": {} for key in ("dnsPolicy", "schedulerName", "restartPolicy", "securityContext")}
    own(child, "velero", {"f:template": {"f:spec": {**names, "f:containers": image}}, "f:replicas": {}})
    world.reconcile()
    assert changed(world) == ""


def test_what_the_operator_sets_is_taken_back_and_not_named(world: World) -> None:
    child = world.child(*PROD)
    for server in child["spec"]["template"]["spec"]["containers"]:
        server["image"] = "other"
    own(child, "kubectl-set", of_server(image={}))
    made = world.reconcile()
    assert [objects.ref(each) for each in made.apply] == [PROD]
    assert changed(world) == ""


def test_many_fields_are_one_sentence_of_bounded_length(world: World) -> None:
    for number in range(200):
        set_env(world.child(*PROD), f"{'N' * 300}_{number}")
    world.reconcile()
    assert len(changed(world)) < 2048 and "and 192 more" in changed(world)


@pytest.mark.parametrize(
    "fields",
    [
        {"f:paused": None},
        {"k:not json": {}, "v:1": {}, "f:": {}, "": {}},
        {"f:template": {"f:spec": {"f:containers": {'k:{"name":1}': {"f:x": {}}, 'v:"a"': {}}}}},
        {"f:finalizers": {'v:"a"': {}, "v:{broken": {}}},
    ],
)
def test_fields_in_a_notation_that_is_not_known_raise_nothing(fields: Json) -> None:
    live = {"metadata": {}, "spec": {"template": {"spec": {"containers": 3}}, "finalizers": ["a"]}}
    own(live, "x", fields)
    found = foreign_fields(live, {"metadata": {}, "spec": {}})
    assert all(isinstance(each, ForeignField) for each in found)
