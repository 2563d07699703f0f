"""A random walk of people, registry, pods and time: whatever happens, it ends where it should."""

import json
import os
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Ref
from unit.operator_world import World, writes

NUMBERS = st.integers(min_value=1, max_value=6).map(str)
STAGES = st.sampled_from(["Production", "Staging", "Archived", "None"])


class Walk(RuleBasedStateMachine):
    """Each rule is something that happens; the operator and Kubernetes alternate in between, or do not."""

    @initialize()
    def begin(self) -> None:
        self.world = World(
            drift={"schedule": "@hourly"}, retraining={"function": "train:train", "cooldown": "1h"}
        )
        self.wiped_since: int | None = None
        self.reports = 0

    # The registry

    @rule(number=NUMBERS, stage=STAGES, exit_code=st.sampled_from([0, 0, 0, 3, 4, 6]))
    def a_version_is_registered(self, number: str, stage: str, exit_code: int) -> None:
        if number not in self.world.versions:
            self.world.register(number, stage=stage, exit_code=exit_code)

    @precondition(lambda self: self.world.versions)
    @rule(data=st.data(), stage=STAGES, archive=st.booleans())
    def a_person_moves_a_version(self, data: st.DataObject, stage: str, archive: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.world.versions)))
        self.world.transition(number, stage, archive=archive)

    @rule()
    def the_registry_becomes_unreachable(self) -> None:
        self.world.unreachable_since = self.world.unreachable_since or self.world.now

    @rule()
    def the_registry_comes_back(self) -> None:
        self.world.unreachable_since = None

    @rule(lost=st.booleans())
    def writes_get_lost_or_not(self, lost: bool) -> None:
        self.world.lost_writes = lost

    # People

    @rule(number=st.one_of(st.none(), NUMBERS))
    def prod_is_pinned_or_set_free(self, number: str | None) -> None:
        self.world.patch(prod__version=number)

    @rule(number=NUMBERS)
    def a_promotion_is_asked_for(self, number: str) -> None:
        self.world.annotate(promote=number)

    @rule(word=st.text("abc", min_size=1, max_size=3))
    def another_try_is_asked_for(self, word: str) -> None:
        self.world.annotate(requestedAt=word)

    @rule(number=NUMBERS, again=st.booleans())
    def a_version_is_given_up(self, number: str, again: bool) -> None:
        if again:
            self.world.resource["metadata"].get("annotations", {}).pop("driftlead.dev/abort", None)
            self._reconcile()
        self.world.annotate(abort=number)

    @rule(replicas=st.integers(min_value=0, max_value=3))
    def prod_is_scaled(self, replicas: int) -> None:
        self.world.patch(prod__replicas=replicas)

    @rule(frozen=st.booleans())
    def it_is_suspended_or_resumed(self, frozen: bool) -> None:
        self.world.patch(suspend=frozen or None)

    @rule(image=st.sampled_from(["mine:1", "mine:2", None]))
    def another_image_is_chosen(self, image: str | None) -> None:
        self.world.patch(inference__image=image)

    @rule()
    def the_operator_is_upgraded(self) -> None:
        before = self.world.defaults
        changed = {"inference:1": "inference:2", "inference:2": "inference:1"}[before.inference_image]
        self.world.defaults = type(before)(
            cluster="here", inference_image=changed, drift_image="drift:2", train_image="train:2"
        )

    # Misfortune

    @rule()
    def status_is_wiped(self) -> None:
        self.world.resource.pop("status", None)
        self.wiped_since = len(self.world.writes)

    @precondition(lambda self: self.world.children)
    @rule(data=st.data())
    def a_child_is_deleted_by_hand(self, data: st.DataObject) -> None:
        ref = data.draw(st.sampled_from(sorted(self.world.children)))
        if ref != Ref("Deployment", "demo-prod"):  # its ReplicaSets, the way back, would go with it
            self.world.delete(ref)

    @precondition(lambda self: Ref("Deployment", "demo-prod") in self.world.children)
    @rule()
    def a_child_is_edited_by_hand(self) -> None:
        child = self.world.child("Deployment", "demo-prod")
        child["spec"]["template"]["spec"]["containers"][0]["image"] = "evil"
        child["metadata"]["generation"] += 1

    @rule(stage=st.sampled_from(["prod", "canary"]))
    def a_pod_is_evicted(self, stage: str) -> None:
        self.world.kill(stage)

    @precondition(lambda self: Ref("CronJob", "demo-drift") in self.world.children)
    @rule(verdict=st.sampled_from(["drift", "stable", "insufficient", "error"]))
    def a_check_ends(self, verdict: str) -> None:
        self.reports += 1
        version = str(self.world.status.get("prod", {}).get("version"))
        self.world.drift_run(verdict, report=f"r{self.reports}", version=version)

    # Time

    @rule(rounds=st.integers(min_value=1, max_value=4))
    def kubernetes_and_operator_alternate(self, rounds: int) -> None:
        for _ in range(rounds):
            self._reconcile()
            self.world.step()

    @rule(rounds=st.integers(min_value=2, max_value=6))
    def a_while_passes(self, rounds: int) -> None:
        self.kubernetes_and_operator_alternate(rounds)

    @rule(hours=st.integers(min_value=1, max_value=30))
    def hours_pass(self, hours: int) -> None:
        self.world.now += timedelta(hours=hours)
        self.kubernetes_and_operator_alternate(3)

    @rule()
    def kubernetes_goes_on_alone(self) -> None:
        self.world.step()

    def _reconcile(self) -> None:
        """Once reconciled, the same facts ask for nothing; and planning twice gives the same."""
        world = self.world
        world.now += timedelta(seconds=67)
        served_before = world.serving("prod")
        handled = world.status.get("handled")
        first, again = world.plan(), world.plan()
        assert first == again
        world.carry_out(first)
        assert not any(each.ref == Ref("Deployment", "demo-prod") for each in first.delete)
        assert world.serving("prod") == served_before  # writing objects takes no pod away
        if first.registry_writes or first.create or world.status.get("handled") != handled:
            world.carry_out(world.plan())  # what was written is seen, and a request is acted upon once
        second = world.plan()
        assert not writes(second), second
        if self.wiped_since is not None:
            assert not first.registry_writes, "without memory nothing is written"
            assert not first.create, "without memory nothing is retrained"
            self.wiped_since = None

    @invariant()
    def status_is_json_and_bounded(self) -> None:
        if hasattr(self, "world"):
            assert len(self.world.status.get("history", [])) <= 20
            assert len(json.dumps(self.world.status)) < 64 * 1024

    def teardown(self) -> None:
        """When events stop, prod and canary end where registry, pins and the versions themselves say."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.unreachable_since, world.lost_writes = None, False
        world.patch(suspend=None)
        world.resource["metadata"].get("annotations", {}).pop("driftlead.dev/abort", None)
        world.annotate(requestedAt="the end")
        world.settle()
        target = self._target("prod", "Production")
        prod = world.status["prod"]
        if target is not None and world.versions[target].exit_code == 0:
            assert world.serving("prod") == [target] * world.resource["spec"]["prod"]["replicas"]
            assert world.ready()[0] == "True"
        elif target is not None:
            assert world.ready()[0] == "False" or not world.resource["spec"]["prod"]["replicas"]
            assert target not in world.serving("prod")
        self._canary_is_right(target, prod.get("version"))
        for pod in world.pods.values():
            assert all(each["image"] != "evil" for each in pod.get("spec", {}).get("containers", []))

    def _target(self, stage: str, followed: str) -> str | None:
        pin = self.world.resource["spec"][stage].get("version")
        if pin:
            return pin if pin in self.world.versions else None
        there = [number for number, each in self.world.versions.items() if each.stage == followed]
        return max(there, key=int, default=None)

    def _canary_is_right(self, prod_target: str | None, prod_serves: str | None) -> None:
        target = self._target("canary", "Staging")
        higher = max(int(prod_target or 0), int(prod_serves or 0))
        there: Any = self.world.children.get(Ref("Deployment", "demo-canary"))
        if target is not None and int(target) > higher:
            assert there is not None
            good = self.world.versions[target].exit_code == 0
            assert self.world.serving("canary") == [target] or not good
        elif there is not None:
            # It stays only until prod serves it.
            version = objects.labels(there["spec"]["template"])["driftlead.dev/version"]
            assert version in (prod_target, target)


Walk.TestCase.settings = settings(
    # Two thousand steps each time; DRIFTLEAD_WALKS=1000 walks through fifty thousand.
    max_examples=int(os.environ.get("DRIFTLEAD_WALKS", "40")),
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestAWalkEndsWhereItShould = Walk.TestCase
