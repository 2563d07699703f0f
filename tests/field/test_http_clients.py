"""HTTP as clients that people have speak it: offers of other protocols, HEAD, slashes, Host, request ids.

Java's HttpClient and Spring's RestClient offer `Upgrade: h2c` with every plain request, and lost its body
(uvicorn#2722); probes of load balancers and `wget --spider` ask by HEAD.
"""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from driftlead_inference.settings import Front
from serving import front, service_of, talk

pytestmark = pytest.mark.parametrize("kind", list(Front))
BODY = b'{"features":[1,2,3]}'
OFFER = (
    b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    b"Upgrade: h2c\r\n"
)
OFFERS = {
    "java": OFFER,
    "lower case": OFFER.lower(),
    "upgrade last": b"upgrade: h2c\r\nconnection: HTTP2-Settings, upgrade\r\nhttp2-settings: AAMA\r\n",
    "connection twice": b"Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n",
    "tls": b"Connection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n",
    "several": b"Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: foo/2\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "upgrade alone": b"Upgrade: h2c\r\n",
    "nothing offered": b"Connection: Upgrade\r\n",
}
V1, V2 = b"/v1/models/Demo:predict", b"/v2/models/Demo/infer"
BODIES = {
    b"/predict": BODY,
    V1: b'{"instances":[[1,2,3]]}',
    V2: b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP64","data":[1,2,3]}]}',
    b"/invocations": b'{"instances":[[1,2,3]]}',
    b"/predict?probabilities=true": BODY,
    b"/predict/": BODY,
}
GOT = [
    "/health", "/livez", "/readyz", "/ping", "/metrics", "/version", "/docs", "/openapi.json", "/v1/models",
    "/v1/models/Demo", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/Demo",
    "/v2/models/Demo/ready", "/v2/models/Demo/versions/3", "/v2/models/Demo/versions/3/ready",
]  # fmt: skip


def post(
    headers: bytes = b"", path: bytes = b"/predict", body: bytes = BODY, version: bytes = b"1.1"
) -> bytes:
    """A request with a length."""
    head = b"POST %b HTTP/%b\r\nHost: localhost\r\nContent-Length: %d\r\n%b\r\n"
    return head % (path, version, len(body), headers) + body


def chunked(headers: bytes = b"") -> bytes:
    """The same in chunks."""
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n%b\r\n"
    return head % headers + b"8\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (BODY[:8], len(BODY) - 8, BODY[8:])


def asked(method: str, path: str, *headers: str) -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


LAST = post(b"Connection: close\r\n")


async def answer(kind: Front, *parts: bytes, pause: float = 0.002, **changes: Any) -> bytes:
    """What a server of its own answers, until it closes."""
    service, _ = service_of(**changes)
    async with front(service, kind) as port:
        return await talk(port, list(parts), pause)


