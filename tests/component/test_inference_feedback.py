"""`POST /feedback` against a real Postgres: stored before it is acknowledged, and once."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from driftlead_inference import feedback_store
from driftlead_inference.metrics import Metrics
from driftlead_inference.settings import Front
from driftlead_log.migrate import apply
from neighbours import Postgres
from neighbours.logged import serving_role
from serving import Kept, front, service_of

GOOD = {"request_id": "a-1", "label": 1}
STORED = 'SELECT request_id, "row", label, label_text, observed_at FROM feedback ORDER BY 1, 2'


@dataclass
class Table:
    """A migrated database: the owner's connection, and the DSN of the role that serves."""

    owner: asyncpg.Connection
    dsn: str

    async def stored(self) -> list[tuple[Any, ...]]:
        """All that was stored."""
        return [tuple(row) for row in await self.owner.fetch(STORED)]


@pytest.fixture
async def table(postgres_server: Postgres) -> AsyncIterator[Table]:
    dsn = postgres_server.create_database()
    owner = await asyncpg.connect(dsn)
    role = await serving_role(owner)
    await apply(dsn)
    yield Table(owner, dsn.replace("driftlead@", f"{role}@"))
    await owner.close()


@dataclass
class Answers:
    """What one server answered, its metrics and the log that it would have written."""

    replies: list[httpx2.Response]
    metrics: Metrics
    log: Kept

    @property
    def statuses(self) -> list[int]:
        """The HTTP statuses in turn."""
        return [reply.status_code for reply in self.replies]


async def send(dsn: str, *bodies: Any, kind: Front = Front.ASGI, **changes: Any) -> Answers:
    """One server's answers to each body in turn; a body that can be called is awaited between them."""
    service, log = service_of(postgres_dsn=dsn, **changes)
    replies = []
    async with front(service, kind) as port, httpx2.AsyncClient() as client:
        for body in bodies:
            if callable(body):
                await body()
                continue
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            replies.append(await client.post(f"http://127.0.0.1:{port}/feedback", content=content))
    if service.labels is not None:
        service.labels.close()
    return Answers(replies, service.metrics, log)


def detail(reply: httpx2.Response) -> str:
    """The sentence of a problem."""
    assert reply.headers["content-type"] == "application/problem+json"
    said: str = reply.json()["detail"]
    return said


@pytest.mark.parametrize("kind", [Front.WIRE, Front.ASGI])
async def test_labels_of_every_kind_are_stored_by_the_role_that_serves(table: Table, kind: Front) -> None:
    several = [
        {"request_id": "b", "row": 3.0, "label": -0.5, "observed_at": "2026-01-02T03:04:05+02:00"},
        {"request_id": "c", "label": "späť"},
        {"request_id": "d", "label": True},
    ]
    answers = await send(table.dsn, GOOD, several, kind=kind)
    assert [reply.json() for reply in answers.replies] == [
        {"received": 1, "stored": 1},
        {"received": 3, "stored": 3},
    ]
    observed = datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert await table.stored() == [
        ("a-1", 0, 1.0, None, None),
        ("b", 3, -0.5, None, observed),
        ("c", 0, None, "späť", None),
        ("d", 0, 1.0, None, None),
    ]


async def test_the_first_label_of_a_row_stays_and_the_same_again_is_harmless(table: Table) -> None:
    other = {**GOOD, "label": 0}
    answers = await send(table.dsn, GOOD, GOOD, [other, {**other, "row": 1}, {**GOOD, "row": 1}])
    assert [reply.json()["stored"] for reply in answers.replies] == [1, 0, 1]
    assert [row[:3] for row in await table.stored()] == [("a-1", 0, 1.0), ("a-1", 1, 0.0)]
    counted = {
        sample.labels["result"]: sample.value
        for family in answers.metrics.labels.collect()
        for sample in family.samples
    }
    assert counted == {"stored": 2.0, "known": 3.0}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b'{"request_id": "a", "label": NaN}', "NaN"),
        (b'{"request_id": "\\ud800", "label": 1}', "not valid JSON"),
        (7, 'the body must be {"request_id"'),
        ([], "1 to 3 rows"),
        ([GOOD] * 4, "1 to 3 rows"),
        ({"label": 1}, "request_id"),
        ({"request_id": "a"}, "label"),
        ({"request_id": 7, "label": 1}, "request_id"),
        ({"request_id": "", "label": 1}, "label 0: `request_id`"),
        ({"request_id": "a b", "label": 1}, "visible ASCII"),
        ({"request_id": "ä", "label": 1}, "visible ASCII"),
        ({"request_id": "a" * 129, "label": 1}, "1 to 128"),
        ({"request_id": "a", "label": None}, "label"),
        ({"request_id": "a", "label": [1]}, "label"),
        (b'{"request_id": "a", "label": 1e999}', "out of range"),
        ({"request_id": "a", "label": "a\0b"}, "NUL"),
        ({"request_id": "a", "label": 1, "row": -1}, "row"),
        ({"request_id": "a", "label": 1, "row": 2**31}, "row"),
        ({"request_id": "a", "label": 1, "row": 0.5}, "row"),
        ({"request_id": "a", "label": 1, "observed_at": "yesterday"}, "observed_at"),
        ({"request_id": "a", "label": 1, "observed_at": "2026-01-02T03:04:05"}, "observed_at"),
        ({"request_id": "a", "label": 1, "observedAt": "2026-01-02T03:04:05Z"}, "observedAt"),
        ([GOOD, {"request_id": "", "label": 1}], "label 1:"),
    ],
)
async def test_what_is_no_label_is_refused_with_a_sentence_and_nothing_is_stored(
    body: Any, sentence: str
) -> None:
    answers = await send("postgresql://x@127.0.0.1:1/x", body, rows=3)
    assert answers.statuses == [422]
    assert sentence in detail(answers.replies[0])


