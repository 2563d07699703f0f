"""What is kept of what the watches told."""

from typing import Any

import pytest

from driftlead_operator.cluster.cache import Cache, Change
from driftlead_operator.decisions import names
from driftlead_operator.kinds import RESOURCE, Key

KEY = Key("team", "demo")


def thing(name: str, version: int, *, uid: str = "u1", owner: str = "demo", **more: Any) -> dict[str, Any]:
    labels = {names.RESOURCE_NAME: owner} if owner else {}
    metadata = {"namespace": "team", "name": name, "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata | {"labels": labels} | more.pop("metadata", {}), **more}


@pytest.fixture
def cache() -> Cache:
    return Cache()


def test_news_is_told_with_whom_it_concerns(cache: Cache) -> None:
    assert cache.put("Service", thing("demo", 5)) == Change(KEY, news=True)
    assert cache.put(RESOURCE, thing("demo", 6, owner="")) == Change(KEY, news=True)
    assert cache.put("Service", thing("other", 7, owner="")) == Change(None, news=True)


def test_the_echo_of_a_write_and_older_news_are_no_news_and_change_nothing(cache: Cache) -> None:
    cache.put("Service", thing("demo", 5, spec={"is": "new"}))
    assert not cache.put("Service", thing("demo", 5, spec={"is": "echo"})).news
    assert not cache.put("Service", thing("demo", 4, spec={"is": "old"})).news
    seen = cache.get("Service", "team", "demo")
    assert seen
    assert seen["spec"] == {"is": "new"}


def test_versions_are_compared_as_numbers(cache: Cache) -> None:
    cache.put("Service", thing("demo", 9))
    assert cache.put("Service", thing("demo", 10)).news


def test_a_listing_of_what_is_known_means_that_a_watch_was_restarted(cache: Cache) -> None:
    assert not cache.put("Service", thing("demo", 5), listed=True).relisted
    assert cache.put("Service", thing("demo", 5), listed=True).relisted
    assert not cache.put("Service", thing("demo", 6)).relisted


def test_a_late_word_of_a_deletion_does_not_drop_the_successor_of_that_name(cache: Cache) -> None:
    cache.put("Service", thing("demo", 8, uid="u2"))
    assert not cache.drop("Service", thing("demo", 7, uid="u1")).news
    assert cache.version("Service", "team", "demo") == 8
    assert cache.drop("Service", thing("demo", 9, uid="u2")) == Change(KEY, news=True)
    assert cache.get("Service", "team", "demo") is None


def test_what_loses_its_label_is_no_longer_owned(cache: Cache) -> None:
    cache.put("Service", thing("demo", 5))
    cache.put("Service", thing("demo", 6, owner=""))
    assert list(cache.owned(KEY)) == []
    assert cache.get("Service", "team", "demo")


def test_owned_gives_all_but_the_resource_itself_sorted(cache: Cache) -> None:
    cache.put(RESOURCE, thing("demo", 1, owner=""))
    cache.put("Service", thing("demo-prod", 2, uid="a"))
    cache.put("Deployment", thing("demo-prod", 3, uid="b"))
    cache.put("Service", thing("demo", 4, uid="c"))
    cache.put("Service", thing("else", 5, uid="d", owner="else"))
    found = [(kind, each["metadata"]["name"]) for kind, each in cache.owned(KEY)]
    assert found == [("Deployment", "demo-prod"), ("Service", "demo"), ("Service", "demo-prod")]


def test_what_was_read_can_be_changed_without_harm(cache: Cache) -> None:
    cache.put("Service", thing("demo", 5, spec={"ports": [1]}))
    seen = cache.get("Service", "team", "demo")
    assert seen
    seen["spec"]["ports"].append(2)
    again = cache.get("Service", "team", "demo")
    assert again
    assert again["spec"] == {"ports": [1]}


def test_of_managed_fields_only_what_others_own_of_the_spec_is_kept(cache: Cache) -> None:
    fields = [
        {"manager": "driftlead-operator", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}},
        {"manager": "hpa", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "kubectl-set", "fieldsV1": {"f:metadata": {}, "f:spec": {"f:paused": {}}}},
        {"manager": "status", "fieldsV1": {"f:status": {}}},
    ]
    for kind in ("Deployment", "Pod"):
        cache.put(kind, thing("demo-prod", 5, metadata={"managedFields": fields}))
    kept = cache.get("Deployment", "team", "demo-prod")
    assert kept
    assert [each["manager"] for each in kept["metadata"]["managedFields"]] == ["hpa", "kubectl-set"]
    assert kept["metadata"]["managedFields"][1]["fieldsV1"] == {"f:spec": {"f:paused": {}}}
    other = cache.get("Pod", "team", "demo-prod")
    assert other
    assert "managedFields" not in other["metadata"]


def test_every_change_is_heard_and_nothing_else() -> None:
    heard: list[tuple[str, str, bool]] = []
    cache = Cache(lambda kind, _, name, each: heard.append((kind, name, each is not None)))
    cache.put("Pod", thing("a", 5))
    cache.put("Pod", thing("a", 5))
    cache.discard("Pod", "team", "nobody")
    cache.drop("Pod", thing("a", 6))
    assert heard == [("Pod", "a", True), ("Pod", "a", False)]