def replies(said: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each reply."""
    found = []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        length = int(headers["content-length"])
        found.append((int(lines[0].split()[1]), headers, rest[:length]))
        said = rest[length:]
    return found


@pytest.mark.parametrize("offer", OFFERS)
async def test_an_offer_of_another_protocol_changes_no_answer(kind: Front, offer: str) -> None:
    headers = OFFERS[offer]
    for make in (post, chunked):
        said = await answer(kind, make(headers), make(), LAST)
        assert said == await answer(kind, make(), make(), LAST)
        assert [status for status, _, _ in replies(said)] == [200, 200, 200]


async def test_offers_that_are_pipelined_are_all_answered(kind: Front) -> None:
    """What follows an offer on the connection was never answered."""
    said = await answer(kind, post(OFFER) * 3 + post() + chunked(OFFER) + post(OFFER) + LAST)
    assert said == await answer(kind, post() * 4 + chunked() + post() + LAST)
    assert said.count(b"HTTP/1.1 200 OK") == 7


@pytest.mark.parametrize("at", range(1, len(post(OFFER)), 40))
async def test_an_offer_that_comes_in_two_parts_is_answered(kind: Front, at: int) -> None:
    whole = post(OFFER)
    said = await answer(kind, whole[:at], whole[at:] + LAST)
    assert [status for status, _, _ in replies(said)] == [200, 200]


async def test_a_large_body_behind_an_offer_is_read_whole(kind: Front) -> None:
    body = b'{"features":[%b]}' % b",".join([b"[1, 2, 3]"] * 9000)
    request = post(OFFER, body=body)
    said = await answer(kind, request[:70_000], request[70_000:], LAST)
    (status, _, found), last = replies(said)
    assert (status, last[0]) == (200, 200)
    assert len(json.loads(found)["predictions"]) == 9000


@pytest.mark.parametrize("path", BODIES)
async def test_an_offer_is_answered_in_every_protocol(kind: Front, path: bytes) -> None:
    said = await answer(kind, post(OFFER, path, BODIES[path]), LAST)
    assert said == await answer(kind, post(b"", path, BODIES[path]), LAST)
    assert replies(said)[0][0] == 200


async def test_an_offer_with_close_expect_or_http_1_0_is_answered_as_without(kind: Front) -> None:
    close = b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n"
    assert await answer(kind, post(close)) == await answer(kind, LAST)
    old = await answer(kind, post(b"Connection: Upgrade\r\nUpgrade: h2c\r\n", version=b"1.0"))
    assert replies(old)[0][0] == 200
    expecting = await answer(kind, post(OFFER + b"Expect: 100-continue\r\n"), LAST)
    assert expecting.count(b"HTTP/1.1 200 OK") == 2


async def test_a_websocket_gets_the_answer_of_the_route(kind: Front) -> None:
    """There is none here: its client reads the status and says that it could not switch."""
    for path, status in (("/health", 200), ("/predict", 405), ("/ws", 404)):
        offer = OFFERS["websocket"].decode().strip().split("\r\n")
        said = await answer(kind, asked("GET", path, *offer), asked("GET", path), LAST)
        one, other, last = replies(said)
        assert (one[0], last[0]) == (status, 200)
        assert one[0] == other[0]
        assert one[2] == other[2]


async def test_what_is_wrong_behind_an_offer_is_refused_as_without(kind: Front) -> None:
    for body, status in ((b"{", 422), (b'{"features":[1]}', 422)):
        said = replies(await answer(kind, post(OFFER, body=body), LAST))
        assert [each[0] for each in said] == [status, 200]
    assert b"HTTP/1.1 413" in await answer(kind, post(OFFER, body=b"x" * 2000), LAST, body_bytes=1024)
    assert b"HTTP/1.1 408" in await answer(kind, post(OFFER)[:-3], body_seconds=0.1)
    assert b"HTTP/1.1 431" in await answer(kind, post(OFFER + b"a: b\r\n" * 120))
    assert b"HTTP/1.1 400" in await answer(kind, post(OFFER) + b"\x16\x03\x01\r\n\r\n")
    assert b"HTTP/1.1 401" in await answer(kind, post(OFFER), requires_token="secret")


async def test_a_tunnel_is_refused_behind_what_was_asked_before(kind: Front) -> None:
    tunnel = b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n" + post()
    assert [each[0] for each in replies(await answer(kind, post() + tunnel, post()))] == [200, 501]
    ((status, _, body),) = replies(await answer(kind, tunnel))
    assert (status, b"no proxy" in body) == (501, True)


async def test_head_gives_the_headers_of_get_without_a_body(kind: Front) -> None:
    service, _ = service_of()
    async with front(service, kind) as port:
        for path in GOT:
            head = await talk(port, [asked("HEAD", path, "Connection: close")])
            found = await talk(port, [asked("GET", path, "Connection: close")])
            assert head.startswith(b"HTTP/1.1 200 OK\r\n"), path
            assert head.endswith(b"\r\n\r\n")
            if path != "/metrics":  # counts
                assert head + found.partition(b"\r\n\r\n")[2] == found
            again = await talk(port, [asked("HEAD", path) + LAST])  # a body would stand before the next reply
            assert again.partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1 200 OK\r\n")


async def test_head_says_what_get_would_be_refused_with(kind: Front) -> None:
    assert (await answer(kind, asked("HEAD", "/predict", "Connection: close"))).startswith(b"HTTP/1.1 405")
    assert (await answer(kind, asked("HEAD", "/nowhere", "Connection: close"))).startswith(b"HTTP/1.1 404")
    service, _ = service_of()
    service.serving = None
    async with front(service, kind) as port:
        said = await talk(port, [asked("HEAD", "/readyz", "Connection: close")])
    assert said.startswith(b"HTTP/1.1 503")
    ((_, headers, _),) = replies(await answer(kind, asked("DELETE", "/health", "Connection: close")))
    assert headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/predict", "/invocations", V1.decode(), V2.decode()])
async def test_a_slash_at_the_end_changes_no_post(kind: Front, path: str) -> None:
    body = BODIES[path.encode()]
    said = await answer(kind, post(path=f"{path}/".encode(), body=body), LAST)
    assert said == await answer(kind, post(path=path.encode(), body=body), LAST)
    assert replies(said)[0][0] == 200


async def test_a_slash_at_the_end_changes_no_get(kind: Front) -> None:
    service, _ = service_of()
    async with front(service, kind) as port:
        for path in GOT:
            asking = [asked("GET", each, "Connection: close") for each in (path, f"{path}/")]
            (one, other) = [replies(await talk(port, [each]))[0] for each in asking]
            assert (one[0], other[0]) == (200, 200), path
            assert {**one[1], "content-length": ""} == {**other[1], "content-length": ""}
            assert "location" not in other[1]


async def test_what_is_nowhere_with_a_slash_is_nowhere(kind: Front) -> None:
    for path in ("/nowhere/", "/predict/x", "//predict"):
        ((status, headers, _),) = replies(await answer(kind, post(b"Connection: close\r\n", path.encode())))
        assert (status, "location" in headers) == (404, False)


HOSTS = {
    "none": (b"", 400),
    "two": (b"Host: a\r\nHost: b\r\n", 400),
    "two that are equal": (b"Host: a\r\nhost: a\r\n", 400),
    "a list": (b"Host: a, b\r\n", 400),
    "a path": (b"Host: a/b\r\n", 400),
    "somebody": (b"Host: user@a\r\n", 400),
    "a blank": (b"Host: a b\r\n", 400),
    "a port that is none": (b"Host: a:http\r\n", 400),
    "a name": (b"Host: bikes.prod.svc.cluster.local\r\n", 200),
    "a name with a port": (b"Host: my_model:8000\r\n", 200),
    "an address": (b"Host: 10.0.0.1:8000\r\n", 200),
    "IPv6": (b"Host: [::1]:8000\r\n", 200),
    "IPv6 with a zone": (b"Host: [fe80::1%25eth0]\r\n", 200),
    "empty": (b"Host:\r\n", 200),
    "blanks around": (b"Host:   a  \r\n", 200),
}


async def test_a_request_has_one_host(kind: Front) -> None:
    """RFC 9112, section 3.2: a proxy before and a server behind that read another one may be played off."""
    service, _ = service_of()
    async with front(service, kind) as port:
        for case, (headers, status) in HOSTS.items():
            length = b"Content-Length: %d\r\n" % len(BODY)
            for start, rest in ((b"GET /livez", b"\r\n"), (b"POST /predict", length + b"\r\n" + BODY)):
                request = b"%b HTTP/1.1\r\n%bConnection: close\r\n%b" % (start, headers, rest)
                ((seen, found, body),) = replies(await talk(port, [request]))
                assert seen == status, case
                assert found["connection"] == "close"
                if status == 400:
                    assert "Host" in json.loads(body)["detail"]


async def test_credentials_and_ids_may_stand_between_blanks(kind: Front) -> None:
    headers = b"Authorization:  Bearer secret \r\nX-Request-ID: \ta-1 \r\nConnection: close\r\n"
    ((status, found, _),) = replies(await answer(kind, post(headers), requires_token="secret"))
    assert (status, found["x-request-id"]) == (200, "a-1")


async def test_http_1_0_knew_no_host(kind: Front) -> None:
    request = post(version=b"1.0").replace(b"Host: localhost\r\n", b"")
    assert replies(await answer(kind, request))[0][0] == 200
    two = post(b"Host: b\r\n", version=b"1.0")
    assert replies(await answer(kind, two))[0][0] == 400


async def test_a_host_that_is_wrong_is_refused_behind_what_was_asked_before(kind: Front) -> None:
    said = replies(await answer(kind, post() + post(b"Host: b\r\n") + post()))
    assert [status for status, _, _ in said] == [200, 400]


@pytest.mark.parametrize("sent", ["order 17", 'a"b', "a\\b", "x" * 129, "Straße"])
async def test_a_request_id_that_cannot_be_kept_is_told(kind: Front, sent: str) -> None:
    """A label of that id would never find its row."""
    for path in (b"/predict", V1):
        request = post(b"X-Request-ID: %b\r\nConnection: close\r\n" % sent.encode(), path, BODIES[path])
        ((status, headers, _),) = replies(await answer(kind, request))
        assert (status, headers["x-request-id"]) == (200, "id-1")
        assert "1 to 128 visible ASCII" in headers["x-request-id-error"]


@pytest.mark.parametrize("sent", ["order-17", "x" * 128, "a{}:/,'", ""])
async def test_a_request_id_that_is_kept_needs_no_word(kind: Front, sent: str) -> None:
    request = post(b"X-Request-ID: %b\r\nConnection: close\r\n" % sent.encode())
    ((_, headers, body),) = replies(await answer(kind, request))
    assert headers["x-request-id"] == json.loads(body)["request_id"] == (sent or "id-1")
    assert "x-request-id-error" not in headers


class References(HTMLParser):
    """Whatever a page makes a browser ask for, or go to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
@pytest.mark.parametrize("loaded", [True, False])
async def test_the_page_of_the_routes_needs_nobody_else(kind: Front, path: str, loaded: bool) -> None:
    """A pod has no way to the internet, and a script from elsewhere would read along."""
    service, _ = service_of(requires_token="secret")
    if not loaded:
        service.serving = None
    async with front(service, kind) as port:
        said = await talk(port, [asked("GET", path, "Connection: close")])
        ((status, headers, body),) = replies(said)
        page = References()
        page.feed(body.decode())
        assert status == 200
        assert "script" not in page.tags
        assert "default-src 'none'" in headers["content-security-policy"]
        for reference in page.found:
            if reference.startswith("data:"):
                continue
            assert not re.match(r"[a-z]+:|//", reference)
            target = "/openapi.json" if path == "/docs" else "/docs/../openapi.json"
            assert f"/docs/../{reference}".replace("/docs/../../", "/docs/../") == "/docs/../openapi.json"
            there = await talk(port, [asked("GET", target.replace("/docs/..", ""), "Connection: close")])
            assert there.startswith(b"HTTP/1.1 200 OK")


async def test_the_commands_of_the_page_work(kind: Front) -> None:
    service, _ = service_of()
    async with front(service, kind) as port:
        ((_, _, body),) = replies(await talk(port, [asked("GET", "/docs", "Connection: close")]))
        commands = re.findall(r"<pre>curl (.*?)</pre>", body.decode())
        predicting = [each for each in commands if " -d " in each and "feedback" not in each]
        assert len(predicting) == 4
        for each in predicting:
            host, path, sent = re.fullmatch(r"([^/]*)(/\S*) -d &#x27;(.*)&#x27;", each).groups()  # type: ignore[union-attr]
            document = sent.replace("&quot;", '"').encode()
            assert host == "localhost"
            said = replies(await talk(port, [post(b"Connection: close\r\n", path.encode(), document)]))
            assert said[0][0] == 200, (path, said)
        for each in set(commands) - set(predicting):
            path = each.partition("/")[2].partition(" ")[0]
            if "feedback" not in path:
                ((status, _, _),) = replies(await talk(port, [asked("GET", f"/{path}", "Connection: close")]))
                assert status == 200, path
