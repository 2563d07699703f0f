"""Whether a canary can hurt a user: real servers, canaries bad in each way, and a look at every answer.

Run: python -m benchmarks.canary_harm [--requests 1000000] [--connections 4] [--cases hang,raise] [--shares 5]

Prod forwards a share of `/predict` to a canary that is good for the first quarter of a case and then raises,
hangs, crashes, answers NaN or another shape, or takes 10 s. Clients send one request after another over kept
connections, each with an id of its own. Demanded, of all requests together and of each case:

- every request is answered 200 with a prediction under its own id;
- every id stands once in the view `inference_logs_served` of a real Postgres, and nothing else does;
- each request counts once in `drift_hist`, for the side that was asked first;
- the 99th percentile over all is at most twice prod's own, measured between the cases, and 5 ms;
- nothing is forwarded later than one second after the breaker opened.

The canary's process is killed after each case and started once more on its folder, as a kubelet does, so that
what it logged is delivered. Exit code 1 where a demand is not met.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from sklearn.base import BaseEstimator

from driftlead_log.migrate import apply
from neighbours import postgres
from neighbours.inference import Inference, inference_server
from neighbours.models import regression, rows, saved, target

CASES = ("raise", "hang", "crash", "nan", "shape", "slow")
SHARES = (5, 25, 50)
SETTLED = 1.0  # seconds after the breaker opened
AFTER = 1.5  # for so long requests go on after that


def misbehaving(how: str, flag: Path) -> BaseEstimator:
    """The good model, until a file is there. A class of this function, so that it is pickled whole."""

    good = regression()

    class Misbehaving(BaseEstimator):
        """A classifier without probabilities."""

        def __init__(self) -> None:
            self.model = good

        def fit(self, table: Any, classes: Any) -> "Misbehaving":
            return self

        def predict(self, table: Any) -> Any:
            answers = self.model.predict(table)
            if not flag.exists():
                return answers
            if how == "raise":
                raise RuntimeError("the canary raises")
            if how == "crash":
                os._exit(3)
            if how in ("hang", "slow"):
                time.sleep(10 if how == "slow" else 3600)
            return np.full(len(answers), np.nan) if how == "nan" else np.stack([answers] * 3, axis=1)

    return Misbehaving()


@dataclass
class Tally:
    """What the clients saw: latencies in seconds, who answered, and what was no answer."""

    seconds: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    by: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        return float(np.quantile(self.seconds, 0.99)) * 1e3 if self.seconds else 0.0


@dataclass
class Result:
    """One case. `fallbacks`: requests that the canary was asked and prod answered; `late`: those forwarded
    after the breaker had settled, None where it did not open."""

    how: str
    share: int
    own: Tally
    all: Tally
    traffic: dict[str, Any]
    fallbacks: int
    late: int | None


class Talk:
    """One client's kept connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        return int(head[9:12]), await reader.readexactly(length)

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()


BODIES = [json.dumps({"features": [round(float(v), 3) for v in row]}).encode() for row in rows(500, seed=5)]


async def client(port: int, name: str, until: Any, tally: Tally) -> None:
    """Sends one request after another while `until()` says so."""
    talk, number = Talk(port), 0
    while until():
        name_of, body = f"{name}-{number}", BODIES[number % len(BODIES)]
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\nx-request-id: {name_of}\r\ncontent-length: {len(body)}"
        began = time.perf_counter()
        try:
            status, reply = await asyncio.wait_for(talk.ask(head.encode() + b"\r\n\r\n" + body), 30)
            said = json.loads(reply) if status == 200 else {}
            good = said.get("request_id") == name_of and isinstance(said.get("prediction"), int)
            problem = "" if good else f"{status} {reply[:100]!r}"
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            talk, said, problem = Talk(port), {}, repr(error)
        tally.seconds.append(time.perf_counter() - began)
        tally.ids.append(name_of)
        tally.by[said.get("model_name", "")] += 1
        if problem:
            tally.failed.append(f"{name_of}: {problem}")
        number += 1
    talk.close()


async def load(port: int, name: str, requests: int, connections: int, more: Any = lambda: False) -> Tally:
    """Some requests over some connections, and on for as long as `more()` says so."""
    tally, left = Tally(), requests

    def until() -> bool:
        nonlocal left
        left -= 1
        return left >= 0 or bool(more())

    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(client(port, f"{name}-{number}", until, tally))
    return tally


