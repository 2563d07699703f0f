"""The promise through the whole server: HTTP, kill -9, and every acknowledged request id in the log."""

import asyncio
import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from driftlead_log.migrate import apply
from neighbours import Postgres, postgres
from neighbours.inference import Inference, inference_server
from neighbours.models import FEATURES, regression, rows, saved
from neighbours.postgres import serving

ROUNDS = int(os.environ.get("DRIFTLEAD_SERVER_FAULT_ROUNDS", "2"))
CLIENTS = 4


class Client(threading.Thread):
    """Asks until the server is gone; `acknowledged`: the request ids that were answered, with their rows."""

    def __init__(self, server: Inference, name: str) -> None:
        super().__init__(daemon=True)
        self._port = int(server.url.rpartition(":")[2])
        self._name = name
        self.acknowledged: dict[str, int] = {}
        self.calls = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            while True:
                self.calls += 1
                identifier, count = f"{self._name}-{self.calls}", random.choice([1, 1, 3])
                table = rows(count, seed=self.calls).tolist()
                body = json.dumps({"features": table[0] if count == 1 else table})
                connection.request("POST", "/predict", body, {"X-Request-ID": identifier})
                reply = connection.getresponse()
                assert reply.status == 200, reply.read()
                assert json.loads(reply.read())["request_id"] == identifier
                self.acknowledged[identifier] = count
        except (OSError, http.client.HTTPException):
            return


def attacked(server: Inference, name: str) -> list[Client]:
    """Clients of a server that is killed in the middle of their requests."""
    clients = [Client(server, f"{name}-{number}") for number in range(CLIENTS)]
    for client in clients:
        client.start()
    while sum(len(client.acknowledged) for client in clients) < 20:
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.5))
    os.killpg(server.process.pid, signal.SIGKILL)
    for client in clients:
        client.join(30)
    return clients


async def logged(dsn: str) -> Counter[str]:
    """How many rows each request has in the log, each of them once."""
    connection = await asyncpg.connect(dsn)
    found = await connection.fetch("SELECT request_id, row FROM inference_logs")
    await connection.close()
    assert len(found) == len(set(found))
    return Counter(record["request_id"] for record in found)


@pytest.mark.parametrize("mode", ["async", "durable"])
def test_each_acknowledged_request_is_logged_once_however_often_the_server_is_killed(
    postgres_server: Postgres, tmp_path: Path, mode: str
) -> None:
    dsn = postgres_server.create_database()
    asyncio.run(apply(dsn))
    model = saved(tmp_path / "model", regression(), rows())
    clients: list[Client] = []
    for number in range(ROUNDS):
        front = ["wire", "asgi"][number % 2]
        variables = {"DRIFTLEAD_LOG_MODE": mode, "DRIFTLEAD_POSTGRES_DSN": dsn, "DRIFTLEAD_FRONT": front}
        with inference_server(model, tmp_path, **variables) as server:
            clients += attacked(server, f"round{number}")
    with inference_server(model, tmp_path, **variables) as server:
        server.predict([0.0] * FEATURES)
        server.process.terminate()
        assert server.process.wait(60) == 0

    counts = asyncio.run(logged(dsn))
    answered = {name: rows for client in clients for name, rows in client.acknowledged.items()}
    assert len(answered) >= 20 * ROUNDS
    assert {name: counts[name] for name in answered} == answered
    unanswered = set(counts) - set(answered)
    assert len(unanswered) <= ROUNDS * CLIENTS + 1


def test_while_the_database_is_unreachable_durable_answers_503_in_time_and_delivers_the_row_later(
    tmp_path: Path,
) -> None:
    model = saved(tmp_path / "model", regression(), rows())
    # With fsync: else a commit that was acknowledged a moment before the crash may be gone.
    with postgres(fsync=True) as server, ExitStack() as again:
        dsn = server.create_database()
        asyncio.run(apply(dsn))
        variables = {
            "DRIFTLEAD_LOG_MODE": "durable",
            "DRIFTLEAD_POSTGRES_DSN": dsn,
            "DRIFTLEAD_DURABLE_SECONDS": "0.5",
        }
        with inference_server(model, tmp_path, **variables) as served:
            body = {"features": [0.0] * FEATURES}
            assert served.ask("/predict", body, **{"X-Request-ID": "before"})[0] == 200
            pid = server.pid()
            server.crash()
            os.waitpid(pid, 0)
            status, problem = served.ask("/predict", body, **{"X-Request-ID": "during"})
            health = served.ask("/health")[1]
            again.enter_context(serving(server, fsync=True))
            while served.ask("/predict", body, **{"X-Request-ID": "after"})[0] != 200:
                time.sleep(0.1)
        assert (status, problem["committed"]) == (503, False)
        assert "stands in the spool" in problem["detail"]
        assert health["log"]["pending"] == 1
        counts = asyncio.run(logged(dsn))
    assert (counts["before"], counts["during"]) == (1, 1)
    assert counts["after"] >= 1
