"""The S3 client: endpoint, keys and addressing by the same variables that MLflow reads."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 3
READ_SECONDS = 20
ATTEMPTS = 3
STYLES = ("auto", "path", "virtual")
STYLE = "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def client(variables: Mapping[str, str]) -> "S3Client":
    """A client for these variables, kept while they stay the same: to make one takes a tenth of a second.

    STYLE is `path` (host/bucket/key), `virtual` (bucket.host/key) or `auto`: virtual hosts at AWS, paths at
    another endpoint. Raises ValueError for another word.
    """
    style = variables.get(STYLE) or "auto"
    if style not in STYLES:
        raise ValueError(f"{STYLE} is {style!r}; it may be {', '.join(STYLES)}")
    return _client(
        variables.get("MLFLOW_S3_ENDPOINT_URL") or variables.get("AWS_ENDPOINT_URL_S3") or None,
        style,
        variables.get("AWS_DEFAULT_REGION") or "us-east-1",
        variables.get("AWS_CA_BUNDLE") or None,
        *(variables.get(name) or None for name in KEYS),
    )


@lru_cache(maxsize=1)
def _client(
    endpoint: str | None, style: Any, region: str, authorities: str | None, *keys: str | None
) -> "S3Client":
    import boto3.session  # noqa: PLC0415 - 0.2 s and 20 MB that most processes never need
    from botocore.config import Config  # noqa: PLC0415

    key, secret, token = keys
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        verify=authorities,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            s3={"addressing_style": style},
        ),
    )
