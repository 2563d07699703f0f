"""Compressed bodies: unpacked within the limit, or refused with a sentence."""

import gzip
import zlib

import pytest

from driftlead_inference.fronts.encodings import unpacked
from driftlead_inference.problems import Refused

BODY = b'{"features":[1,2,3]}'


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (BODY, b"identity"),
        (BODY, b""),
        (gzip.compress(BODY), b"gzip"),
        (gzip.compress(BODY), b" X-GZIP "),
        (zlib.compress(BODY), b"deflate"),
    ],
)
def test_what_was_compressed_is_what_it_was(body: bytes, encoding: bytes) -> None:
    assert unpacked(body, encoding, 100) == BODY


@pytest.mark.parametrize(
    ("body", "encoding", "status", "words"),
    [
        (BODY, b"br", 415, "'br' is not taken"),
        (BODY, b"gzip, gzip", 415, "is not taken"),
        (BODY, b"gzip", 422, "is not the gzip"),
        (gzip.compress(BODY)[:-9], b"gzip", 422, "ends too early"),
        (gzip.compress(BODY) + b"more", b"gzip", 422, "more follows"),
        (b"", b"gzip", 422, "ends too early"),
        (gzip.compress(bytes(101)), b"gzip", 413, "larger than 100 bytes"),
        (gzip.compress(bytes(50_000_000)), b"gzip", 413, "larger than 100 bytes"),
    ],
)
def test_what_cannot_be_unpacked_is_said(body: bytes, encoding: bytes, status: int, words: str) -> None:
    with pytest.raises(Refused) as caught:
        unpacked(body, encoding, 100)
    assert caught.value.problem.status == status
    assert words in caught.value.problem.detail


def test_a_body_as_large_as_the_limit_is_taken() -> None:
    assert unpacked(gzip.compress(bytes(100)), b"gzip", 100) == bytes(100)
