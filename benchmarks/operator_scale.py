"""How the operator scales: ModelDeployments from nothing to Ready, at rest, and after promotions.

Run: python -m benchmarks.operator_scale [10 100 500 1000]. Each size has a fresh real control plane (etcd,
API server, controller manager, scheduler) and a real MLflow server; KWOK plays nodes and pods, whose /health
nobody answers. Controller manager and scheduler may ask 500 times a second; their defaults of 20 and 50 would
be the bound.
"""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import kopf
from mlflow.webhooks.delivery import _generate_hmac_signature
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.kwok_cluster import OTHERS, PROGRAMS, control_plane, cpu_by_program, cpu_seconds, nodes
from driftlead_operator.cluster.api_server import ApiServer, login
from hack.ports import free_port
from neighbours import mlflow_server
from neighbours.mlflow import answers
from neighbours.operators import declare, install_crd, mlflow, move, namespace, resource, until
from neighbours.processes import running

HERE = "bench"
REST_SECONDS = 60
WRITES = {"apply", "create", "update", "patch", "patch-status", "delete"}


@dataclass
class Operator:
    """The process that is measured, by what it and the kernel say of it."""

    pid: int
    port: int
    hooks: int

    def memory(self, name: str) -> float:
        """MiB of VmRSS (now) or VmHWM (the most)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))

    def seconds(self) -> float:
        return cpu_seconds(self.pid)

    def metrics(self) -> dict[str, Any]:
        """Families of its own metrics, by name."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as reply:
            return {each.name: each for each in text_string_to_metric_families(reply.read().decode())}

    def requests(self) -> dict[str, float]:
        """Writes and reads of the API server but for the Lease, and requests to the registry."""
        found = {"writes": 0.0, "reads": 0.0, "registry": 0.0}
        families = self.metrics()
        for each in families["driftlead_operator_api_requests"].samples:
            if each.name.endswith("_total") and each.labels["kind"] != "Lease":
                found["writes" if each.labels["verb"] in WRITES else "reads"] += each.value
        for each in families["driftlead_operator_registry_requests"].samples:
            found["registry"] += each.value if each.name.endswith("_total") else 0
        return found

    def reconciles(self) -> float:
        """How often it has reconciled a resource."""
        family = self.metrics()["driftlead_operator_reconcile_duration_seconds"]
        return sum(each.value for each in family.samples if each.name.endswith("_count"))

    def quantile(self, share: float) -> float:
        """Upper bound of the bucket that holds this share of the reconciles, in milliseconds."""
        family = self.metrics()["driftlead_operator_reconcile_duration_seconds"]
        buckets = [(float(e.labels["le"]), e.value) for e in family.samples if e.name.endswith("_bucket")]
        return 1000 * next(bound for bound, count in buckets if count >= share * buckets[-1][1])


@contextlib.contextmanager
def operator(home: Path, registries: Path, kubeconfig: Path) -> Iterator[Operator]:
    """The operator as its image starts it."""
    port, hooks = free_port(), free_port()
    (home / "secret").write_text("secret")
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "DRIFTLEAD_REGISTRIES_DIR": str(registries),
        "DRIFTLEAD_PORT": str(port),
        "DRIFTLEAD_HOOK_PORT": str(hooks),
        "DRIFTLEAD_HOOK_SECRET_FILE": str(home / "secret"),
        "DRIFTLEAD_LOG_LEVEL": "warning",
    }
    with running(
        [Path(sys.executable).with_name("driftlead-operator")],
        log=home / "operator.log",
        answers=lambda: answers(f"http://127.0.0.1:{port}/readyz"),
        environment=environment,
    ) as process:
        yield Operator(process.pid, port, hooks)


def model(number: int) -> str:
    return f"model-{number}"


def registered(uri: str, number: int) -> None:
    """Two versions of a model, the first in Production."""
    mlflow(uri, "registered-models/create", {"name": model(number)})
    for each in ("1", "2"):
        body = {"name": model(number), "source": f"s3://mlflow/{model(number)}/{each}"}
        mlflow(uri, "model-versions/create", body)
    move(uri, model(number), "1", "Production")


