"""Outages end: watches that are cut, an API server that restarts, registries slow or unreachable."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import tempfile
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from driftlead_operator.assembly import Operator
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.decisions.facts import Facts, Plan
from driftlead_operator.errors import UnreachableError
from driftlead_operator.kinds import KINDS
from hack.ports import free_port
from neighbours import operators
from neighbours.apiserver import devcluster
from neighbours.operators import (
    FOLLOW,
    decisions,
    follow_production,
    move,
    own_names,
    resource,
    running_operator,
    serves,
    until,
    with_token,
)
from neighbours.processes import wait_until

pytestmark = pytest.mark.timeout(180, func_only=True)


@dataclass
class Proxy:
    """Passes bytes on to a server, until told to cut every connection or to let none in."""

    host: str
    port: int
    here: int = field(default_factory=free_port)
    silent: bool = False
    refuses: bool = False
    delay: float = 0.0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if self.refuses:
                writer.close()
                return
            await asyncio.sleep(self.delay)
            onward = await asyncio.open_connection(self.host, self.port)
            self.writers |= {writer, onward[1]}
            await asyncio.gather(self.pass_on(reader, onward[1]), self.pass_on(onward[0], writer))

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        self.writers.discard(writer)
        writer.close()

    def cut(self) -> None:
        for writer in list(self.writers):
            writer.transport.abort()


@contextlib.asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname
    assert parts.port
    proxy = Proxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.meet, "127.0.0.1", proxy.here)
    try:
        yield proxy
    finally:
        proxy.refuses = True
        server.close()
        proxy.cut()


def kubeconfig_through(proxy: Proxy, kubeconfig: Path, folder: Path) -> Path:
    content = json.loads(kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.here}"
    path = folder / "through-proxy.kubeconfig"
    path.write_text(json.dumps(content))
    return path


def server_of(kubeconfig: Path) -> str:
    return str(json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"])


@pytest.fixture
async def proxy(
    api: ApiServer, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Proxy]:
    """Stands between the operator and the API server; `api` goes past it."""
    async with proxy_to(server_of(kubeconfig)) as proxy:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig_through(proxy, kubeconfig, tmp_path)))
        yield proxy


NAMES = ("kept", "edited", "gone", "unwanted")


async def change_unseen(api: ApiServer, where: str) -> None:
    """A child goes, a child is edited, a resource goes."""
    child = await api.get("Service", where, "gone")
    assert child
    await api.delete("Service", where, "gone", child["metadata"]["uid"])
    await api.merge("Service", where, "edited", {"spec": {"selector": {"serves": "by-hand"}}})
    unwanted = await api.get("ModelDeployment", where, "unwanted")
    assert unwanted
    await api.delete("ModelDeployment", where, "unwanted", unwanted["metadata"]["uid"])


async def all_was_seen(api: ApiServer, where: str, version: str, operator: Operator) -> None:
    """Waits until each of the changes above was answered."""
    await until(serves(api, where, version, "gone"), seconds=60)
    await until(serves(api, where, version, "edited"))
    await until(serves(api, where, version, "kept"))
    await until(lambda: {each for _, each in operator.cache.names("ModelDeployment")} == set(NAMES[:3]))
    assert operator.watch.alive


async def test_what_changes_and_what_goes_while_every_connection_is_cut_is_seen_afterwards(
    api: ApiServer, where: str, registries: Path, proxy: Proxy
) -> None:
    for name in NAMES:
        await api.create(resource(where, name, model=where))
    settings = {"registries_dir": registries, "watch_namespaces": where}
    async with running_operator(FOLLOW, **settings) as operator:
        for name in NAMES:
            await until(serves(api, where, "1", name))
        proxy.refuses = True
        proxy.cut()
        await change_unseen(api, where)
        await until(lambda: not operator.leader.is_leader)  # it renews through the proxy as well
        await asyncio.sleep(2.0)
        proxy.refuses = False
        await all_was_seen(api, where, "1", operator)


async def test_a_watch_that_is_silent_is_noticed_by_the_next_listing(
    api: ApiServer, where: str, registries: Path
) -> None:
    await api.create(resource(where, "demo", model=where))
    async with running_operator(
        FOLLOW, registries_dir=registries, watch_namespaces=where, audit_seconds=1
    ) as operator:
        await until(serves(api, where, "1"))
        take, operator.watch.sink = operator.watch.sink, lambda *_: None
        await api.merge("ModelDeployment", where, "demo", {"metadata": {"labels": {"told": "no"}}})
        await until(lambda: operator.audit.missed, seconds=10)
        assert not operator.faults()
        operator.audit.missed = {
            name: missed._replace(since=missed.since - 1000) for name, missed in operator.audit.missed.items()
        }
        assert any("a listing has shown changes" in fault for fault in operator.faults())
        operator.watch.sink = take


@contextlib.contextmanager
def control_plane() -> Iterator[tuple[Path, Callable[[str], None]]]:
    """An API server of its own, and a way to end it and to start it again."""
    with tempfile.TemporaryDirectory(prefix="driftlead-api-") as state:

        def run(*words: str) -> str:
            return devcluster(*words, "--state", state).strip()

        path = Path(run("up", "--control-plane").splitlines()[-1])

        def again(name: str) -> None:
            pid = int((Path(state) / f"log/{name}.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            # A large process takes its time to go, and `up` leaves alone what still runs.
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), f"the end of {name}", 30, lambda: True)
            run("up", "--control-plane")

        try:
            yield path, again
        finally:
            run("down")


async def test_an_api_server_that_restarts_kills_nobody_and_is_watched_again(
    mlflow_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operators.register(mlflow_uri, "restarted", 2)
    move(mlflow_uri, "restarted", "1", "Production")
    registries = operators.declare(tmp_path / "registries", "default", mlflow_uri)
    with control_plane() as (kubeconfig, restart):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        async with ApiServer() as api:
            await operators.install_crd(api)
            await api.create(resource("default", "demo", model="restarted"))
            async with running_operator(FOLLOW, registries_dir=registries) as operator:
                await until(serves(api, "default", "1"))
                await asyncio.to_thread(restart, "kube-apiserver")
                move(mlflow_uri, "restarted", "2", "Production")
                await until(serves(api, "default", "2"), seconds=60)
                child = await api.get("Service", "default", "demo")
                assert child
                await api.delete("Service", "default", "demo", child["metadata"]["uid"])
                await until(serves(api, "default", "2"), seconds=30)
                assert not operator.faults()


def etcd(kubeconfig: Path, call: str, **body: Any) -> dict[str, Any]:
    """One call of etcd's own JSON API, behind the API server of this kubeconfig."""
    port = (kubeconfig.parent.parent / "ports").read_text().split()[1]
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v3/{call}", data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as reply:
        answer: dict[str, Any] = json.load(reply)
        return answer


