"""What `kubectl driftlead abort` gives up."""

from typing import Any

import pytest

from driftlead_cli.abort import given_up
from driftlead_cli.errors import Refused
from driftlead_cli.promote import PromotionRequest
from driftlead_operator.decisions import names


def resource(target: str, served: str | None, canary: str | None = None, **metadata: Any) -> dict[str, Any]:
    status: dict[str, Any] = {"prod": {"target": {"version": target}, "version": served}}
    if canary:
        status["canary"] = {"target": {"version": canary}}
    spec = {"model": "M", "prod": {"stage": "Production"}}
    return {"metadata": {"name": "demo", **metadata}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("target", "served", "canary", "asked", "chosen"),
    [
        ("5", "3", None, None, "5"),
        ("5", "3", "6", None, "5"),
        ("5", "3", "6", "6", "6"),
        ("3", "3", "4", None, "4"),
        ("1", None, None, None, "1"),
    ],
)
def test_what_is_on_its_way_is_given_up_else_the_canary_unless_a_version_is_named(
    target: str, served: str | None, canary: str | None, asked: str | None, chosen: str
) -> None:
    assert given_up(resource(target, served, canary), asked) == chosen


@pytest.mark.parametrize(
    ("canary", "asked", "words"),
    [
        (None, None, "nothing to give up; prod serves 3"),
        ("4", "3", "version 3 is not on its way to prod and is not the canary of demo; there: 4"),
        ("4", "v4", "'v4' is not a version"),
    ],
)
def test_what_cannot_be_given_up_is_refused_with_the_reason(
    canary: str | None, asked: str | None, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        given_up(resource("3", "3", canary), asked)


def test_the_same_request_twice_needs_the_first_one_removed_and_forgotten() -> None:
    request = PromotionRequest(names.ABORT, "5")
    seen = resource("5", "3", annotations={names.ABORT: "5"})
    seen["status"]["handled"] = {"abort": "5"}
    assert request.is_set(seen) and not request.is_forgotten(seen)
    assert request.removal() == {"metadata": {"annotations": {names.ABORT: None}}}
    fresh = resource("5", "3")
    assert not request.is_set(fresh) and request.is_forgotten(fresh)
