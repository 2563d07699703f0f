"""Sends flights to a service, one a request in random order, as its users would, and counts what came back.

    python replay.py --url http://demo-prod --months 7 --count 6000
    python replay.py --url http://demo-prod --months 7 --seconds 60     # as many as fit into a minute
    python replay.py --url http://demo-prod --months 7 --until-eof      # until standard input ends

The last line is JSON: how many were sent, how many failed, which versions answered. Exit status 1 when
one failed.
"""

import argparse
import asyncio
import itertools
import json
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import flights


@dataclass
class Count:
    """What came back."""

    sent: int = 0
    failed: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def answered(self, version: str) -> None:
        """One prediction, by this version of the model."""
        self.sent += 1
        self.versions[version] += 1

    def missed(self, why: str) -> None:
        """One request that got no prediction."""
        self.sent += 1
        self.failed += 1
        self.failures[why] += 1


def bodies(months: str, seed: int) -> Iterator[bytes]:
    """Requests without end: the flights of these months, shuffled, unknown values as null."""
    table = flights.load(flights.parse_months(months)).sample(frac=1, random_state=seed)
    rows = table[flights.FEATURES].to_numpy().tolist()
    for row in itertools.cycle(rows):
        features = [None if math.isnan(value) else value for value in row]
        yield json.dumps({"features": features}).encode()


async def send(session: aiohttp.ClientSession, url: str, body: bytes, count: Count) -> None:
    """One request; whatever goes wrong is counted with its words."""
    try:
        async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as reply:
            text = await reply.text()
            if reply.status == 200:
                count.answered(str(json.loads(text)["model_version"]))
            else:
                count.missed(f"{reply.status}: {text[:200]}")
    except (aiohttp.ClientError, TimeoutError) as error:
        count.missed(f"{type(error).__name__}: {error}"[:200])


async def replay(
    url: str,
    requests: Iterator[bytes],
    *,
    count: float,
    seconds: float,
    clients: int,
    pause: float,
    stop: threading.Event,
) -> Count:
    """Sends with `clients` at once until `count` requests or `seconds` are over, or `stop` is set."""
    result, until = Count(), time.monotonic() + seconds
    timeout = aiohttp.ClientTimeout(total=10)

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal count
        while count > 0 and time.monotonic() < until and not stop.is_set():
            count -= 1
            await send(session, url, next(requests), result)
            await asyncio.sleep(pause)

    async with aiohttp.ClientSession(timeout=timeout) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return result


def main() -> int:
    """Replays and prints the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", required=True, help="the service, like http://demo-prod")
    parser.add_argument("--months", required=True, help="one month or a range, like 7")
    parser.add_argument("--count", type=float, default=math.inf, help="stop after this many requests")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after this time")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    parser.add_argument("--clients", type=int, default=8, help="requests under way at once")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds each client waits between two")
    parser.add_argument("--seed", type=int, default=0, help="of the order of flights")
    arguments = parser.parse_args()
    if math.isinf(arguments.count) and math.isinf(arguments.seconds) and not arguments.until_eof:
        parser.error("say when to stop: --count, --seconds or --until-eof")
    stop = threading.Event()
    if arguments.until_eof:
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    began = time.monotonic()
    result = asyncio.run(
        replay(
            f"{arguments.url.rstrip('/')}/predict",
            bodies(arguments.months, arguments.seed),
            count=arguments.count,
            seconds=arguments.seconds,
            clients=arguments.clients,
            pause=arguments.pause,
            stop=stop,
        )
    )
    print(
        json.dumps(
            {
                "sent": result.sent,
                "failed": result.failed,
                "seconds": round(time.monotonic() - began, 1),
                "versions": dict(sorted(result.versions.items())),
                **({"failures": dict(result.failures.most_common(3))} if result.failures else {}),
            }
        )
    )
    return 1 if result.failed or not result.sent else 0


if __name__ == "__main__":
    sys.exit(main())
