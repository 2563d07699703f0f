"""Where segments are uploaded to: a few operations on objects, and S3 for them."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from driftlead_log import s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class StoreUnreachable(Exception):  # noqa: N818 - a state of the store
    """The store did not do what it was told; the message is its own."""


class Store(Protocol):
    """Objects by key. Every method may raise StoreUnreachable; all block, so call them in a thread."""

    def list(self, prefix: str) -> "list[str]":
        """Keys below `prefix`, in order."""

    def get(self, key: str) -> bytes | None:
        """The object, or None when there is none."""

    def put(self, key: str, body: bytes) -> None:
        """Writes the object."""

    def delete(self, key: str) -> None:
        """Deletes the object, if there is one."""


@dataclass(frozen=True)
class S3Store:
    """A bucket. Endpoint and keys are those of `variables`, looked up at each use, over the environment's.

    So rotated keys count at once.
    """

    bucket: str
    variables: Callable[[], Mapping[str, str]] = dict

    def list(self, prefix: str) -> "list[str]":
        """Keys below `prefix`, in order."""
        client = self._client()
        with _reaching(f"list s3://{self.bucket}/{prefix}"):
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def get(self, key: str) -> bytes | None:
        """The object, or None when there is none."""
        client = self._client()
        with _reaching(f"read s3://{self.bucket}/{key}"):
            try:
                return client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except client.exceptions.NoSuchKey:
                return None

    def put(self, key: str, body: bytes) -> None:
        """Writes the object."""
        client = self._client()
        with _reaching(f"write s3://{self.bucket}/{key}"):
            client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def delete(self, key: str) -> None:
        """Deletes the object, if there is one."""
        client = self._client()
        with _reaching(f"delete s3://{self.bucket}/{key}"):
            client.delete_object(Bucket=self.bucket, Key=key)

    def _client(self) -> "S3Client":
        return s3.client({**os.environ, **self.variables()})


@contextmanager
def _reaching(what: str) -> Iterator[None]:
    """Turns what boto3 raises into StoreUnreachable; `what` says what was to be done."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - boto3 is heavy

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreUnreachable(f"cannot {what}: {error}") from error
