"""Scrapes pods for what only they know: load state and log lag at /health, a judge's verdict at /verdict."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

import aiohttp
import orjson

from driftlead_operator import metrics
from driftlead_operator.cluster.cache import Cache, owner_of
from driftlead_operator.decisions.facts import Manifest, Undelivered
from driftlead_operator.decisions.loop import undelivered
from driftlead_operator.decisions.names import COMPONENT
from driftlead_operator.decisions.objects import printable
from driftlead_operator.kinds import Key

PATHS = {"prod": "/health", "canary": "/health", "judge": "/verdict"}
CONCURRENCY = 32
TIMEOUT_SECONDS = 2.0
LONGEST_ANSWER = 64 * 1024
LAG_STEPS = (5.0, 30.0, 120.0, 600.0)
"""Seconds of log lag whose crossing is worth a reconcile; the figure itself changes with every answer."""

Json = Mapping[str, Any]


class ScrapeTarget(NamedTuple):
    """A pod to scrape: where, and of which resource."""

    uid: str
    url: str
    path: str
    key: Key
    ready: bool


def scrape_target(pod: Manifest) -> ScrapeTarget | None:
    """Where to scrape a pod; None for one without such a path, and while it does not run."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    path = PATHS.get((metadata.get("labels") or {}).get(COMPONENT, ""))
    address, key = status.get("podIP"), owner_of("Pod", pod)
    if not (path and address and key) or status.get("phase") != "Running" or "deletionTimestamp" in metadata:
        return None
    host = f"[{address}]" if ":" in address else address
    return ScrapeTarget(metadata["uid"], f"http://{host}:{http_port(pod)}{path}", path, key, is_ready(pod))


def http_port(pod: Manifest) -> int:
    """The port named http of a pod's containers, else 8000."""
    for container in pod["spec"].get("containers", ()):
        for port in container.get("ports", ()):
            if port.get("name") == "http":
                return int(port["containerPort"])
    return 8000


def is_ready(pod: Manifest) -> bool:
    """Whether the kubelet counts the pod as ready."""
    conditions = (pod.get("status") or {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def fingerprint(answer: Json | None) -> object:
    """The part of an answer whose change is worth a reconcile: not the counters, which never stand still."""
    if answer is None:
        return None
    written = answer.get("log")
    figures = written if isinstance(written, Mapping) else {}
    lag = figures.get("lag_seconds")
    steps = sum(lag > step for step in LAG_STEPS) if isinstance(lag, int | float) else None
    steady = {name: value for name, value in answer.items() if name != "log"}
    return (steady, figures.get("mode"), bool(figures.get("dropped")), steps)


class Scraper:
    """Scrapes every running pod of a stage at intervals, a newly ready one at once."""

    def __init__(
        self, *, cache: Cache, seconds: float, changed: Callable[[Key], None], is_leader: Callable[[], bool]
    ) -> None:
        self._cache, self._seconds, self._changed, self._is_leader = cache, seconds, changed, is_leader
        self._answers: dict[tuple[str, str], tuple[ScrapeTarget, Json]] = {}
        self._silent: dict[tuple[str, str], tuple[ScrapeTarget, Json]] = {}
        self._lost: dict[Key, list[Undelivered]] = {}
        self._new: set[tuple[str, str]] = set()
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=CONCURRENCY, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    def health(self, namespace: str, pod: str) -> Json | None:
        """What a pod answered at /health."""
        return self._answer(namespace, pod, "/health")

    def verdict(self, namespace: str, pod: str) -> Json | None:
        """What a judge answered at /verdict."""
        return self._answer(namespace, pod, "/verdict")

    def _answer(self, namespace: str, pod: str, path: str) -> Json | None:
        target, answer = self._answers.get((namespace, pod), (None, None))
        return answer if target and target.path == path else None

    def pod_changed(self, pod: Manifest) -> None:
        """Has a pod that just became ready scraped at once."""
        name = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        if undelivered.drained(pod):
            self._answers.pop(name, None)
            self._silent.pop(name, None)
        before = self._answers.get(name)
        if (
            is_ready(pod)
            and (before is None or before[0].uid != pod["metadata"]["uid"])
            and scrape_target(pod)
        ):
            self._new.add(name)
            self._wake.set()

    def pod_deleted(self, namespace: str, pod: str) -> None:
        """Forgets a pod, but for the rows that it may have taken with it."""
        silent = self._silent.pop((namespace, pod), (None, None))
        target, answer = self._answers.pop((namespace, pod), silent)
        if target and answer and (loss := undelivered.of_answer(pod, answer, datetime.now(UTC))):
            self._lost[target.key] = [*self._lost.get(target.key, ()), loss][-undelivered.MOST :]

    def undelivered(self, key: Key) -> Sequence[Undelivered]:
        """The pods of a resource that vanished with rows, by what they said last."""
        return self._lost.get(key, ())

    def resource_deleted(self, key: Key) -> None:
        """Forgets the rows that pods of a resource took with them."""
        self._lost.pop(key, None)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scrape_periodically())
            group.create_task(self._scrape_new_pods())

    async def _scrape_periodically(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            if self._is_leader():
                await self._scrape_all(list(self._cache.names("Pod")))

    async def _scrape_new_pods(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            names, self._new = self._new, set()
            if self._is_leader():
                await self._scrape_all(list(names))

    async def _scrape_all(self, names: list[tuple[str, str]]) -> None:
        """A few at once; a pod that does not answer costs its own time only."""
        pods = ((name, self._cache.get("Pod", *name)) for name in names)
        targets = {name: target for name, pod in pods if pod and (target := scrape_target(pod))}
        await asyncio.gather(*(self._scrape(name, target) for name, target in targets.items()))

    async def _scrape(self, name: tuple[str, str], target: ScrapeTarget) -> None:
        async with self._slots:
            answer = await self._get(target)
        unheard = "silent" if target.ready else "starting"
        metrics.POD_SCRAPES.labels(unheard if answer is None else "ok").inc()
        before = self._answers.pop(name, None)
        if answer is not None:
            self._answers[name] = (target, answer)
            self._silent.pop(name, None)
        elif before:
            self._silent[name] = before  # its last answer counts, should it vanish
        if fingerprint(before[1] if before else None) != fingerprint(answer):
            self._changed(target.key)

    async def _get(self, target: ScrapeTarget) -> Json | None:
        if self._session is None:
            return None
        # A pod may answer anything: all but a JSON object of a sensible size and depth counts as silence.
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            async with self._session.get(target.url, allow_redirects=False) as reply:
                # A judge that has not been able to look says why with 503.
                if reply.status == 200 or (reply.status == 503 and target.path == PATHS["judge"]):
                    answer = orjson.loads(await read_at_most(reply.content, LONGEST_ANSWER))
                    return printable(answer) if isinstance(answer, dict) else None
        return None


async def read_at_most(content: aiohttp.StreamReader, most: int) -> bytes:
    """All of it; a ValueError when it is longer."""
    found = bytearray()
    async for chunk in content.iter_any():
        found += chunk
        if len(found) > most:
            raise ValueError(f"an answer of more than {most} bytes")
    return bytes(found)