class Watch:
    """Asks prod's /health again and again: when the breaker opened, and what was forwarded after that."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.opened = 0.0
        self.settled: int | None = None
        self.last: dict[str, Any] = {}
        self.before = 0  # fallbacks of earlier cases

    async def run(self) -> None:
        talk = Talk(self.port)
        try:
            while True:
                _, body = await talk.ask(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
                seen = json.loads(body)["traffic"]
                if not self.last:
                    self.before = sum(seen["fallbacks"].values())
                self.last = seen
                now = time.monotonic()
                if self.last["breaker"]["state"] == "closed":
                    self.opened, self.settled = 0.0, None
                elif not self.opened:
                    self.opened = now
                elif self.settled is None and now - self.opened >= SETTLED:
                    self.settled = self.last["forwarded"]
                await asyncio.sleep(0.05)
        finally:
            talk.close()

    def more(self) -> bool:
        """Whether the clients should go on, so that there is something to see after the breaker settled."""
        return bool(self.opened) and time.monotonic() - self.opened < SETTLED + AFTER


class World:
    """Prod, its traffic file, and where canaries live."""

    def __init__(self, folder: Path, dsn: str, prod: Inference) -> None:
        self.folder, self.dsn, self.prod = folder, dsn, prod
        self.port = int(prod.url.rsplit(":", 1)[1])

    async def follow(self, canary: dict[str, Any] | None, weight: float) -> None:
        """Writes the traffic file, and waits until prod follows it."""
        fresh = self.folder / "traffic.new"
        fresh.write_text(json.dumps({"canary": canary, "weight": weight}))
        fresh.replace(self.folder / "traffic.json")
        talk, wanted = Talk(self.port), canary and canary["url"]
        while True:
            _, body = await talk.ask(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            seen = json.loads(body)["traffic"]
            if (seen["canary"] and seen["canary"]["url"], seen["weight"]) == (wanted, weight):
                break
            await asyncio.sleep(0.05)
        talk.close()

    async def case(self, how: str, share: int, requests: int, connections: int) -> Result:
        """One kind of bad at one share."""
        home = self.folder / f"{how}-{share}"
        home.mkdir()
        flag = home / "bad"
        table = rows()
        signature_rows = table[:1]
        model = saved(home / "model", misbehaving(how, flag), table, input_example=signature_rows)
        name = f"{how}-{share}"
        own = await load(self.port, f"{name}-own", requests // 4, connections)
        with served(model, home, "canary", self.dsn) as canary:
            await self.follow({"url": canary.url, "version": ""}, share)
            watch = Watch(self.port)
            watching = asyncio.create_task(watch.run())
            good = await load(self.port, f"{name}-good", requests // 4, connections)
            if not good.by["canary"]:
                good.failed.append(f"{name}: the canary answered nothing while it was good")
            flag.touch()
            bad = await load(self.port, f"{name}-bad", requests - requests // 4, connections, watch.more)
            await asyncio.sleep(0.1)
            watching.cancel()
            canary.process.kill()
        await self.follow(None, 0)
        flag.unlink()
        with served(model, home, "canary", self.dsn):  # delivers what the killed one has logged
            pass
        late = None if watch.settled is None else watch.last["forwarded"] - watch.settled
        whole = Tally(
            good.seconds + bad.seconds, good.ids + bad.ids, good.by + bad.by, good.failed + bad.failed
        )
        fallbacks = sum(watch.last["fallbacks"].values()) - watch.before
        return Result(how, share, own, whole, watch.last, fallbacks, late)


@contextmanager
def served(model: Path, home: Path, name: str, dsn: str, **more: str) -> Iterator[Inference]:
    """A server with a log, called like its deployment."""
    changes = {
        "DRIFTLEAD_LOG_MODE": "async", "DRIFTLEAD_POSTGRES_DSN": dsn, "DRIFTLEAD_NAME": name,
        "DRIFTLEAD_DEPLOYMENT": name, "DRIFTLEAD_POD": name, "DRIFTLEAD_ONNX": "off", **more,
    }  # fmt: skip
    with inference_server(model, home, **changes) as server:
        yield server


async def measured(folder: Path, dsn: str, options: argparse.Namespace) -> list[Result]:
    """All cases, one after another, of one prod."""
    home = folder / "prod"
    home.mkdir()
    table = rows()
    model = saved(home / "model", regression().fit(table, target(table)), table)
    (folder / "traffic.json").write_text('{"canary": null}')
    cases = [(how, share) for how in options.cases for share in options.shares]
    traffic = {"DRIFTLEAD_TRAFFIC_FILE": str(folder / "traffic.json")}
    with served(model, home, "prod", dsn, **traffic) as prod:
        world = World(folder, dsn, prod)
        await load(world.port, "warm", 1000, options.connections)
        results = []
        for how, share in cases:
            results.append(await world.case(how, share, options.requests // len(cases), options.connections))
            print(line(results[-1]), flush=True)
    return results


def line(result: Result) -> str:
    """A case as a row of the table."""
    late = "-" if result.late is None else str(result.late)
    own, users = f"{result.own.p99_ms:.1f}", f"{result.all.p99_ms:.1f}"
    return (
        f"| {result.how} | {result.share} % | {len(result.all.ids):,} | {len(result.all.failed)} | "
        f"{result.all.by['canary']:,} | {result.fallbacks} | {own} | {users} | {late} |"
    )


async def logged(dsn: str, results: list[Result]) -> list[str]:
    """What is wrong with the log, in sentences."""
    connection = await asyncpg.connect(dsn)
    wanted = {each for result in results for each in result.all.ids + result.own.ids}
    found = Counter(
        row[0]
        for row in await connection.fetch("SELECT request_id FROM inference_logs_served")
        if not row[0].startswith("warm")
    )
    counted = "SELECT sum(requests) + sum(failed_4xx) + sum(failed_5xx) FROM drift_hist"
    users = await connection.fetchval(counted)
    warm = await connection.fetchval("SELECT count(*) FROM inference_logs WHERE request_id LIKE 'warm%'")
    tries = results[-1].traffic["shadow_sent"] if results else 0
    await connection.close()
    wrong = [f"{len(wanted - set(found))} rows are lost" if wanted - set(found) else ""]
    wrong += [f"{len(set(found) - wanted)} rows of nobody" if set(found) - wanted else ""]
    twice = [each for each, count in found.items() if count > 1]
    wrong += [f"{len(twice)} rows are doubled, such as {twice[0]}" if twice else ""]
    number = int(users) - int(warm) - tries
    wrong += [f"{number} requests are counted of {len(wanted)}" if number != len(wanted) else ""]
    return [each for each in wrong if each]


def slow(results: list[Result]) -> list[str]:
    """Whether a canary made all users' 99th percentile too long, in a sentence."""
    own = Tally(seconds=[each for result in results for each in result.own.seconds])
    users = Tally(seconds=[each for result in results for each in result.all.seconds])
    print(f"\np99 over all: {users.p99_ms:.1f} ms of {len(users.seconds):,}; prod's own: {own.p99_ms:.1f} ms")
    if users.p99_ms <= 2 * own.p99_ms + 5:
        return []
    return [f"the 99th percentile is {users.p99_ms:.1f} ms, prod's own {own.p99_ms:.1f} ms"]


