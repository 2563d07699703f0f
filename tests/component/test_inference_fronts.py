"""The two fronts have one behaviour: a corpus and random conversations are answered equally, byte for
byte."""

import asyncio
import gzip
import random

import pytest
import uvicorn
from uvicorn.server import ServerState

from driftlead_inference.fronts.app import create_app
from driftlead_inference.fronts.wire import wire_of
from driftlead_inference.settings import Front
from serving import Kept, Listener, conversation, front, service_of, talk

GOOD = b'{"features":[1,2,3]}'
CLOSE = b"connection: close\r\n"


def post(
    body: bytes = GOOD, headers: bytes = b"", path: bytes = b"/predict", version: bytes = b"1.1"
) -> bytes:
    """A request with a length."""
    return b"POST %b HTTP/%b\r\nhost: x\r\ncontent-length: %d\r\n%b\r\n%b" % (
        path,
        version,
        len(body),
        headers,
        body,
    )


LAST = post(headers=CLOSE)
CHUNKED = (
    b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    b'a\r\n{"features\r\na\r\n":[1,2,3]}\r\n0\r\n\r\n'
)
HUGE_HEADERS = b"".join(b"x-%d: %b\r\n" % (at, b"v" * 900) for at in range(90))

CONVERSATIONS: dict[str, list[bytes]] = {
    "one request": [LAST],
    "keep-alive": [post(), LAST],
    "pipelined": [post() + post(b'{"features":[-1,-2,-3]}') + post(b'{"features":[0,0,1]}') + LAST],
    "pipelined beyond a cap": [post() * 300 + LAST],
    "pipelined with a refusal between": [post() + post(b'{"features":[1]}') + post() + LAST],
    "pipelined with other routes between": [
        post() + b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n" + post() + LAST
    ],
    "split in the head": [LAST[:30], LAST[30:]],
    "split before the body": [LAST[:-20], LAST[-20:]],
    "split in the body": [LAST[:-5], LAST[-5:]],
    "split, then whole": [post()[:40], post()[40:] + post(), LAST],
    "a whole one, then a part": [post() + post()[:25], post()[25:] + LAST],
    "many single bytes": [bytes([byte]) for byte in LAST],
    "chunked": [CHUNKED],
    "chunked after a whole one": [post() + CHUNKED],
    "keep-alive asked for": [post(headers=b"Connection: Keep-Alive\r\n"), LAST],
    "HTTP/1.0": [post(version=b"1.0")],
    "HTTP/1.0 with keep-alive": [post(version=b"1.0", headers=b"connection: keep-alive\r\n")],
    "HEAD": [b"HEAD /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
    "GET": [b"GET /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
    "PUT": [LAST.replace(b"POST", b"PUT")],
    "OPTIONS": [b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
    "lower-case method": [LAST.replace(b"POST", b"post")],
    "absolute form": [post(path=b"http://x/predict", headers=CLOSE)],
    "a query": [post(path=b"/predict?probabilities=true", headers=CLOSE)],
    "an escaped path": [post(path=b"/%70redict", headers=CLOSE)],
    "a slash too many": [post(path=b"/predict/", headers=CLOSE)],
    "own request id": [
        post(headers=b"X-Request-ID: abc-1\r\n"),
        post(headers=b"x-request-id: abc 1\r\n"),
        LAST,
    ],
    "request id with a quote": [post(headers=b'x-request-id: a"b\r\n' + CLOSE)],
    "request id twice": [post(headers=b"x-request-id: a\r\nx-request-id: b\r\n" + CLOSE)],
    "expect 100": [post(headers=b"expect: 100-continue\r\n" + CLOSE)],
    "gzip said": [post(headers=b"content-encoding: gzip\r\n" + CLOSE)],
    "gzip": [post(gzip.compress(GOOD, mtime=0), headers=b"content-encoding: gzip\r\n"), LAST],
    "gzip that unpacks to too much": [
        post(gzip.compress(bytes(9 * 1024**2), mtime=0), headers=b"Content-Encoding: gzip\r\n"),
        LAST,
    ],
    "an encoding that nobody knows": [post(headers=b"content-encoding: br\r\n"), LAST],
    "upgrade": [post(headers=b"connection: upgrade\r\nupgrade: h2c\r\n"), LAST],
    "huge headers": [post(headers=HUGE_HEADERS + CLOSE)],
    "a hundred headers and more": [post(headers=b"a: b\r\n" * 120 + CLOSE)],
    "a hundred headers and more, kept alive": [post(headers=b"a: b\r\n" * 120), LAST],
    "a hundred headers": [post(headers=b"a: b\r\n" * 98), LAST],
    "no length": [b"POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
    "length 0": [post(b"", headers=CLOSE)],
    "length twice": [LAST.replace(b"host: x", b"content-length: 20")],
    "length of letters": [LAST.replace(b"content-length: 20", b"content-length: xx")],
    "length negative": [LAST.replace(b"content-length: 20", b"content-length: -1")],
    "length with a plus": [LAST.replace(b"content-length: 20", b"content-length: +20")],
    "length too small": [LAST.replace(b"content-length: 20", b"content-length: 19")],
    "length beyond the limit": [LAST.replace(b"content-length: 20", b"content-length: 999999999")],
    "length and chunked": [CHUNKED.replace(b"host: x", b"content-length: 5")],
    "bare line feeds": [LAST.replace(b"\r\n", b"\n")],
    "a folded header": [post(headers=b"x-a: b\r\n c\r\n" + CLOSE)],
    "a space before the colon": [post(headers=b"x-a : b\r\n" + CLOSE)],
    "a header without a colon": [post(headers=b"nonsense\r\n" + CLOSE)],
    "NUL in a header": [post(headers=b"x-a: b\0c\r\n" + CLOSE)],
    "Latin-1 in a header": [post(headers=b"x-a: \xe4\r\n" + CLOSE)],
    "blank lines first": [b"\r\n\r\n" + LAST],
    "garbage": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    "garbage after a whole one": [post() + b"garbage\r\n\r\n"],
    "not JSON": [post(b"{", headers=CLOSE)],
    "NaN": [post(b'{"features":[NaN,1,2]}', headers=CLOSE)],
    "no features": [post(b'{"rows":[1,2,3]}', headers=CLOSE)],
    "text": [post(b'{"features":["a",1,2]}', headers=CLOSE)],
    "too few": [post(b'{"features":[1,2]}', headers=CLOSE)],
    "null where it may be": [post(b'{"features":[1,null,3]}', headers=CLOSE)],
    "null where it may not": [post(b'{"features":[null,2,3]}', headers=CLOSE)],
    "beyond float32": [post(b'{"features":[1e300,2,3]}', headers=CLOSE)],
    "beyond float64": [post(b'{"features":[1e999,2,3]}', headers=CLOSE)],
    "what the model refuses": [post(b'{"features":[13,2,3]}') + post() + LAST],
    "no answer": [post(b'{"features":[14,2,3]}') + post() + LAST],
    "several rows": [post(b'{"features":[[1,2,3],[-1,-2,-3]]}', headers=CLOSE)],
    "no rows": [post(b'{"features":[]}', headers=CLOSE)],
    "white space": [post(b' { "features" : [ 1 ,\n\t2 , 3 ] } ', headers=CLOSE)],
    "more members": [post(b'{"a":{"features":[0]},"features":[1,2,3],"b":"]"}', headers=CLOSE)],
    "BOM": [post(b"\xef\xbb\xbf" + GOOD, headers=CLOSE)],
    "another route": [post(b'{"instances":[[1,2,3]]}', path=b"/v1/models/Demo:predict", headers=CLOSE)],
    "a request that says predict in its body": [
        b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(LAST),
        LAST,
        LAST,
    ],
}


async def answer(kind: Front, parts: list[bytes]) -> Listener:
    """What a front answers, with the ids from the beginning."""
    service, _ = service_of()
    async with front(service, kind) as port:
        return await conversation(port, parts, pause=0.002)


def equal(one: Listener, other: Listener) -> bool:
    """Whether two answers are the same, as far as a reset connection let them through."""
    if not (one.reset or other.reset):
        return one.answer == other.answer
    shorter, longer = sorted([one.answer, other.answer], key=len)
    return longer.startswith(shorter)


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_both_fronts_answer_the_corpus_equally(name: str) -> None:
    wire, asgi = await answer(Front.WIRE, CONVERSATIONS[name]), await answer(Front.ASGI, CONVERSATIONS[name])
    assert equal(wire, asgi), (wire.answer, asgi.answer)


async def test_the_corpus_is_answered_at_all() -> None:
    whole = (await answer(Front.WIRE, CONVERSATIONS["pipelined"])).answer
    assert whole.count(b"HTTP/1.1 200 OK") == 4
    assert [whole.find(b'"request_id":"id-%d"' % at) > 0 for at in (1, 2, 3, 4)] == [True] * 4


def said_at_random(dice: random.Random) -> list[bytes]:
    """Random requests, cut at random places."""
    blocks = [parts for name, parts in CONVERSATIONS.items() if name not in ("many single bytes", "garbage")]
    stream = b"".join(
        dice.choice(
            [post(), post(), post(b'{"features":[-1,-2,-3]}'), *(b"".join(parts) for parts in blocks)]
        )
        for _ in range(dice.randint(1, 6))
    )
    if dice.random() < 0.3:  # damage a byte
        at = dice.randrange(len(stream))
        stream = stream[:at] + bytes([dice.randrange(256)]) + stream[at + 1 :]
    cuts = sorted(dice.randrange(len(stream)) for _ in range(dice.randint(0, 4)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return [part for part in [*parts, b"\r\n\r\n", LAST] if part]


@pytest.mark.parametrize("seed", range(6))
async def test_both_fronts_answer_random_conversations_equally(seed: int) -> None:
    dice = random.Random(seed)
    for number in range(10):
        said = said_at_random(dice)
        wire, asgi = await answer(Front.WIRE, said), await answer(Front.ASGI, said)
        assert equal(wire, asgi), (seed, number, said, wire.answer, asgi.answer)


class Deaf(asyncio.Transport):
    """A transport whose client does not read: it remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """Nothing to end."""


async def test_a_client_that_does_not_read_is_not_read_either() -> None:
    service, kept = service_of()
    config = uvicorn.Config(create_app(service), http=wire_of(service), log_config=None)
    config.load()
    wire, transport = wire_of(service)(config, ServerState(), {}), Deaf()
    wire.connection_made(transport)
    wire.data_received(post())
    await asyncio.sleep(0.01)
    assert transport.written.count(b"200 OK") == 1
    wire.pause_writing()
    wire.data_received(post() * 2000)
    await asyncio.sleep(0.01)
    assert len(kept.rows) == 1
    assert not transport.reading
    wire.resume_writing()
    await asyncio.wait_for(all_rows(kept, 2001), 5)
    assert transport.written.count(b"200 OK") == 2001
    assert transport.reading
    wire.connection_lost(ConnectionResetError())


async def all_rows(kept: Kept, count: int) -> None:
    """Returns once this number of rows was logged and answered."""
    while len(kept.rows) < count:
        kept.appended.clear()
        await kept.appended.wait()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", list(Front))
async def test_a_request_under_way_is_answered_when_the_server_ends(kind: Front) -> None:
    service, kept = service_of(log_mode="durable")
    async with front(service, kind) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post())
        await asyncio.wait_for(kept.appended.wait(), 3)
        closing = asyncio.create_task(asyncio.sleep(0.2))
        closing.add_done_callback(lambda _: kept.committed.set())
    answer = await asyncio.wait_for(reader.read(), 3)
    writer.close()
    assert b"HTTP/1.1 200 OK" in answer
    assert b"connection: close" in answer


@pytest.mark.parametrize("kind", list(Front))
async def test_while_draining_every_reply_ends_its_connection(kind: Front) -> None:
    service, _ = service_of()
    async with front(service, kind) as port:
        service.draining = True
        answer = await talk(port, [post()])
        assert b"HTTP/1.1 200 OK" in answer
        assert b"connection: close" in answer
        assert b"503" in await talk(port, [b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"])


@pytest.mark.parametrize("kind", list(Front))
@pytest.mark.parametrize("part", [LAST[:30], LAST[:-5]])
async def test_a_request_that_does_not_arrive_in_time_is_ended(kind: Front, part: bytes) -> None:
    service, kept = service_of(body_seconds=0.1)
    async with front(service, kind) as port:
        assert b"HTTP/1.1 408" in await talk(port, [part])
    assert kept.rows == []


@pytest.mark.parametrize("kind", list(Front))
async def test_with_a_token_nobody_else_predicts(kind: Front) -> None:
    service, _ = service_of(requires_token="secret")
    async with front(service, kind) as port:
        assert b"HTTP/1.1 401" in await talk(port, [post(headers=CLOSE)])
        assert b"HTTP/1.1 401" in await talk(port, [post(headers=b"authorization: Bearer no\r\n" + CLOSE)])
        assert b"HTTP/1.1 200" in await talk(
            port, [post(headers=b"authorization: Bearer secret\r\n" + CLOSE)]
        )
        assert b"HTTP/1.1 200" in await talk(
            port, [b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"]
        )


async def test_the_log_gets_the_same_rows_from_both_fronts() -> None:
    logged = []
    for kind in Front:
        service, kept = service_of()
        async with front(service, kind) as port:
            await talk(
                port,
                [post() + post(b'{"features":[1, null,3]}') + post(b'{"features":[[1,2,3],[4,5,6]]}'), LAST],
            )
        logged.append(
            [(r.request_id, r.row, r.features_json, r.features_f32, r.prediction, r.ts) for r in kept.rows]
        )
    assert logged[0] == logged[1]
    assert [row[2] for row in logged[0]] == [
        b"[1,2,3]",
        b"[1, null,3]",
        b"[1.0,2.0,3.0]",
        b"[4.0,5.0,6.0]",
        b"[1,2,3]",
    ]
