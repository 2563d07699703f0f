"""What `kubectl driftlead promote` asks for, and the same by hand."""

import json
import shlex
from typing import Any

import pytest

from driftlead_cli.errors import Refused
from driftlead_cli.promote import PromotionRequest, curl, refusal, refuse_without_target, wanted_version
from driftlead_operator.decisions import names


def resource(prod: dict[str, str], canary: str | None = None) -> dict[str, Any]:
    status: dict[str, Any] = {"prod": {"version": "3", "target": {"version": "3"}}}
    if canary:
        status["canary"] = {"version": canary}
    spec = {"model": "A model's name", "prod": prod}
    return {"metadata": {"name": "demo", "namespace": "models"}, "spec": spec, "status": status}


STAGED = resource({"stage": "Production"}, canary="5")


def test_the_canary_is_promoted_unless_a_version_is_named() -> None:
    assert wanted_version(STAGED, None) == "5"
    assert wanted_version(STAGED, "4") == "4"


@pytest.mark.parametrize(
    ("version", "canary", "words"),
    [
        (None, None, "demo has no canary that serves"),
        ("v4", "5", "'v4' is not a version: a string of digits"),
        ("0", "5", "'0' is not a version"),
        ("3", "5", "serves version 3 on prod already; nothing to do"),
    ],
)
def test_what_cannot_be_promoted_is_refused_with_the_reason(
    version: str | None, canary: str | None, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        wanted_version(resource({"stage": "Production"}, canary), version)


def test_a_version_that_serves_may_be_promoted_again_while_another_is_on_its_way() -> None:
    moving = resource({"stage": "Production"})
    moving["status"]["prod"]["target"] = {"version": "4"}
    assert wanted_version(moving, "3") == "3"


def test_a_resource_that_nobody_has_looked_at_can_be_promoted_by_number() -> None:
    fresh = {**STAGED, "status": {}}
    assert wanted_version(fresh, "5") == "5"


def test_a_pin_alone_leaves_nothing_in_the_registry_to_move() -> None:
    refuse_without_target(STAGED)
    with pytest.raises(Refused, match=r"kubectl patch modeldeployment demo --type merge"):
        refuse_without_target(resource({"version": "3"}))


def body(command: str) -> tuple[str, dict[str, Any]]:
    """What a shell makes of the command: the address, and the JSON."""
    words = shlex.split(command)
    return words[words.index("POST") + 1], json.loads(words[-1])


def test_the_curl_for_a_stage_archives_what_stood_there() -> None:
    address, sent = body(curl(STAGED, "5"))
    assert address == "$MLFLOW_TRACKING_URI/api/2.0/mlflow/model-versions/transition-stage"
    assert sent == {
        "name": "A model's name",
        "version": "5",
        "stage": "Production",
        "archive_existing_versions": True,
    }


def test_the_curl_for_an_alias_moves_the_alias() -> None:
    address, sent = body(curl(resource({"alias": "champion"}), "5"))
    assert address == "$MLFLOW_TRACKING_URI/api/2.0/mlflow/registered-models/alias"
    assert sent == {"name": "A model's name", "alias": "champion", "version": "5"}


def test_a_request_is_one_annotation() -> None:
    request = PromotionRequest(names.PROMOTE, "5")
    assert request.patch() == {"metadata": {"annotations": {"driftlead.dev/promote": "5"}}}
    assert request.kubectl(STAGED) == (
        "kubectl annotate modeldeployment demo -n models --overwrite driftlead.dev/promote=5"
    )


def asked(version: str, outcome: str, handled: str = "77") -> dict[str, Any]:
    demo = resource({"stage": "Production"})
    demo["status"] |= {"promotion": {"version": version, "outcome": outcome}, "handled": {"promote": handled}}
    return demo


def test_a_promotion_that_will_not_come_is_said_in_a_sentence() -> None:
    assert refusal(asked("77", "Stale"), "77") == (
        "version 77 is not promoted: it does not exist in the registry, or there is nothing to promote. "
        "The event says more: kubectl describe modeldeployment demo"
    )


@pytest.mark.parametrize(
    "demo",
    [
        asked("77", "Pending"),
        asked("77", "Written"),
        asked("77", "Stale", handled=""),  # of an earlier request, which was taken back
        asked("5", "Stale"),
        STAGED,
    ],
)
def test_a_promotion_that_may_still_come_is_waited_for(demo: dict[str, Any]) -> None:
    assert refusal(demo, "77") is None
