"""Where reports lie, in a folder or in S3, and writing them there."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.storage import s3
from driftlead_formats.traffic import Traffic


def prefix(bucket: str, traffic: Traffic) -> str:
    """`s3://bucket/driftlead/reports/cluster/namespace/resource/deployment`; what is not named is `-`."""
    parts = [traffic.cluster, traffic.namespace, traffic.resource, traffic.deployment]
    return "/".join([f"s3://{bucket}/driftlead/reports", *(part or "-" for part in parts)])


def new_run_id(now: datetime) -> str:
    """A run's id: sorts by time, and tells runs of the same second apart."""
    return f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def write_folder(folder: Path, files: Mapping[str, bytes], *, page: str) -> str:
    """Writes a run's files to the folder of --report; its page's path. Raises CannotJudgeError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in files.items():
            (folder / name).write_bytes(body)
    except OSError as error:
        raise CannotJudgeError(
            f"the report cannot be written to {folder}: {error.strerror or error}; name another --report"
        ) from error
    return str(folder / page)


def upload(where: str, run_id: str, files: Mapping[str, bytes], page: str = "report.html") -> str:
    """Puts a run's files below `where`, under its id and as `latest`; the URI of its page. Raises
    CannotJudgeError.
    """
    # The run's own copy first: `latest` never names a report that is not there.
    for folder in (run_id, "latest"):
        for name, body in files.items():
            s3.put(f"{where}/{folder}/{name}", body, CONTENT_TYPES[name.rpartition(".")[2]])
    return f"{where}/{run_id}/{page}"


CONTENT_TYPES = {"json": "application/json", "html": "text/html; charset=utf-8"}
