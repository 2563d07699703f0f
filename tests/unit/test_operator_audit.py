"""What the audit makes of listings that differ from the cache, and of kinds that the cluster may lack."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from driftlead_operator import metrics
from driftlead_operator.cluster.api_server import Listed
from driftlead_operator.cluster.audit import Audit
from driftlead_operator.cluster.cache import Cache
from driftlead_operator.cluster.discovery import Discovery
from driftlead_operator.cluster.namespaces import Namespaces
from driftlead_operator.decisions import names
from driftlead_operator.errors import NotFoundError, RefusedError, UnreachableError
from driftlead_operator.kinds import KINDS, RESOURCE, Key, Kind

UNSYNCED, FORBIDDEN = "driftlead_operator_unsynced", "driftlead_operator_kind_forbidden"
UNREADABLE = "driftlead_operator_namespace_unreadable"
ROUTE = Kind("Route", "routes.example", "v1", "routes", optional=True)


@pytest.fixture
def optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "Route", ROUTE)


class Server:
    """Listings of an API server that knows some kinds, and counts what it is asked."""

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self.served: set[str] = {name for name, kind in KINDS.items() if not kind.optional}
        self.calls: Counter[str] = Counter()
        self.error: Exception | None = None
        self.refuses: set[str] = set()
        self.forbidden: set[str] = set()

    async def serves(self, kind: str) -> bool:
        self.calls[f"serves {kind}"] += 1
        if self.error:
            raise self.error
        return kind in self.served

    async def list_metadata(self, kind: str, namespace: str | None, _: str = "") -> Listed:
        self.calls[f"list {kind}"] += 1
        if namespace in self.refuses or kind in self.forbidden:
            raise RefusedError(f"list {kind} {namespace}: 403 forbidden")
        if kind not in self.served:
            raise NotFoundError(f"list {kind}: 404 page not found")
        return Listed(self.objects.get(kind, []), 100)


def thing(name: str, version: int) -> dict[str, Any]:
    metadata = {"namespace": "team", "name": name, "uid": name, "resourceVersion": str(version)}
    return {"metadata": {**metadata, "labels": {names.RESOURCE_NAME: "demo"}}}


class Case:
    """A cache, its audit, and what both told."""

    def __init__(self, *named: str) -> None:
        self.server, self.cache = Server(), Cache()
        self.released: list[str] = []
        self.readable: list[Sequence[str]] = []
        self.namespaces = Namespaces(named, readable_changed=self.readable.append)
        self.deleted: list[Key] = []
        self.watched: list[Sequence[str]] = []
        self.discovery = Discovery(cluster=self.server, changed=self.watched.append)  # type: ignore[arg-type]
        self.audit = Audit(
            cache=self.cache,
            cluster=self.server,  # type: ignore[arg-type]
            discovery=self.discovery,
            namespaces=self.namespaces,
            seconds=300,
            on_deleted=self.deleted.append,
            on_synced=lambda: None,
            on_released=self.released.append,
        )


async def test_what_a_listing_lacks_is_dropped_unless_it_is_newer_than_the_listing() -> None:
    case = Case()
    case.cache.put("Service", thing("old", 90))
    case.cache.put("Service", thing("new", 101))
    assert await case.audit.compare()
    assert case.cache.names("Service") == {("team", "new"): 101}
    assert case.deleted == [Key("team", "demo")]


async def test_what_no_watch_told_is_missed_until_it_does() -> None:
    case = Case()
    case.server.objects["Service"] = [thing("demo", 90)]
    assert await case.audit.compare()
    assert list(case.audit.missed) == [("Service", "team", "demo")]
    case.server.objects["Service"] = []
    assert await case.audit.compare()
    assert not case.audit.missed


async def test_a_required_kind_that_is_absent_leaves_the_comparison_incomplete() -> None:
    case = Case()
    case.server.served.remove("CronJob")
    assert not await case.audit.compare()


async def test_without_optional_kinds_nothing_is_discovered() -> None:
    case = Case()
    assert await case.audit.compare()
    assert not [call for call in case.server.calls if call.startswith("serves")]


@pytest.mark.usefixtures("optional")
async def test_an_optional_kind_that_is_absent_counts_as_compared_and_is_never_listed() -> None:
    case = Case()
    for _ in range(3):
        assert await case.audit.compare()
    assert case.server.calls["list Route"] == 0
    assert case.server.calls["serves Route"] == 3  # once for each comparison, not in a loop
    assert "Route" not in case.discovery.present
    assert not case.watched


@pytest.mark.usefixtures("optional")
async def test_an_optional_kind_that_comes_is_watched_and_listed() -> None:
    case = Case()
    await case.audit.compare()
    case.server.served.add("Route")
    case.server.objects["Route"] = [thing("demo", 90)]
    assert await case.audit.compare()
    assert list(case.audit.missed) == [("Route", "team", "demo")]  # until its watch has told
    assert [(RESOURCE in each, "Route" in each) for each in case.watched] == [(True, True)]
    await case.audit.compare()
    assert len(case.watched) == 1


@pytest.mark.usefixtures("optional")
async def test_an_optional_kind_that_goes_empties_the_cache_and_is_watched_no_longer() -> None:
    case = Case()
    case.server.served.add("Route")
    await case.audit.compare()
    case.cache.put("Route", thing("demo", 101))
    case.server.objects["Route"] = [thing("other", 90)]
    await case.audit.compare()
    case.server.served.remove("Route")
    assert await case.audit.compare()
    assert not case.cache.names("Route")
    assert not case.audit.missed
    assert case.deleted == [Key("team", "demo")]
    assert "Route" not in case.watched[-1]


@pytest.mark.usefixtures("optional")
async def test_an_api_server_that_cannot_be_asked_changes_nothing_of_an_optional_kind() -> None:
    case = Case()
    case.server.served.add("Route")
    await case.audit.compare()
    case.cache.put("Route", thing("demo", 90))
    case.server.objects["Route"] = [thing("demo", 90)]
    case.server.error = UnreachableError("nobody there")
    assert not await case.audit.compare()
    assert case.cache.names("Route")
    assert len(case.watched) == 1


@pytest.mark.usefixtures("optional")
async def test_an_optional_kind_that_may_not_be_read_is_reported_and_the_others_go_on() -> None:
    case = Case("team", "other")
    case.server.served.add("Route")
    await case.audit.compare()
    case.cache.put("Route", thing("demo", 90))
    case.server.objects["Service"] = [thing("demo", 90)]
    case.server.forbidden = {"Route"}
    assert await case.audit.compare()
    assert list(case.audit.missed) == [("Service", "team", "demo")]
    assert not case.namespaces.is_held("team")
    assert not case.cache.names("Route")
    assert ["Route" in each for each in case.watched] == [True, False]
    assert metrics.REGISTRY.get_sample_value(FORBIDDEN, {"kind": "Route"}) == 1
    case.server.forbidden = set()
    assert await case.audit.compare()
    assert ["Route" in each for each in case.watched] == [True, False, True]
    assert metrics.REGISTRY.get_sample_value(FORBIDDEN, {"kind": "Route"}) == 0


@pytest.mark.usefixtures("optional")
async def test_an_optional_kind_that_goes_on_refusing_is_logged_once_a_minute() -> None:
    now = [100.0]
    case = Case()
    discovery = Discovery(cluster=case.server, changed=lambda _: None, clock=lambda: now[0])  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as lines:
        for second in range(125):
            now[0] = 100.0 + second
            discovery.note({"Route": "403"})
    assert [line["kind"] for line in lines] == ["Route"] * 3


async def test_what_is_waited_for_is_named_with_its_cause_and_in_a_metric() -> None:
    case = Case("team", "other")
    assert case.audit.waits_for() == ["the first listing is under way"]
    case.server.served.remove("CronJob")
    await case.audit.compare()
    assert "CronJob in namespace team: list CronJob: 404 page not found" in case.audit.waits_for()
    assert metrics.REGISTRY.get_sample_value(UNSYNCED, {"namespace": "team", "kind": "CronJob"}) == 1
    case.server.served.add("CronJob")
    case.server.refuses = {"team", "other"}
    await case.audit.compare()
    refused = f"every kind in namespace other: list {RESOURCE} other: 403 forbidden"
    assert refused in case.audit.waits_for()
    case.server.refuses = set()
    case.server.objects["Service"] = [thing("demo", 90)]
    await case.audit.compare()
    assert case.audit.waits_for() == ["Service in namespace team: no watch has told of demo yet"]
    assert metrics.REGISTRY.get_sample_value(UNSYNCED, {"namespace": "team", "kind": "CronJob"}) is None
    case.cache.put("Service", thing("demo", 90))
    await case.audit._caught_up()
    assert metrics.REGISTRY.get_sample_value(UNSYNCED, {"namespace": "team", "kind": "Service"}) is None


async def test_many_causes_are_a_few_lines() -> None:
    case = Case("team")
    case.server.objects["Service"] = [thing(f"demo-{number}", 90) for number in range(50)]
    case.server.objects["Pod"] = [thing(f"demo-{number}", 90) for number in range(50)]
    await case.audit.compare()
    assert len(case.audit.waits_for()) == 2
    case.server.served.clear()
    await case.audit.compare()
    assert len(case.audit.waits_for()) == 6


async def test_a_namespace_that_refuses_is_held_and_the_others_are_compared() -> None:
    case = Case("team", "deleted")
    case.server.refuses = {"deleted"}
    case.server.objects["Service"] = [thing("demo", 90)]
    assert await case.audit.compare()
    assert list(case.audit.missed) == [("Service", "team", "demo")]
    assert (case.namespaces.is_held("deleted"), case.namespaces.is_held("team")) == (True, False)
    assert case.readable == [["team"]]
    assert metrics.REGISTRY.get_sample_value(UNREADABLE, {"namespace": "deleted"}) == 1
    assert metrics.REGISTRY.get_sample_value(UNREADABLE, {"namespace": "team"}) == 0


async def test_a_namespace_is_released_once_it_is_read_again_and_all_of_it_was_told() -> None:
    case = Case("team", "other")
    case.server.refuses = {"team"}
    await case.audit.compare()
    assert not case.namespaces.release(())
    case.server.refuses = set()
    case.server.objects["Service"] = [thing("demo", 90)]
    assert await case.audit.compare()
    assert case.readable == [["other"], ["team", "other"]]
    assert not case.namespaces.release({name[1] for name in case.audit.missed})
    assert case.namespaces.is_held("team")
    case.cache.put("Service", thing("demo", 90))
    await case.audit.compare()
    case.audit._drop_told()
    assert case.namespaces.release({name[1] for name in case.audit.missed}) == ["team"]
    assert not case.namespaces.is_held("team")


@pytest.mark.parametrize("named", [("team", "other"), ()])
async def test_when_everything_refuses_nothing_is_concluded(named: Sequence[str]) -> None:
    case = Case(*named)
    case.server.refuses = {"team", "other", None}  # type: ignore[arg-type]
    assert not await case.audit.compare()
    assert not case.readable
    assert not case.namespaces.is_held("team")


async def test_a_namespace_that_goes_on_refusing_is_logged_once_a_minute() -> None:
    now = [100.0]
    namespaces = Namespaces(("team", "deleted"), clock=lambda: now[0])
    with structlog.testing.capture_logs() as lines:
        for second in range(125):
            now[0] = 100.0 + second
            namespaces.note({"deleted": "403"})
    assert [line["namespace"] for line in lines] == ["deleted"] * 3
