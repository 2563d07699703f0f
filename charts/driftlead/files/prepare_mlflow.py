"""Makes ready what MLflow's server needs: its database answers, its bucket is there, its schema is new."""

# ruff: noqa: S603, S607, T201 (a script inside a pod: its log is its terminal, its PATH the image's)

import os
import subprocess
import sys
import time
from collections.abc import Callable

import boto3
import psycopg2
from botocore.config import Config

DEADLINE = time.monotonic() + 300


def retry(what: str, attempt: Callable[[], None]) -> None:
    """Tries until it works; after five minutes ends with the last words of the other side."""
    while True:
        try:
            attempt()
        except Exception as error:  # whatever it is: the other side may still be starting
            words = " ".join(str(error).split())
            if time.monotonic() > DEADLINE:
                sys.exit(f"{what}: gave up after 5 minutes: {words}")
            print(f"{what}: not yet: {words}", flush=True)
            time.sleep(2)
        else:
            print(f"{what}: done", flush=True)
            return


def make_bucket() -> None:
    """Makes the bucket unless it is there."""
    once = Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 1})
    s3 = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], config=once)
    bucket = os.environ["BUCKET"]
    if bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)


def upgrade_schema() -> None:
    """An older MLflow's schema is upgraded; an empty database is left to the server, which makes its own."""
    uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
    connection = psycopg2.connect(uri.replace("+psycopg2:", ":", 1), connect_timeout=3)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
        (made_before,) = cursor.fetchone() or (False,)
    connection.close()
    if made_before:
        subprocess.run(["mlflow", "db", "upgrade", uri], check=True)


retry("database", upgrade_schema)
retry("bucket", make_bucket)