def harmed(results: list[Result]) -> list[str]:
    """Answers that failed, and requests that were forwarded when they should not have been, in sentences."""
    wrong = [f"failed: {each}" for result in results for each in result.all.failed[:3]]
    for result in results:
        if result.late is None:
            wrong.append(f"{result.how} at {result.share} %: the breaker did not open")
        elif result.late:
            wrong.append(f"{result.how} at {result.share} %: {result.late} forwarded after it opened")
    return wrong


def main() -> int:
    """Runs it; 1 where a demand is not met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument(
        "--shares", type=lambda text: [int(each) for each in text.split(",")], default=list(SHARES)
    )
    options = parser.parse_args()
    heads = "canary|share|requests|failed|by the canary|by prod instead|prod's p99, ms|p99, ms|forwarded late"
    print(f"| {' | '.join(heads.split('|'))} |\n|{'---|' * 9}")
    with tempfile.TemporaryDirectory(prefix="driftlead-harm-") as folder, postgres() as server:
        dsn = server.create_database()
        asyncio.run(apply(dsn))
        results = asyncio.run(measured(Path(folder), dsn, options))
        wrong = harmed(results) + slow(results) + asyncio.run(logged(dsn, results))
    print("\n".join(wrong) or "0 failed, 0 rows lost, 0 doubled: every demand is met")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
