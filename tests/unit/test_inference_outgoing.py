"""What is written in one pass of the event loop leaves together, in order, and nothing of it is lost."""

import asyncio

import pytest

from driftlead_inference.fronts.outgoing import Outgoing, PendingWrites

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
Said = list[tuple[str, bytes | str]]


class Remembering:
    """A transport that remembers what it was asked for, among others of the same list."""

    def __init__(self, name: str, said: Said) -> None:
        self.name = name
        self.said = said

    def write(self, data: bytes) -> None:
        assert not self.is_closing()
        self.said.append((self.name, data))

    def close(self) -> None:
        self.said.append((self.name, "closed"))

    def is_closing(self) -> bool:
        return (self.name, "closed") in self.said


@pytest.fixture
def said() -> Said:
    return []


@pytest.fixture
def connections(said: Said) -> list[Outgoing]:
    pending_writes = PendingWrites()
    return [Outgoing(Remembering(name, said), pending_writes) for name in "ab"]


async def passed() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_a_pass_leaves_in_one_write_for_each_connection(
    said: Said, connections: list[Outgoing]
) -> None:
    one, other = connections
    one.write(HEAD)
    other.write(HEAD)
    one.write(b"{}")
    other.write(b"[]")
    assert said == []
    await passed()
    assert said == [("a", HEAD + b"{}"), ("b", HEAD + b"[]")]
    one.write(HEAD)
    await passed()
    assert said[2:] == [("a", HEAD)]


async def test_closing_sends_what_is_held_first(said: Said, connections: list[Outgoing]) -> None:
    one, _ = connections
    one.write(HEAD)
    one.close()
    assert said == [("a", HEAD), ("a", "closed")]
    await passed()
    assert len(said) == 2


async def test_what_is_written_through_leaves_at_once_behind_what_is_held(
    said: Said, connections: list[Outgoing]
) -> None:
    one, _ = connections
    one.write_through(b"1")
    one.write(b"2")
    one.write_through(b"3")
    assert said == [("a", b"1"), ("a", b"23")]
    await passed()
    assert len(said) == 2


async def test_a_client_that_is_gone_keeps_nobody_else_from_an_answer(
    said: Said, connections: list[Outgoing]
) -> None:
    one, other = connections
    one.write(HEAD)
    other.write(HEAD)
    said.append(("a", "closed"))
    await passed()
    assert said == [("a", "closed"), ("b", HEAD)]
