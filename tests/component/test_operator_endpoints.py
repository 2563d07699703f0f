"""The operator's ports: probes, metrics, and webhooks that a standby hands on to the leader."""

import asyncio
import json
import time
from pathlib import Path
from unittest.mock import patch

import aiohttp
import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature
from prometheus_client.parser import text_string_to_metric_families

from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.cluster.leader import LeaderElector
from neighbours.operators import FOLLOW, move, resource, running_operator, serves, until

pytestmark = pytest.mark.timeout(90, func_only=True)
BODY = json.dumps({"entity": "model_version_tag", "action": "set", "data": {}}).encode()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status, await reply.text()


async def post(port: int, *, secret: str, delivery: str) -> int:
    timestamp = str(int(time.time()))
    headers = {
        "X-MLflow-Signature": _generate_hmac_signature(secret, delivery, timestamp, BODY.decode()),
        "X-MLflow-Timestamp": timestamp,
        "X-MLflow-Delivery-Id": delivery,
    }
    url = f"http://127.0.0.1:{port}/hooks/mlflow"
    async with aiohttp.ClientSession() as session, session.post(url, data=BODY, headers=headers) as reply:
        return reply.status


async def test_probes_answer_and_the_leader_exports_every_resource(
    api: ApiServer, where: str, registries: Path
) -> None:
    await api.create(resource(where, "demo", model=where))
    async with running_operator(FOLLOW, registries_dir=registries, watch_namespaces=where) as operator:
        await until(serves(api, where, "1"))
        here = f"http://127.0.0.1:{operator.settings.port}"
        assert (await get(f"{here}/healthz")) == (200, "ok")
        assert (await get(f"{here}/readyz")) == (200, "ok")
        status, text = await get(f"{here}/metrics")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert status == 200
        assert families["driftlead_operator_leader"].samples[0].value == 1
        served = families["driftlead_modeldeployment_served_version"].samples
        labels = {"namespace": where, "name": "demo", "stage": "prod"}
        assert [(each.labels, each.value) for each in served] == [(labels, 1.0)]
        with patch.object(LeaderElector, "is_leader", new=False):
            assert "driftlead_modeldeployment_info{" not in (await get(f"{here}/metrics"))[1]


async def test_a_webhook_makes_the_poll_immediate_and_only_with_the_right_signature_and_once(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    await api.create(resource(where, "demo", model=where))
    settings = {"registries_dir": registries, "watch_namespaces": where, "poll_seconds": 600}
    async with running_operator(FOLLOW, hook_secret_file=secret, **settings) as operator:
        await until(serves(api, where, "1"))
        await asyncio.sleep(1)  # a poll that the start still asked for is over then
        move(mlflow_uri, where, "2", "Production")
        assert await post(operator.settings.hook_port, secret="wrong", delivery="d1") == 401
        await asyncio.sleep(2)
        assert await serves(api, where, "1")()
        assert await post(operator.settings.hook_port, secret="s3cret", delivery="d1") == 200
        await until(serves(api, where, "2"), seconds=3)
        assert await post(operator.settings.hook_port, secret="s3cret", delivery="d1") == 409
        secret.write_text("rotated")
        assert await post(operator.settings.hook_port, secret="s3cret", delivery="d2") == 401
        assert await post(operator.settings.hook_port, secret="rotated", delivery="d3") == 200


async def test_a_standby_hands_webhooks_on_to_the_leader(
    api: ApiServer, where: str, mlflow_uri: str, registries: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    await api.create(resource(where, "demo", model=where))
    settings = {
        "registries_dir": registries,
        "watch_namespaces": where,
        "pod_namespace": where,
        "poll_seconds": 600,
        "hook_secret_file": secret,
        "pod_ip": "127.0.0.1",
    }
    async with running_operator(FOLLOW, **settings):
        await until(serves(api, where, "1"))
        async with running_operator(FOLLOW, leads=False, **settings) as standby:
            await until(lambda: standby.leader.forward_to)
            move(mlflow_uri, where, "2", "Production")
            assert await post(standby.settings.hook_port, secret="s3cret", delivery="d1") == 200
            await until(serves(api, where, "2"), seconds=3)
            assert await post(standby.settings.hook_port, secret="s3cret", delivery="d1") == 409
