"""A server follows its traffic file, also one that a kubelet swaps; copies never delay a reply."""

import asyncio
import json
from pathlib import Path

import pytest

from driftlead_inference.settings import Front
from driftlead_inference.traffic import forwarder as forwarding
from driftlead_inference.traffic.copies import WAITING
from driftlead_inference.traffic.file import TrafficFile
from driftlead_log.frames import Mark
from meeting import (
    GOOD,
    answer,
    fake,
    forwarder_of,
    hangs,
    of_canary,
    pair,
    post,
    prod_of,
    said,
    until,
    written,
)
from serving import front, service_of


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "LOOK_SECONDS", 0.01)


def text(weight: float = 5) -> str:
    return json.dumps({"canary": {"url": "http://127.0.0.1:1"}, "weight": weight})


def test_what_is_not_taken_leaves_what_was_said_before(tmp_path: Path) -> None:
    path = tmp_path / "traffic.json"
    file = TrafficFile(path)
    assert not file.look()
    assert (file.split.canary, file.error) == (None, "")
    path.write_text(text(5))
    assert file.look()
    assert not file.look()
    for broken, words in (
        ('{"canary"', "not valid JSON"),
        (text(101), "from 0 to 100"),
        ("x" * 70_000, "larger"),
    ):
        path.write_text(broken)
        assert not file.look()
        assert file.split.weight == 5
        assert words in file.error
        assert "stays in force" in file.error
    path.unlink()
    path.mkdir()
    assert not file.look()
    assert "cannot be read" in file.error
    assert file.split.weight == 5
    path.rmdir()
    assert file.look()  # no file forwards nothing
    assert (file.split.canary, file.error) == (None, "")


def test_a_file_behind_swapped_links_is_read_again(tmp_path: Path) -> None:
    """A kubelet's ConfigMap: traffic.json -> ..data/traffic.json, and ..data -> a folder that is replaced."""
    for name, weight in (("one", 5), ("two", 25)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "traffic.json").write_text(text(weight))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "traffic.json").symlink_to("..data/traffic.json")
    file = TrafficFile(tmp_path / "traffic.json")
    assert file.look()
    assert file.split.weight == 5
    (tmp_path / "..fresh").symlink_to("two")
    (tmp_path / "..fresh").rename(tmp_path / "..data")
    assert file.look()
    assert file.split.weight == 25


@pytest.mark.parametrize("kind", list(Front))
async def test_a_change_of_the_file_is_followed_and_health_says_what_is_wrong(
    kind: Front, tmp_path: Path
) -> None:
    async with pair(kind, tmp_path, weight=0) as (prod, canary):
        forwarder = prod.service.forwarder
        assert forwarder is not None
        forwarder.start()
        path = tmp_path / "traffic.json"

        async def answered_by(version: str) -> None:
            word = b'"model_version":"%b"' % version.encode()
            async with asyncio.timeout(5):
                while word not in await said(prod.port, post()):
                    pass

        await answered_by("3")
        written(path, canary.port)
        await answered_by("5")
        path.write_text("{")
        await until(lambda: forwarder.file.error)
        await answered_by("5")
        health = prod.service.health()["traffic"]
        assert isinstance(health, dict)
        assert "is not valid JSON" in health["error"]
        assert (health["weight"], health["weight_in_force"]) == (100, 100.0)
        path.write_text('{"canary": null}')
        await answered_by("3")
        assert prod.service.health()["traffic"]["canary"] is None  # type: ignore[index]


@pytest.mark.parametrize("kind", list(Front))
async def test_copies_are_sent_behind_the_replies_and_are_not_served(kind: Front, tmp_path: Path) -> None:
    async with pair(kind, tmp_path, weight=0, shadow=100) as (prod, canary):
        alone, _ = service_of()
        async with front(alone, kind) as port:
            direct = await said(port, post())
        assert await said(prod.port, post()) == direct
        await until(lambda: canary.log.rows)
        assert [row.request_id for row in canary.log.rows + prod.log.rows] == ["r-1", "r-1"]
        assert canary.log.marks == [Mark.COPIED]
        assert prod.log.marks == [Mark.NONE]
        await until(lambda: prod.log.forwarded == [("5", "canary", 2)])