async def test_a_server_without_a_log_says_so(table: Table) -> None:
    answers = await send(table.dsn, GOOD, log_mode="off")
    assert answers.statuses == [409]
    assert "logs no predictions" in detail(answers.replies[0])
    assert await table.stored() == []


async def test_the_token_of_predictions_is_asked_of_labels_too(table: Table) -> None:
    assert (await send(table.dsn, GOOD, requires_token="secret")).statuses == [401]


@contextmanager
def silent() -> Iterator[str]:
    """The DSN of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"postgresql://x@127.0.0.1:{listening.getsockname()[1]}/x"


async def test_without_postgres_nothing_is_acknowledged_and_no_prediction_counts_as_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feedback_store, "SECONDS", 0.3)
    with silent() as dsn:
        for unreachable in ("postgresql://x@127.0.0.1:1/x", dsn):
            answers = await send(unreachable, GOOD)
            assert answers.statuses == [503]
            assert "not stored: Postgres does not answer" in detail(answers.replies[0])
            assert answers.replies[0].headers["retry-after"] == "5"
            assert answers.log.failed == []


async def test_a_connection_that_was_cut_while_it_was_idle_costs_no_label(table: Table) -> None:
    async def cut() -> None:
        ended = await table.owner.fetchval(
            "SELECT bool_and(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = 'driftlead-feedback' AND datname = current_database()"
        )
        assert ended
        await asyncio.sleep(0.1)

    answers = await send(table.dsn, GOOD, cut, {**GOOD, "row": 1})
    assert answers.statuses == [200, 200]
    assert len(await table.stored()) == 2


async def test_a_database_of_another_release_or_without_the_right_says_what_to_do(table: Table) -> None:
    await table.owner.execute("REVOKE INSERT ON feedback FROM driftlead_serving")
    assert "may not INSERT" in detail((await send(table.dsn, GOOD)).replies[0])
    await table.owner.execute("DROP TABLE feedback")
    assert "driftlead-drift migrate" in detail((await send(table.dsn, GOOD)).replies[0])


async def test_the_role_that_serves_may_not_read_or_change_labels(table: Table) -> None:
    await send(table.dsn, GOOD)
    role = await asyncpg.connect(table.dsn)
    for forbidden in ("SELECT * FROM feedback", "UPDATE feedback SET label = 0", "DELETE FROM feedback"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await role.execute(forbidden)
    await role.close()


async def test_many_clients_with_the_same_labels_in_any_order_store_each_once(table: Table) -> None:
    many = [{"request_id": f"r{number}", "label": 1} for number in range(50)]
    answers = await asyncio.gather(*[send(table.dsn, many[turn:] + many[:turn]) for turn in range(8)])
    assert [answer.statuses for answer in answers] == [[200]] * 8
    assert sum(answer.replies[0].json()["stored"] for answer in answers) == 50
    assert len(await table.stored()) == 50


async def test_every_answer_is_one_that_the_openapi_promises(table: Table, tmp_path: Path) -> None:
    service, _ = service_of(postgres_dsn=table.dsn)
    bounds = ["--max-examples=40", "--seed=1", "--generation-database=none", "--no-color"]
    async with front(service, Front.WIRE) as port:
        child = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")), "run", "--include-path=/feedback", *bounds,
            f"http://127.0.0.1:{port}/openapi.json",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await child.communicate()
    assert service.labels is not None
    service.labels.close()
    assert child.returncode == 0, said.decode()[-4000:]
    assert len(await table.stored()) > 0
