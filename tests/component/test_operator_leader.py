"""Two processes of the operator: one leads, a killed one is followed soon, a stopped one undoes nothing."""

import os
import signal
import time
from pathlib import Path

import pytest

from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.cluster.leader import LEASE
from neighbours.operators import Json, move, operator_process, resource, serves, until

pytestmark = pytest.mark.timeout(120, func_only=True)


async def lease(api: ApiServer, where: str) -> Json:
    return (await api.get("Lease", where, LEASE) or {}).get("spec", {})


async def leads(api: ApiServer, where: str, name: str) -> bool:
    return str((await lease(api, where)).get("holderIdentity", "")).startswith(f"{name}_")


async def test_a_killed_leader_is_followed_by_a_correct_write_within_fifteen_seconds(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path, tmp_path: Path
) -> None:
    await api.create(resource(where, "demo", model=where))
    settings = {"pod_namespace": where, "watch_namespaces": where, "registries_dir": registries}
    with operator_process(tmp_path, "first", **settings) as first:
        await until(serves(api, where, "1"))
        with operator_process(tmp_path, "second", **settings):
            assert await leads(api, where, "first")
            first.kill()
            killed = time.monotonic()
            move(mlflow_uri, where, "2", "Production")
            await until(serves(api, where, "2"), seconds=30)
            took = time.monotonic() - killed
            assert await leads(api, where, "second")
            assert (await lease(api, where))["leaseTransitions"] == 1
    assert took <= 15


async def test_a_leader_that_is_told_to_stop_gives_the_lease_back_at_once(
    api: ApiServer, where: str, registries: Path, tmp_path: Path
) -> None:
    settings = {"pod_namespace": where, "watch_namespaces": where, "registries_dir": registries}
    with operator_process(tmp_path, "first", **settings) as first:
        await until(lambda: leads(api, where, "first"))
        with operator_process(tmp_path, "second", **settings):
            first.terminate()
            asked = time.monotonic()
            await until(lambda: leads(api, where, "second"), seconds=20)
            took = time.monotonic() - asked
            assert first.wait(10) == 0
    assert took <= 5


async def test_what_a_stopped_leader_writes_late_is_refused(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path, tmp_path: Path
) -> None:
    await api.create(resource(where, "demo", model=where))
    settings = {"pod_namespace": where, "watch_namespaces": where, "registries_dir": registries}
    with operator_process(tmp_path, "first", **settings) as first:
        await until(serves(api, where, "1"))
        with operator_process(tmp_path, "second", **settings):
            (tmp_path / "first.trap").touch()
            move(mlflow_uri, where, "2", "Production")
            await until(lambda: not (tmp_path / "first.trap").exists())  # it stands still, its write not sent
            await until(serves(api, where, "2"), seconds=30)
            assert await leads(api, where, "second")
            move(mlflow_uri, where, "1", "Production")
            await until(serves(api, where, "1"))
            seen = await api.get("Service", where, "demo")
            os.kill(first.pid, signal.SIGCONT)
            log = tmp_path / "first.log"
            await until(lambda: "the object has been modified" in log.read_text())
            await until(lambda: '"lost leadership"' in log.read_text())
            after = await api.get("Service", where, "demo")
            assert seen
            assert after
            assert after["metadata"]["resourceVersion"] == seen["metadata"]["resourceVersion"]
            assert first.poll() is None
            move(mlflow_uri, where, "2", "Production")
            await until(serves(api, where, "2"))
            assert await leads(api, where, "second")