async def first_of_a_watch(api: ApiServer, version: int) -> dict[str, Any] | None:
    """The first event of a watch from a version on; None while the API server cannot say."""
    query = {"watch": "true", "resourceVersion": str(version), "timeoutSeconds": "5"}
    path = KINDS["ModelDeployment"].path("default")
    with contextlib.suppress(UnreachableError):
        return await api.request("watch", "ModelDeployment", "GET", path, params=query)
    return None


async def test_a_watch_that_is_told_that_its_version_is_gone_lists_again_and_misses_nothing(
    mlflow_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "kopf")
    operators.register(mlflow_uri, "expired", 2)
    move(mlflow_uri, "expired", "1", "Production")
    registries = operators.declare(tmp_path / "registries", "default", mlflow_uri)
    with control_plane() as (kubeconfig, restart):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        async with ApiServer() as api, proxy_to(server_of(kubeconfig)) as proxy:
            await operators.install_crd(api)
            for name in NAMES:
                await api.create(resource("default", name, model="expired"))
            monkeypatch.setenv("KUBECONFIG", str(kubeconfig_through(proxy, kubeconfig, tmp_path)))
            async with running_operator(FOLLOW, registries_dir=registries) as operator:
                for name in NAMES:
                    await until(serves(api, "default", "1", name))
                version = (await api.list_metadata("ModelDeployment", "default")).version
                proxy.refuses = True
                proxy.cut()
                await change_unseen(api, "default")
                move(mlflow_uri, "expired", "2", "Production")
                etcd(
                    kubeconfig,
                    "kv/compaction",
                    revision=etcd(kubeconfig, "kv/range", key="AA==")["header"]["revision"],
                )
                await asyncio.to_thread(restart, "kube-apiserver")
                told = await until(lambda: first_of_a_watch(api, version), seconds=30)
                assert (told["type"], told["object"]["code"]) == ("ERROR", 410)
                caplog.clear()
                proxy.refuses = False
                await all_was_seen(api, "default", "2", operator)
                again = [each for each in caplog.messages if "Restarting the watch-stream" in each]
                assert any("modeldeployments" in each for each in again), again


