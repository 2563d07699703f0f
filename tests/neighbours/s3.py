"""A real S3 server (MinIO) on a folder."""

import shutil
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from hack.ports import free_port
from hack.tools import path_of
from neighbours.certificates import Authority
from neighbours.mlflow import answers
from neighbours.processes import running


@dataclass(frozen=True)
class S3:
    """Where it listens and with which keys."""

    endpoint: str
    access_key: str = "driftlead"
    secret_key: str = "driftlead-secret"

    def environment(self) -> dict[str, str]:
        """The variables that boto3 and MLflow read."""
        return {
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def s3_server(
    bucket: str = "mlflow", *, domain: str = "", authority: Authority | None = None
) -> Iterator[S3]:
    """A fresh server with one empty bucket; gone afterwards.

    `domain`: below which it knows buckets as hosts; `authority`: who signs its certificate, if it speaks TLS.
    """
    with tempfile.TemporaryDirectory(prefix="driftlead-s3-") as folder:
        home, port = Path(folder), free_port()
        (home / "certificates").mkdir()
        server = S3(f"{'https' if authority else 'http'}://{domain or '127.0.0.1'}:{port}")
        command = [
            path_of("minio"), "server", "--quiet", "--certs-dir", home / "certificates",
            "--address", f"127.0.0.1:{port}", home / "data",
        ]  # fmt: skip
        if authority:
            made = authority.sign("s3")
            shutil.copy(made, home / "certificates/public.crt")
            shutil.copy(made.with_suffix(".key"), home / "certificates/private.key")
        trust = ssl.create_default_context(cafile=authority.certificate) if authority else None
        settings = {"MINIO_ROOT_USER": server.access_key, "MINIO_ROOT_PASSWORD": server.secret_key}
        with running(
            command,
            log=home / "minio.log",
            # `ready` answers 200 before there is anything to put objects into; `cluster` does not.
            answers=lambda: answers(f"{server.endpoint}/minio/health/cluster", trust),
            environment={**settings, **({"MINIO_DOMAIN": domain} if domain else {})},
        ):
            client = boto3.client(
                "s3",
                endpoint_url=server.endpoint,
                aws_access_key_id=server.access_key,
                aws_secret_access_key=server.secret_key,
                region_name="us-east-1",
                verify=str(authority.certificate) if authority else None,
            )
            client.create_bucket(Bucket=bucket)
            yield server
