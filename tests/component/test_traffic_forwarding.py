"""A server that forwards a share to a canary: the user gets the canary's answer byte for byte where it is
good, and prod's own in every other case."""

import asyncio
import gzip
import json
import struct
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import uvloop

from driftlead_inference.settings import Front
from driftlead_inference.traffic import client
from driftlead_inference.traffic.client import Client
from driftlead_log.frames import Mark
from meeting import GOOD, answer, fake, hangs, of_canary, pair, post, prod_of, said, saying, until, written
from serving import service_of

V2 = "/v2/models/Demo/infer"
TABLE = {"name": "input", "shape": [2, 3], "datatype": "FP64"}
BYTES = np.arange(6.0).astype("<f8").tobytes()
BINARY_HEAD = json.dumps(
    {
        "inputs": [{**TABLE, "parameters": {"binary_data_size": len(BYTES)}}],
        "outputs": [
            {"name": "predict", "parameters": {"binary_data": True}},
            {"name": "predict_proba", "parameters": {"binary_data": True}},
        ],
    }
).encode()


REQUESTS = {
    "predict": post(),
    "predict of rows": post(b'{"features":[[1,2,3],[-4,-5,-6]]}'),
    "predict with probabilities": post(path="/predict?probabilities=true"),
    "predict of rows with probabilities": post(
        b'{"features":[[1,2,3],[-4,-5,-6]]}', path="/predict?probabilities=true"
    ),
    "predict with a null": post(b'{"features":[1,null,3]}'),
    "predict, compressed": post(gzip.compress(GOOD, mtime=0), headers=b"content-encoding: gzip\r\n"),
    "V1": post(b'{"instances":[[1,2,3],[-1,-2,-3]]}', path="/v1/models/Demo:predict"),
    "V1 with probabilities": post(
        b'{"instances":[[1,2,3]]}', path="/v1/models/Demo:predict?probabilities=true"
    ),
    "V2": post(json.dumps({"id": "a", "inputs": [{**TABLE, "data": [1, 2, 3, 4, 5, 6]}]}).encode(), path=V2),
    "V2 without id": post(json.dumps({"inputs": [{**TABLE, "data": [1, 2, 3, 4, 5, 6]}]}).encode(), path=V2),
    "V2 binary": post(
        BINARY_HEAD + BYTES, path=V2, headers=b"inference-header-content-length: %d\r\n" % len(BINARY_HEAD)
    ),
    "invocations": post(b'{"inputs":[[1,2,3]]}', path="/invocations"),
    "invocations of CSV": post(
        b"a,b,c\n1,2,3\n-1,,-3\n", path="/invocations", headers=b"content-type: text/csv\r\n"
    ),
}


@pytest.mark.parametrize("kind", list(Front))
@pytest.mark.parametrize("name", REQUESTS)
async def test_the_canarys_answer_reaches_the_user_byte_for_byte(
    name: str, kind: Front, tmp_path: Path
) -> None:
    async with pair(kind, tmp_path) as (prod, canary):
        relayed = await said(prod.port, REQUESTS[name])
        direct = await said(canary.port, REQUESTS[name])
        assert relayed == direct
        assert b"HTTP/1.1 200 OK" in relayed
        assert prod.log.rows == []
        half = len(canary.log.rows) // 2
        assert canary.log.marks == [Mark.FORWARDED] * half + [Mark.NONE] * half
        assert {row.request_id for row in canary.log.rows} == {"r-1"}
        assert prod.log.forwarded == [("5", "canary", 2)]


