"""S3 by boto3: small objects in and out, with short timeouts and sentences instead of tracebacks."""

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from driftlead_drift.errors import CannotJudgeError
from driftlead_log import s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


def client() -> "S3Client":
    """The client whose endpoint and keys the environment holds, as MLflow's. Raises CannotJudgeError."""
    try:
        return s3.client(os.environ)
    except ValueError as error:
        raise CannotJudgeError(f"{error}; set it in the connections") from error


def get(uri: str) -> bytes | None:
    """The object at `s3://bucket/key`, None when there is none. Raises CannotJudgeError."""
    bucket, key = _parts(uri)
    try:
        return client().get_object(Bucket=bucket, Key=key)["Body"].read()
    except _errors() as error:
        if _code(error) in MISSING:
            return None
        raise CannotJudgeError(_sentence("read", uri, error)) from error


def put(uri: str, body: bytes, content_type: str) -> None:
    """Writes an object. Raises CannotJudgeError with what S3 said."""
    bucket, key = _parts(uri)
    try:
        client().put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
    except _errors() as error:
        raise CannotJudgeError(_sentence("write", uri, error)) from error


def _parts(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


def _errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    return BotoCoreError, ClientError


def _code(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _sentence(verb: str, uri: str, error: Exception) -> str:
    endpoint = os.environ.get("MLFLOW_S3_ENDPOINT_URL") or "AWS"
    return (
        f"cannot {verb} {uri} at {endpoint}: {error}. Check MLFLOW_S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, and the rights of that key"
    )