async def in_crowds(do: Callable[[int], Awaitable[Any]], number: int, crowd: int = 25) -> None:
    """Does it for each number, some at once."""
    gate = asyncio.Semaphore(crowd)

    async def one(each: int) -> None:
        async with gate:
            await do(each)

    await asyncio.gather(*(one(each) for each in range(number)))


@dataclass
class Result:
    """One row of the table."""

    size: int
    figures: dict[str, float] = field(default_factory=dict)


async def events(path: str) -> AsyncIterator[dict[str, Any]]:
    """Every object of a listing, and again each time that it changes; without end."""
    info = login(settings=kopf.OperatorSettings())
    assert info
    timeout = aiohttp.ClientTimeout(total=None)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        timeout=timeout,
    )
    query = {"watch": "true", "resourceVersion": "0"}
    async with session, session.get(f"{info.server}{path}", params=query) as reply:
        line = b""
        async for chunk in reply.content.iter_any():
            *lines, line = (line + chunk).split(b"\n")
            for each in lines:
                yield json.loads(each)["object"]


def readiness(thing: dict[str, Any]) -> str:
    """Ready, or why a resource is not so."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    ready = next((each for each in conditions if each["type"] == "Ready"), {})
    return "Ready" if ready.get("status") == "True" else str(ready.get("message"))


async def all_ready(size: int, *, seconds: float = 600.0) -> None:
    """Waits until every resource says so. It watches: to list a thousand again and again costs a core."""
    seen: dict[str, str] = {}
    path = f"/apis/driftlead.dev/v1alpha1/namespaces/{HERE}/modeldeployments"
    try:
        async with asyncio.timeout(seconds):
            async for thing in events(path):
                seen[thing["metadata"]["name"]] = readiness(thing)
                if len(seen) == size and set(seen.values()) == {"Ready"}:
                    return
    except TimeoutError:
        missing = Counter(seen.values()).most_common(5)
        raise TimeoutError(f"not all {size} Ready after {seconds:.0f} s: {missing}") from None


def version_of(deployment: dict[str, Any]) -> str:
    return str(deployment["spec"]["template"]["metadata"]["labels"]["driftlead.dev/version"])


async def watch_versions(seen: dict[str, tuple[str, float]]) -> None:
    """Keeps for each Deployment the version in its template, and when that was told; until cancelled."""
    async for thing in events(f"/apis/apps/v1/namespaces/{HERE}/deployments"):
        name, version = thing["metadata"]["name"], version_of(thing)
        if seen.get(name, ("",))[0] != version:
            seen[name] = (version, time.monotonic())


async def reactions(uri: str, process: Operator, names: range, to: str, *, hook: bool) -> list[float]:
    """Seconds from the registry's answer to the changed pod template, sorted; all are promoted at once.

    `hook`: each promotion is followed by a webhook of its own, as a registry that knows of one sends it.
    """
    answered: dict[int, float] = {}
    seen: dict[str, tuple[str, float]] = {}

    def promote(number: int) -> None:
        move(uri, model(number), to, "Production")
        answered[number] = time.monotonic()
        if hook:
            call_hook(process.hooks)

    def changed(number: int) -> bool:
        return seen.get(f"demo-{number}-prod", ("",))[0] == to

    loop = asyncio.get_running_loop()
    watching = asyncio.create_task(watch_versions(seen))
    await until(lambda: all(f"demo-{number}-prod" in seen for number in names))
    with ThreadPoolExecutor(8) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, promote, number) for number in names))
    await until(lambda: watching.done() or all(map(changed, names)), seconds=180)
    watching.cancel()
    return sorted(max(0.0, seen[f"demo-{number}-prod"][1] - answered[number]) for number in names)


def call_hook(port: int) -> None:
    """A webhook as MLflow sends it, again while nobody leads."""
    body, at = json.dumps({"entity": "model_version_tag", "action": "set"}), str(int(time.time()))
    delivery = f"bench-{uuid.uuid4()}"
    headers = {
        "X-MLflow-Signature": _generate_hmac_signature("secret", delivery, at, body),
        "X-MLflow-Timestamp": at,
        "X-MLflow-Delivery-Id": delivery,
    }
    url = f"http://127.0.0.1:{port}/hooks/mlflow"
    request = urllib.request.Request(url, data=body.encode(), headers=headers)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                assert reply.status == 200
                return
        except urllib.error.HTTPError as error:
            if error.code != 503:  # on a starved machine the Lease may be late
                raise
            time.sleep(0.5)


async def measure(size: int, home: Path) -> Result:
    """All figures of one size."""
    result = Result(size)
    with control_plane(home) as kubeconfig, mlflow_server() as uri:
        os.environ["KUBECONFIG"] = str(kubeconfig)
        registries = declare(home / "registries", "default", uri)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: registered(uri, number), range(size)))
        async with ApiServer() as api:
            await install_crd(api)
            await namespace(api, HERE)
            await nodes(api, 1 + size // 500)
            account = f"/api/v1/namespaces/{HERE}/serviceaccounts/default"
            await until(lambda: exists(api, account), seconds=60)
            with operator(home, registries, kubeconfig) as process:
                await fill(api, process, result)
                await rest(process, result)
                await react(uri, process, result)
    return result


async def exists(api: ApiServer, path: str) -> bool:
    """Whether a path is answered."""
    with contextlib.suppress(Exception):
        await api.request("get", "bench", "GET", path)
        return True
    return False


async def fill(api: ApiServer, process: Operator, result: Result) -> None:
    """From nothing to all Ready."""
    result.figures["MiB empty"] = process.memory("VmRSS")
    before, reconciles, computed = process.requests(), process.reconciles(), cpu_by_program()
    began = time.monotonic()
    await in_crowds(lambda each: api.create(resource(HERE, f"demo-{each}", model=model(each))), result.size)
    result.figures["s created"] = time.monotonic() - began
    await all_ready(result.size)
    result.figures["s all Ready"] = time.monotonic() - began
    used = cpu_by_program()
    result.figures |= {f"s CPU {name}": used[name] - computed[name] for name in (*PROGRAMS, OTHERS, "idle")}
    after = process.requests()
    result.figures |= {
        "writes each": (after["writes"] - before["writes"]) / result.size,
        "reads each": (after["reads"] - before["reads"]) / result.size,
        "registry requests": after["registry"] - before["registry"],
        "reconciles each": (process.reconciles() - reconciles) / result.size,
        "reconcile p50 ms <=": process.quantile(0.5),
        "reconcile p95 ms <=": process.quantile(0.95),
        "MiB most": process.memory("VmHWM"),
    }


async def rest(process: Operator, result: Result) -> None:
    """A minute with nothing to do, after more than one to settle: silent pods are told after the first."""
    await asyncio.sleep(1.5 * REST_SECONDS)
    before, cpu = process.requests(), process.seconds()
    await asyncio.sleep(REST_SECONDS)
    after = process.requests()
    result.figures |= {f"{name} a minute": after[name] - before[name] for name in after}
    result.figures["CPU at rest %"] = 100 * (process.seconds() - cpu) / REST_SECONDS
    result.figures["MiB at rest"] = process.memory("VmRSS")


async def react(uri: str, process: Operator, result: Result) -> None:
    """One promotion, and up to a hundred at once, without and with a webhook."""
    crowd = range(min(100, result.size))
    result.figures["s one"] = (await reactions(uri, process, range(1), "2", hook=False))[-1]
    result.figures["s one, hook"] = (await reactions(uri, process, range(1), "1", hook=True))[-1]
    for name, to, hook in (("s p95 of 100", "2", False), ("s p95 of 100, hook", "1", True)):
        await all_ready(result.size)  # else the rollouts of the last hundred would be measured with these
        took = await reactions(uri, process, crowd, to, hook=hook)
        result.figures[name] = took[int(0.95 * (len(took) - 1))]


def main() -> None:
    """Prints a column for each size."""
    sizes = [int(word) for word in sys.argv[1:]] or [10, 100, 500, 1000]
    results = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="driftlead-bench-") as folder:
            results.append(asyncio.run(measure(size, Path(folder))))
        print(f"{size}: {json.dumps({k: round(v, 2) for k, v in results[-1].figures.items()})}", flush=True)
    print("\n| | " + " | ".join(str(each.size) for each in results) + " |")
    print("|---|" + "---|" * len(results))
    for name in results[0].figures:
        print(f"| {name} | " + " | ".join(f"{each.figures[name]:.4g}" for each in results) + " |")


if __name__ == "__main__":
    main()
