"""The neighbours that other component tests lean on are real and answer."""

import json
import urllib.request

import asyncpg
import boto3

from neighbours import s3_server


async def test_postgres_answers_sql(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000") >= 15
    finally:
        await connection.close()


def test_mlflow_keeps_a_registered_model(mlflow_uri: str) -> None:
    create = urllib.request.Request(
        f"{mlflow_uri}/api/2.0/mlflow/registered-models/create",
        data=json.dumps({"name": "neighbour"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(create) as reply:
        assert json.load(reply)["registered_model"]["name"] == "neighbour"


def test_s3_has_its_bucket() -> None:
    with s3_server() as fresh:  # the one that tests share holds what they put there
        client = boto3.client(
            "s3",
            endpoint_url=fresh.endpoint,
            aws_access_key_id=fresh.access_key,
            aws_secret_access_key=fresh.secret_key,
            region_name="us-east-1",
        )
        assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["mlflow"]
