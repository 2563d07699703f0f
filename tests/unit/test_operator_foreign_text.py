"""Text that others wrote: wherever it comes in, what status and events say is one line of bounded length."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftlead_formats.summaries import CanaryAssessment, ServerFailure
from driftlead_formats.termination import fitted
from driftlead_formats.verdicts import CanaryVerdict
from driftlead_operator.cluster.api_server import refusal
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Event, Facts, Ref
from driftlead_operator.decisions.plan import plan
from driftlead_operator.events import event_manifest
from driftlead_operator.registry.mlflow import understand
from unit.operator_world import NOW, World

Json = dict[str, Any]
LONGEST = 2048
MESSAGES = ("message", "evidence", "error")
HOSTILE = "\x1b[31mred\x00\r\nnext\u2028line \ud800 \u202egnol " + "x" * 10_000

foreign_text = st.one_of(
    st.just(HOSTILE),
    st.text(st.characters(codec=None, categories=None), max_size=40),
    st.text(st.sampled_from('\x1b\x00\n\r\t\x85\u2028\u202e\ud800\udfffa {}"'), max_size=20),
    st.integers(1500, 5000).map("y".__mul__),
)


def messages(value: Any, key: str = "") -> Iterator[str]:
    """Every sentence in a status."""
    if isinstance(value, str) and key in MESSAGES:
        yield value
    for name, each in value.items() if isinstance(value, dict) else ():
        yield from messages(each, name)
    for each in value if isinstance(value, list) else ():
        yield from messages(each)


def is_fit(text: str) -> bool:
    fits = len(text) <= LONGEST and not objects.CONTROLS.search(text) and not objects.BREAKS.search(text)
    text.encode()  # raises for a lone surrogate
    return fits


@pytest.mark.parametrize("text", [HOSTILE, "", None, 3, "plain", " \n ", "\ud800"])
def test_one_line_is_printable_bounded_and_done_once(text: Any) -> None:
    line = objects.one_line(text)
    assert is_fit(line) and len(line) <= objects.LONGEST_LINE
    assert objects.one_line(line) == line


@given(foreign_text)
def test_every_text_becomes_one_line_and_stays_as_it_then_is(text: str) -> None:
    line = objects.one_line(text)
    assert is_fit(line) and objects.one_line(line) == line


def test_what_the_edges_take_in_is_one_line_before_anything_is_decided() -> None:
    words = HOSTILE[:40].encode(errors="replace")
    for text in (words, b'{"message": "a\\u001b\\nb"}'):
        assert is_fit(str(refusal(422, text, "apply Deployment /x")))
        with pytest.raises(Exception, match="registry default") as caught:
            understand("default", "registered-models/get", 500, text)
        assert is_fit(str(caught.value))


def test_a_last_word_with_half_a_character_is_left_all_the_same() -> None:
    left = fitted(ServerFailure(reason="LoadFailed", message=HOSTILE).dump())
    read = ServerFailure.parse(objects.printable(objects.parse_json(left)))
    assert read and is_fit(read.message) and read.message.endswith("xxx")


@given(foreign_text)
def test_an_event_holds_one_line(text: str) -> None:
    about = {
        "apiVersion": "driftlead.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "demo", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
    }
    made = event_manifest(about, Event(reason="X", message=text), NOW, "me")
    assert is_fit(made["message"]) and len(made["message"]) <= 1024


def serving() -> World:
    """A whole resource: prod, canary, judge, checks and retraining, all at rest."""
    world = World(drift={"schedule": "@hourly"}, retraining={"function": "t:t", "cooldown": "0s"})
    world.register("3", stage="Production")
    world.register("4", stage="Staging")
    world.settle()
    return world


AT_REST = serving()


def scene(words: str, trouble: str) -> Facts:
    """The resource in one trouble, in somebody's words."""
    world = copy.deepcopy(AT_REST)
    conditions = [{"type": "PodScheduled", "status": "False", "message": words}]
    waiting = {"reason": "CreateContainerConfigError", "message": words}
    if trouble == "check":
        world.drift_run("severe", report="r", version="3", message=words)
    elif trouble == "raw":
        job = world.start_check("r")
        world.end_job(job, words, container="drift", exit_code=1)
    elif trouble == "job":
        world.held = {"phase": "Pending", "conditions": conditions}
        world.start_check("r")
        world.step()
    elif trouble == "quota":
        world.job_pods_refused = words
        world.start_check("r")["status"] = {"startTime": "2026-11-24T00:00:00Z"}
    elif trouble == "retraining":
        world.drift_run("severe", report="r", version="3")
        world.settle()
        job = world.child("Job", world.status["retraining"]["lastJob"])
        world.give_up_job(job)
        job["status"]["conditions"][0] |= {"reason": words, "message": words}
    elif trouble == "registry":
        world.unreachable_since = world.now
        world.resource["spec"]["model"] = words
        world.versions.clear()
    elif trouble == "refused":
        world.patch(prod__replicas=3)
        world.refused = {Ref("Deployment", "demo-prod"): words}
    else:
        for name, pod in world.pods.items():
            container = "judge" if "judge" in name else "server"
            pod["status"] = {
                "phase": "Pending",
                "conditions": conditions if trouble == "nodes" else [],
                "containerStatuses": [{"name": container, "state": {"waiting": waiting}}],
            }
        failure = {"type": "ReplicaFailure", "status": "True", "message": words}
        deployment = world.child("Deployment", "demo-prod")
        if trouble == "pods":
            deployment["status"]["conditions"] = [failure]
        deployment["metadata"]["managedFields"] = [
            {"manager": words, "fieldsV1": {"f:spec": {"f:paused": {}}}}
        ]
        deployment["spec"]["paused"] = True
    facts = world.facts()
    said = CanaryAssessment(verdict=CanaryVerdict.WORSE, canary="4", message=words)
    return Facts(
        **{
            **{name: getattr(facts, name) for name in facts.__dataclass_fields__},
            "canary_verdict": said if trouble in ("check", "registry") else None,
        }
    )


TROUBLES = ("check", "raw", "job", "quota", "retraining", "registry", "refused", "nodes", "waiting", "pods")


@pytest.mark.parametrize("trouble", TROUBLES)
@given(words=foreign_text)
@settings(max_examples=25)
def test_no_message_holds_what_steers_a_terminal_or_has_no_end(trouble: str, words: str) -> None:
    made = plan(scene(words, trouble))
    found = [*messages(made.status or {}), *(each.message for each in made.events)]
    assert all(map(is_fit, found))
    if objects.one_line(words) and trouble != "refused":
        assert made.status is not None and found