async def test_what_prod_did_not_answer_is_not_copied(tmp_path: Path) -> None:
    async with fake(hangs) as canary:
        async with prod_of(Front.WIRE, written(tmp_path / "t", canary.port, weight=0, shadow=100)) as prod:
            assert b"HTTP/1.1 422" in await said(prod.port, post(b'{"features":[13,2,3]}'))
            assert b"HTTP/1.1 500" in await said(prod.port, post(b'{"features":[14,2,3]}'))
            await asyncio.sleep(0.05)
        assert canary.heads == []


@pytest.mark.parametrize("kind", list(Front))
async def test_a_canary_that_hangs_delays_no_reply_and_drops_are_counted(kind: Front, tmp_path: Path) -> None:
    keep = post().replace(b"connection: close\r\n", b"")
    async with fake(hangs) as canary:
        path = written(tmp_path / "t", canary.port, weight=0, shadow=100, fallbackAfterMilliseconds=600_000)
        async with prod_of(kind, path) as prod:
            seen = await said(prod.port, keep * (WAITING + 99) + post())
            assert seen.count(b"HTTP/1.1 200 OK") == WAITING + 100
            counts = prod.service.forwarder.counts.health()  # type: ignore[union-attr]
            assert counts["shadow_sent"] == 0
            assert counts["shadow_dropped"] == 100 - len(canary.heads)
            assert 0 < len(canary.heads) <= 8


async def test_large_copies_are_bounded_by_their_bytes(tmp_path: Path) -> None:
    row = b"[1,2,%b3]" % (b" " * 7_000_000)
    async with fake(hangs) as canary:
        path = written(tmp_path / "t", canary.port, weight=0, shadow=100, fallbackAfterMilliseconds=600_000)
        async with prod_of(Front.ASGI, path) as prod:
            for _ in range(5):
                assert b"HTTP/1.1 200 OK" in await said(prod.port, post(b'{"features":%b}' % row))
            forwarder = prod.service.forwarder
            assert forwarder is not None
            assert forwarder.counts.dropped == 3
            forwarder.canary.client.close()  # type: ignore[union-attr]
            await until(lambda: forwarder.copies.held == 0)


async def test_a_copy_that_fails_counts_against_the_canary_and_opens_the_breaker(tmp_path: Path) -> None:
    async def behave(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(answer(of_canary(b"null")))

    async with fake(behave) as canary:
        path = written(tmp_path / "t", canary.port, weight=0, shadow=100)
        async with prod_of(Front.WIRE, path) as prod:
            for number in range(5):
                await said(prod.port, post())
                await until(lambda number=number: len(prod.log.forwarded) == number + 1)  # type: ignore[misc]
            assert not prod.service.forwarder.canary.breaker.closed  # type: ignore[union-attr]
            await said(prod.port, post())
            await asyncio.sleep(0.05)
            assert len(canary.heads) == 5
            assert prod.log.forwarded == [("5", "canary", 5)] * 5


async def test_another_canary_begins_with_a_clean_slate(tmp_path: Path) -> None:
    async with fake(hangs) as bad, pair(Front.WIRE, tmp_path) as (_, good):
        path = written(tmp_path / "t", bad.port, fallbackAfterMilliseconds=20)
        async with prod_of(Front.WIRE, path) as prod:
            forwarder = prod.service.forwarder
            assert forwarder is not None
            for _ in range(6):
                await said(prod.port, post())
            assert forwarder.in_force == 0.0
            written(path, good.port)
            forwarder.look()
            assert forwarder.in_force == 100.0
            assert b'"model_version":"5"' in await said(prod.port, post())


async def test_without_a_file_nothing_is_forwarded_and_all_is_as_before(tmp_path: Path) -> None:
    service, _ = service_of()
    forwarder_of(service, tmp_path / "none.json")
    assert service.forwarder is not None
    assert service.forwarder.own(GOOD)
    assert service.health()["traffic"]["weight"] == 0  # type: ignore[index]
