"""Whatever is too much is refused by both fronts with a document that programs can read, and a status of its
own."""

import asyncio
import json
from typing import Any

import pytest

from driftlead_inference.batching import Pace
from driftlead_inference.recorder.types import SpoolFull
from driftlead_inference.settings import Front
from serving import Kept, front, service_of, talk

pytestmark = pytest.mark.parametrize("kind", list(Front))
CLOSE = b"connection: close\r\n"
ROW = b"[1,2,3]"
V1 = b"/v1/models/Demo:predict"


def post(body: bytes = b'{"features":[1,2,3]}', headers: bytes = CLOSE, path: bytes = b"/predict") -> bytes:
    """A request that ends its connection."""
    head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%b\r\n"
    return head % (path, len(body), headers) + body


def rows(count: int) -> bytes:
    """A body with this number of rows."""
    return b'{"features":[%b]}' % b",".join([ROW] * count)


def refusal(answer: bytes) -> tuple[int, dict[str, Any], bytes]:
    """Status, problem document and head of an answer, which must be one whole problem."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    document = json.loads(body)
    status = int(head.split()[1])
    assert document["status"] == status
    assert document["detail"] and document["title"]
    return status, document, head


@pytest.mark.parametrize(
    ("said", "status", "field", "expected"),
    [
        (post(rows(200)), 413, "body", "at most 1024 bytes"),
        (post(rows(4)), 422, "features", "1 to 3 rows"),
        (post(rows(4).replace(b"features", b"instances"), path=V1), 422, "features", "1 to 3 rows"),
        (post(b'{"features":[1,"two",3]}'), 422, "f1", "a number"),
        (post(b'{"features":[1,2,null]}'), 422, "f2", "a number"),
        (post(headers=b"a: b\r\n" * 120), 431, "headers", "at most 100"),
    ],
    ids=["body", "rows", "rows of another protocol", "text", "null", "headers"],
)  # fmt: skip
async def test_what_is_too_much_or_wrong_is_named_with_what_was_seen_and_expected(
    kind: Front, said: bytes, status: int, field: str, expected: str
) -> None:
    service, kept = service_of(body_bytes=1024, rows=3)
    async with front(service, kind) as port:
        seen, document, _ = refusal(await talk(port, [said]))
    assert seen == status
    assert (document["field"], document["expected"]) == (field, expected)
    assert document["seen"]
    assert kept.rows == []


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (post(headers=b"a: " + b"b" * 70_000 + b"\r\n"), 431, "64 KiB"),
        (b"this is not HTTP\r\n\r\n", 400, "not a request of HTTP/1.1"),
        (post()[:40], 408, "in time"),
        (post(headers=CLOSE + b"content-encoding: br\r\n"), 415, "'br'"),
    ],
    ids=["head", "not HTTP", "time", "encoding"],
)
async def test_what_is_no_whole_request_is_answered_too(
    kind: Front, said: bytes, status: int, words: str
) -> None:
    service, kept = service_of(body_seconds=0.2)
    async with front(service, kind) as port:
        seen, document, _ = refusal(await talk(port, [said]))
    assert (seen, kept.rows) == (status, [])
    assert words in document["detail"]


async def test_rows_beyond_those_that_may_wait_are_asked_to_come_again(kind: Front) -> None:
    service, _ = service_of(pace=Pace(1.0, 0.0), waiting_rows=2)
    async with front(service, kind) as port:
        answers = await asyncio.gather(*(talk(port, [post(rows(2))]) for _ in range(20)))
    refused = [answer for answer in answers if b"200 OK" not in answer]
    assert refused
    for answer in refused:
        status, document, head = refusal(answer)
        assert (status, document["seen"]) == (429, "2 rows waiting")
        assert b"retry-after: 1" in head


async def test_before_the_model_is_loaded_clients_are_asked_to_come_again(kind: Front) -> None:
    service, _ = service_of()
    service.serving = None
    async with front(service, kind) as port:
        status, document, head = refusal(await talk(port, [post()]))
    assert (status, b"retry-after: 1" in head) == (503, True)
    assert "/readyz" in document["detail"]


async def test_a_full_spool_that_may_not_drop_refuses(kind: Front) -> None:
    class Full(Kept):
        def append(self, rows: Any, mark: Any = None) -> int:
            raise SpoolFull

    service, _ = service_of()
    service.log = Full()
    async with front(service, kind) as port:
        status, document, head = refusal(await talk(port, [post()]))
    assert (status, b"retry-after: 5" in head) == (503, True)
    assert "spool" in document["detail"]
