"""uvicorn's replies leave in one write each."""

import pytest

from driftlead_inference.fronts.guarded import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Remembering:
    """A transport that remembers what it was asked for."""

    def __init__(self) -> None:
        self.said: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def close(self) -> None:
        self.said.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.said


@pytest.fixture
def transport() -> Remembering:
    return Remembering()


@pytest.fixture
def whole(transport: Remembering) -> OneWrite:
    return OneWrite(transport)


def test_a_head_leaves_with_the_body_that_follows(transport: Remembering, whole: OneWrite) -> None:
    whole.write(HEAD)
    whole.write(b"{}")
    whole.write(HEAD)
    whole.write(b"[]")
    assert transport.said == [HEAD + b"{}", HEAD + b"[]"]


def test_a_head_without_a_body_leaves_when_its_reply_is_complete(
    transport: Remembering, whole: OneWrite
) -> None:
    whole.write(HEAD)
    assert transport.said == []
    whole.flush()
    whole.flush()
    assert transport.said == [HEAD]


def test_closing_sends_what_is_held_first(transport: Remembering, whole: OneWrite) -> None:
    whole.write(HEAD)
    whole.close()
    assert transport.said == [HEAD, "closed"]
    assert whole.is_closing()


def test_a_client_that_waits_for_100_continue_is_told_at_once(
    transport: Remembering, whole: OneWrite
) -> None:
    whole.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.said == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_parts_of_a_long_body_are_not_held(transport: Remembering, whole: OneWrite) -> None:
    whole.write(HEAD)
    whole.write(b"4\r\npart\r\n")
    whole.write(b"0\r\n\r\n")
    assert transport.said == [HEAD + b"4\r\npart\r\n", b"0\r\n\r\n"]
