"""S3 with buckets as hosts and as paths: models, reports and uploaded segments are found by both."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neighbours import S3, mlflow_server, s3_server
from neighbours.inference import inference_server
from neighbours.models import register, rows
from neighbours.processes import ROOT

RESOLVER = str(ROOT / "tests/neighbours/resolver")
MODEL = "Demo"
TRY = """
import json, os
from driftlead_log.store import S3Store
from driftlead_drift.storage import s3
bucket, said = os.environ["DRIFTLEAD_REPORT_BUCKET"], {}
s3.put(f"s3://{bucket}/reports/a", b"report", "text/plain")
store = S3Store(bucket)
store.put("uploaded/segment", b"rows")
said["listed"] = store.list("uploaded/") + store.list("reports/")
said["read"] = [s3.get(f"s3://{bucket}/reports/a").decode(), store.get("uploaded/segment").decode()]
said["missing"] = [s3.get(f"s3://{bucket}/none"), store.get("none")]
store.delete("uploaded/segment")
said["host"] = s3.client().generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"})
print(json.dumps(said))
"""
"""What the drift check and a dying pod do."""


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A store that knows its buckets by both."""
    with s3_server(domain="localhost") as server:
        yield server


def asked(server: S3, **changes: str) -> subprocess.CompletedProcess[str]:
    """The trial above in a pod's environment."""
    environment = {**server.environment(), "DRIFTLEAD_REPORT_BUCKET": "mlflow", "PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "-c", TRY],
        env={**environment, **changes},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def understood(done: subprocess.CompletedProcess[str]) -> str:
    """Everything worked; where the client looks for a bucket's object."""
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said["listed"] == ["uploaded/segment", "reports/a"]
    assert said["read"] == ["report", "rows"]
    assert said["missing"] == [None, None]
    return str(said["host"]).partition("?")[0]


@pytest.mark.parametrize("style", ["path", "auto"])
def test_an_endpoint_of_ones_own_is_asked_by_path_unless_told_otherwise(style: str, by_name: S3) -> None:
    place = understood(asked(by_name, MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE=style))
    assert place == f"{by_name.endpoint}/mlflow/a"


def test_a_store_that_knows_buckets_as_hosts_is_asked_so_by_setting(by_name: S3) -> None:
    virtual = {"MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual"}
    place = understood(asked(by_name, **virtual, PYTHONPATH=RESOLVER))
    assert place == f"{by_name.endpoint.replace('://', '://mlflow.')}/a"
    lost = asked(by_name, **virtual, PYTHONPATH="")
    assert lost.returncode == 1
    assert "cannot write s3://mlflow/reports/a" in lost.stderr
    assert "mlflow.localhost" in lost.stderr


def test_aws_itself_is_asked_by_hosts(by_name: S3) -> None:
    script = (
        "from driftlead_log.s3 import client; import os; s3 = client(os.environ); "
        "print(s3.generate_presigned_url('get_object', Params={'Bucket': 'models', 'Key': 'a'}))"
    )
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "eu-central-1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=keys, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("https://models.s3.amazonaws.com/a?")


def test_another_word_for_the_style_is_refused_with_those_there_are(by_name: S3) -> None:
    done = asked(by_name, MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE="dns")
    assert done.returncode == 1
    assert "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE is 'dns'; it may be auto, path, virtual" in done.stderr


def test_a_pod_takes_its_model_from_a_bucket_that_is_a_host(
    by_name: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = {"MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual"}
    for name, value in by_name.environment().items():
        monkeypatch.setenv(name, value)
    with mlflow_server(artifacts="s3://mlflow/models") as uri:
        register(uri, MODEL)
        places = {**by_name.environment(), **style, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": RESOLVER}
        with inference_server(f"models:/{MODEL}/1", tmp_path, **places) as pod:
            assert pod.predict(rows(1)[0].tolist())["model_version"] == "1"