async def crashes(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.transport.abort()


async def crashes_in_the_middle(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(answer(of_canary())[:-10])
    await writer.drain()
    writer.close()


async def talks_without_end(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b"100000\r\n" + bytes(0x100000) + b"\r\n")
        await writer.drain()


FAILING = {
    "raises": (saying(answer(b'{"detail":"boom"}', b"500 Internal Server Error")), "status"),
    "is loading": (saying(answer(b"{}", b"503 Service Unavailable")), "status"),
    "refuses what prod answers": (saying(answer(b"{}", b"422 Unprocessable Entity")), "status"),
    "redirects": (saying(answer(b"", b"302 Found", more=b"location: http://evil\r\n")), "status"),
    "has no content": (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), "status"),
    "hangs": (hangs, "late"),
    "crashes": (crashes, "lost"),
    "crashes in the middle": (crashes_in_the_middle, "lost"),
    "says what is not HTTP": (saying(b"hello\r\n\r\n"), "lost"),
    "answers NaN": (saying(answer(of_canary(b"NaN"))), "no-number"),
    "answers infinity": (saying(answer(of_canary(b"-Infinity"))), "no-number"),
    "answers null": (saying(answer(of_canary(b"null"))), "no-number"),
    "answers a list": (saying(answer(of_canary(b"[1.0,2.0]"))), "shape"),
    "answers text": (saying(answer(of_canary(b'"yes"'))), "shape"),
    "answers truth": (saying(answer(of_canary(b"true"))), "shape"),
    "answers rows": (saying(answer(of_canary().replace(b"prediction", b"predictions"))), "unreadable"),
    "answers another protocol": (saying(answer(b'{"outputs":[]}')), "unreadable"),
    "answers a list of itself": (saying(answer(b"[1]")), "unreadable"),
    "answers nothing": (saying(answer(b"")), "unreadable"),
    "answers HTML": (saying(answer(b"<html>", kind=b"text/html")), "unreadable"),
    "is another version": (saying(answer(of_canary(), more=b"x-driftlead-version: 6\r\n")), "version"),
    "adds probabilities": (saying(answer(of_canary()[:-1] + b',"probabilities":[0.5,0.5]}')), "shape"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(Front))
@pytest.mark.parametrize("name", FAILING)
async def test_prod_answers_where_the_canary(name: str, kind: Front, tmp_path: Path) -> None:
    behaviour, cause = FAILING[name]
    async with fake(behaviour) as canary, prod_of(kind, written(tmp_path / "t", canary.port)) as prod:
        seen = await said(prod.port, post())
        assert prod.service.forwarder is not None
        assert len(canary.heads) == 1
        assert {str(c): n for c, n in prod.service.forwarder.counts.fallbacks.items()} == {cause: 1}
        prod.service.forwarder.stop()
        assert seen == await said(prod.port, post())
        assert b'"model_version":"3"' in seen
        assert prod.log.marks == [Mark.FALLBACK, Mark.NONE]
        assert prod.log.forwarded == [("5", "canary", 5)]
        assert prod.log.failed == []


async def test_a_canary_that_talks_without_end_does_not_fill_our_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HELD_BYTES", 4 * 1024**2)
    async with fake(talks_without_end) as canary:
        path = written(tmp_path / "t", canary.port, fallbackAfterMilliseconds=600_000)
        async with prod_of(Front.WIRE, path) as prod:
            assert b'"model_version":"3"' in await said(prod.port, post())
            forwarder = prod.service.forwarder
            assert forwarder is not None
            assert forwarder.counts.health()["fallbacks"] == {"lost": 1}
            await until(lambda: forwarder.canary.client.held == 0)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", list(Front))
async def test_a_canary_that_is_not_there_is_no_users_affair(kind: Front, tmp_path: Path) -> None:
    async with fake(hangs) as gone:
        port = gone.port
    async with prod_of(kind, written(tmp_path / "t", port)) as prod:
        assert b'"model_version":"3"' in await said(prod.port, post())
        assert prod.service.forwarder is not None
        assert prod.service.forwarder.counts.health()["fallbacks"] == {"unreachable": 1}


@pytest.mark.parametrize("kind", list(Front))
async def test_what_prod_would_refuse_and_what_is_no_prediction_is_never_forwarded(
    kind: Front, tmp_path: Path
) -> None:
    asked = [
        post(b"{"),
        post(b'{"features":[1,2]}'),
        post(b'{"features":[null,2,3]}'),
        post(b'{"features":[1e300,2,3]}'),
        post(b'{"features":[["a",2,3]]}'),
        post(path="/predict?probabilities=perhaps"),
        post(b'{"instances":[[null,2,3]]}', path="/v1/models/Demo:predict"),
        post(b'{"instances":[[1,2,3]]}', path="/v1/models/Other:predict"),
        post(b'{"request_id":"r-1","label":1,"odd":1}', path="/feedback"),
        post(path="/nowhere"),
        post(headers=b"x-driftlead-forwarded: answer\r\n"),
        post(headers=b"x-driftlead-forwarded: whatever\r\n"),
        # Who names a version wants that one.
        post(
            json.dumps({"inputs": [{**TABLE, "data": [1, 2, 3, 4, 5, 6]}]}).encode(),
            path="/v2/models/Demo/versions/3/infer",
        ),
        b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ]
    async with fake(hangs) as canary:
        path = written(tmp_path / "t", canary.port, weight=50, shadow=100)
        async with prod_of(kind, path) as prod:
            replies = [(await said(prod.port, request))[9:12] for request in asked for _ in range(4)]
            await asyncio.sleep(0.05)
        assert canary.heads == []
    assert Counter(replies) == {b"422": 32, b"404": 8, b"200": 16}


async def test_of_what_both_refuse_the_canary_is_not_blamed(tmp_path: Path) -> None:
    """The model itself refuses 13: neither front can know before."""
    async with pair(Front.ASGI, tmp_path) as (prod, canary):
        for _ in range(8):
            seen = await said(prod.port, post(b'{"features":[13,2,3]}'))
            assert b"HTTP/1.1 422" in seen
            assert b"thirteen" in seen
        assert prod.service.forwarder is not None
        assert prod.service.forwarder.canary is not None
        assert prod.service.forwarder.canary.breaker.closed
        assert prod.log.forwarded == [("5", "canary", 4)] * 8
        assert prod.log.failed == canary.log.failed == []  # counted once, as the canary's


@pytest.mark.parametrize("kind", list(Front))
async def test_after_failures_in_a_row_nothing_is_forwarded_any_more(kind: Front, tmp_path: Path) -> None:
    async with fake(FAILING["raises"][0]) as canary:
        async with prod_of(kind, written(tmp_path / "t", canary.port)) as prod:
            for _ in range(30):
                assert b"HTTP/1.1 200" in await said(prod.port, post())
            state = prod.service.health()["traffic"]
        assert len(canary.heads) == 5
        assert isinstance(state, dict)
        assert (state["weight"], state["weight_in_force"]) == (100, 0.0)
        assert state["breaker"]["state"] == "open"
        assert "5 failures in a row, the last: status 500" in state["breaker"]["reason"]


async def test_the_tries_of_an_open_breaker_are_copies_and_close_it_again(tmp_path: Path) -> None:
    good = answer(of_canary())
    replies = [answer(b"{}", b"500 Internal Server Error")] * 5 + [good] * 100

    async def behave(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(replies.pop(0))

    now = 1000.0
    async with fake(behave) as canary:
        path = written(tmp_path / "t", canary.port)
        async with prod_of(Front.WIRE, path, clock=lambda: now) as prod:
            forwarder = prod.service.forwarder
            assert forwarder is not None
            assert forwarder.canary is not None
            for _ in range(10):
                await said(prod.port, post())
            now += 9
            await said(prod.port, post())
            assert len(canary.heads) == 5
            now += 2
            for number in range(3):
                assert b'"model_version":"3"' in await said(prod.port, post())
                await until(lambda number=number: len(canary.heads) == 6 + number)  # type: ignore[misc]
                await until(lambda: not forwarder.canary.breaker.trying)  # type: ignore[union-attr]
            assert [b"x-driftlead-forwarded: copy" in head for head in canary.heads[5:]] == [True] * 3
            assert forwarder.canary.breaker.closed
            assert b'"model_version":"5"' in await said(prod.port, post())


@pytest.mark.parametrize("kind", list(Front))
async def test_a_share_is_exact_on_kept_connections(kind: Front, tmp_path: Path) -> None:
    keep = post().replace(b"connection: close\r\n", b"")
    async with pair(kind, tmp_path, weight=5) as (prod, canary):
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(said(prod.port, keep * 99 + post()))
        met, own = len(canary.log.rows), len(prod.log.rows)
        assert met + own == 400
        assert abs(met - 20) <= 1


@pytest.mark.parametrize("kind", list(Front))
async def test_a_key_meets_the_same_side_and_keeps_it_at_a_higher_weight(kind: Front, tmp_path: Path) -> None:
    async def met(weight: int, name: bytes) -> set[int]:
        found = set()
        (tmp_path / str(weight)).mkdir(exist_ok=True)
        async with pair(kind, tmp_path / str(weight), weight=weight, key={"header": "X-User"}, salt="s") as (
            prod,
            _,
        ):
            for user in range(40):
                seen = await said(prod.port, post(headers=b"%b: u-%d\r\n" % (name, user)))
                if b'"model_version":"5"' in seen:
                    found.add(user)
        return found

    few = await met(20, b"X-User")
    assert few == await met(20, b"x-uSER")
    assert 0 < len(few) < 40
    assert few <= await met(60, b"X-User")


async def test_only_what_the_canary_needs_leaves_with_a_request(tmp_path: Path) -> None:
    headers = (
        b"authorization: Bearer t\r\ncookie: secret=1\r\ncontent-type: application/json\r\nx-user: me\r\n"
    )
    async with (
        fake(saying(answer(of_canary()))) as canary,
        prod_of(Front.ASGI, written(tmp_path / "t", canary.port)) as prod,
    ):
        await said(prod.port, post(headers=headers, path="/predict?a=b"))
    assert canary.bodies == [GOOD]
    assert canary.heads[0].split(b"\r\n") == [
        b"POST /predict?a=b HTTP/1.1",
        b"host: 127.0.0.1:%d" % canary.port,
        b"content-length: %d" % len(GOOD),
        b"x-driftlead-forwarded: answer",
        b"content-type: application/json",
        b"authorization: Bearer t",
        b"x-request-id: r-1",
        b"",
        b"",
    ]


async def test_an_answer_that_comes_too_late_never_answers_another_request(tmp_path: Path) -> None:
    """Each answer names the request that it is for; the first is held back until it is late."""
    first = asyncio.Event()

    async def behave(writer: asyncio.StreamWriter, body: bytes) -> None:
        number = json.loads(body)["features"][0]
        if number == 1:
            await asyncio.wait_for(first.wait(), 5)
        writer.write(answer(of_canary(b"%d.5" % number)))

    async with fake(behave) as canary, prod_of(Front.WIRE, written(tmp_path / "t", canary.port)) as prod:
        late = asyncio.create_task(said(prod.port, post(b'{"features":[1,2,3]}')))
        await until(lambda: canary.heads)
        assert b"2.5" in await said(prod.port, post(b'{"features":[2,2,3]}'))
        assert b'"model_version":"3"' in await late
        first.set()
        for number in range(3, 20):
            assert b"%d.5" % number in await said(prod.port, post(b'{"features":[%d,2,3]}' % number))


async def test_two_answers_to_one_request_end_the_connection(tmp_path: Path) -> None:
    twice = answer(of_canary(b"1.5")) + answer(of_canary(b"9.5"))
    async with (
        fake(saying(twice)) as canary,
        prod_of(Front.WIRE, written(tmp_path / "t", canary.port)) as prod,
    ):
        for _ in range(3):
            seen = await said(prod.port, post())
            assert b"1.5" in seen or b'"model_version":"3"' in seen


@pytest.mark.parametrize("kind", list(Front))
async def test_a_server_that_drains_answers_by_itself(kind: Front, tmp_path: Path) -> None:
    async with fake(hangs) as canary, prod_of(kind, written(tmp_path / "t", canary.port)) as prod:
        assert prod.service.forwarder is not None
        prod.service.forwarder.stop()
        for _ in range(5):
            assert b'"model_version":"3"' in await said(prod.port, post())
        assert canary.heads == []


async def test_that_prod_was_held_up_itself_makes_no_answer_late(tmp_path: Path) -> None:
    """The answer is there when the process goes on, but so is the timer."""

    async def behave(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(answer(of_canary()))
        asyncio.get_running_loop().call_soon(time.sleep, 0.12)

    async with fake(behave) as canary, prod_of(Front.WIRE, written(tmp_path / "t", canary.port)) as prod:
        for _ in range(5):
            assert b'"model_version":"5"' in await said(prod.port, post())


def test_all_of_it_works_on_the_servers_own_event_loop(tmp_path: Path) -> None:
    """uvloop's transports are none of asyncio's classes."""

    async def ask() -> None:
        async with pair(Front.WIRE, tmp_path) as (prod, _):
            assert b'"model_version":"5"' in await said(prod.port, post())
        async with fake(hangs) as canary, prod_of(Front.WIRE, written(tmp_path / "t", canary.port)) as prod:
            assert b'"model_version":"3"' in await said(prod.port, post())

    uvloop.run(ask())


async def test_a_fault_of_our_own_is_no_users_affair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*arguments: object) -> None:
        raise RuntimeError("a mistake")

    async with pair(Front.WIRE, tmp_path) as (prod, _):
        monkeypatch.setattr(Client, "data", breaks)
        assert b'"model_version":"3"' in await said(prod.port, post())


def test_a_binary_answer_of_nan_is_no_number() -> None:
    """Of another server: ours refuses to answer NaN."""
    from driftlead_inference.protocols import PROTOCOLS  # noqa: PLC0415
    from driftlead_inference.protocols.protocol import Incoming, Reply  # noqa: PLC0415

    async def check() -> None:
        service, _ = service_of()
        served = service.ready()
        protocol = PROTOCOLS[2]
        body = BINARY_HEAD + BYTES
        headers = {b"inference-header-content-length": b"%d" % len(BINARY_HEAD)}
        request = protocol.read(Incoming(headers, body, b"", {}, "r"), served, 100)
        for value, cause in ((1.0, None), (float("nan"), "no-number"), (float("inf"), "no-number")):
            tails = struct.pack("<2d", 0.0, value), struct.pack("<4d", 0.5, 0.5, 0.5, 0.5)
            outputs = [
                {
                    "name": name,
                    "shape": [2, width],
                    "datatype": "FP64",
                    "parameters": {"binary_data_size": len(tail)},
                }
                for name, width, tail in (("predict", 1, tails[0]), ("predict_proba", 2, tails[1]))
            ]
            head = json.dumps({"model_name": "", "model_version": "", "id": "", "outputs": outputs}).encode()
            length = (b"inference-header-content-length", b"%d" % len(head))
            reply = Reply(head + b"".join(tails), b"application/octet-stream", (length,))
            fault = protocol.fault(reply, request, served)
            assert (None if fault is None else str(fault.cause)) == cause

    asyncio.run(check())