async def test_a_registry_that_becomes_unreachable_disturbs_nothing_and_says_since_when(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path, tmp_path: Path
) -> None:
    seen: list[Facts] = []

    def watch(facts: Facts) -> Plan:
        seen.append(facts)
        return follow_production(facts)

    async with proxy_to(mlflow_uri) as proxy:
        through = operators.declare(tmp_path / "through", "default", f"http://127.0.0.1:{proxy.here}")
        await api.create(resource(where, "demo", model=where))
        async with running_operator(
            decisions(watch, own_names), registries_dir=through, watch_namespaces=where
        ):
            await until(serves(api, where, "1"))
            proxy.refuses = True
            proxy.cut()
            await until(lambda: seen[-1].registry.unreachable_since)
            assert "did not answer" in seen[-1].registry.error
            assert [each.version for each in seen[-1].registry.versions] == ["2", "1"]
            child = await api.get("Service", where, "demo")
            assert child
            await api.delete("Service", where, "demo", child["metadata"]["uid"])
            await until(serves(api, where, "1"))  # children are mended from the last answer
            move(mlflow_uri, where, "2", "Production")
            proxy.refuses = False
            await until(serves(api, where, "2"), seconds=30)
            assert seen[-1].registry.unreachable_since is None


async def test_a_slow_registry_delays_only_those_that_follow_it(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path
) -> None:
    async with proxy_to(mlflow_uri) as proxy:
        proxy.delay = 30.0
        operators.declare(registries, "slow", f"http://127.0.0.1:{proxy.here}")
        await api.create(resource(where, "waits", model=where, registry="slow"))
        async with running_operator(FOLLOW, registries_dir=registries, watch_namespaces=where):
            await api.create(resource(where, "demo", model=where))
            await until(serves(api, where, "1"), seconds=5)
            assert await api.get("Service", where, "waits") is None


async def test_a_registry_declares_who_may_use_it_and_who_may_write(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path
) -> None:
    seen: dict[str, Any] = {}

    def watch(facts: Facts) -> Plan:
        seen[facts.resource["metadata"]["name"]] = facts.registry
        return Plan()

    files = {"allow_write": "false", "allowed_namespaces": "elsewhere\nother\n"}
    operators.declare(registries, "guarded", mlflow_uri, **files)
    for name, registry in (("open", "default"), ("guarded", "guarded"), ("unknown", "nowhere")):
        await api.create(resource(where, name, model=where, registry=registry))
    async with running_operator(
        decisions(watch, own_names), registries_dir=registries, watch_namespaces=where
    ):
        await until(lambda: len(seen) == 3 and seen["open"].answered_at)
        await asyncio.sleep(1)
    assert (seen["open"].declared, seen["open"].namespace_allowed, seen["open"].allow_write) == (
        True,
        True,
        True,
    )
    assert (seen["guarded"].namespace_allowed, seen["guarded"].allow_write) == (False, False)
    assert seen["guarded"].answered_at is None
    assert seen["guarded"].versions == ()
    assert not seen["unknown"].declared


async def token(api: ApiServer, where: str, holder: str) -> str:
    """A token of an administrating account, good while the Secret `holder` exists."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": holder, "namespace": where}}
    made = await api.request("create", "Secret", "POST", f"/api/v1/namespaces/{where}/secrets", body=secret)
    bound = {"kind": "Secret", "apiVersion": "v1", "name": holder, "uid": made["metadata"]["uid"]}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": bound},
    }
    path = f"/api/v1/namespaces/{where}/serviceaccounts/rotated/token"
    return str((await api.request("create", "TokenRequest", "POST", path, body=body))["status"]["token"])


async def test_a_token_that_is_revoked_is_replaced_by_the_one_in_its_file(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path, proxy: Proxy
) -> None:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "rotated", "namespace": where},
    }
    path = f"/api/v1/namespaces/{where}/serviceaccounts"
    await api.request("create", "ServiceAccount", "POST", path, body=account)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": where},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "rotated", "namespace": where}],
    }
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    await api.request("create", "ClusterRoleBinding", "POST", path, body=binding)
    file = Path(os.environ["KUBECONFIG"])

    async def use(holder: str) -> None:
        with_token(file, await token(api, where, holder), file)

    await use("first")
    await api.create(resource(where, "demo", model=where))
    async with running_operator(FOLLOW, registries_dir=registries, watch_namespaces=where) as operator:
        await until(serves(api, where, "1"))
        await use("second")
        revoked = f"/api/v1/namespaces/{where}/secrets/first"
        await api.request("delete", "Secret", "DELETE", revoked)
        await asyncio.sleep(12)  # the API server believes a token for 10 s
        proxy.cut()
        move(mlflow_uri, where, "2", "Production")
        await until(serves(api, where, "2"), seconds=30)
        await api.merge("Service", where, "demo", {"spec": {"selector": {"serves": "by-hand"}}})
        await until(serves(api, where, "2"), seconds=30)  # so the watches have the new one as well
        assert not operator.faults()
