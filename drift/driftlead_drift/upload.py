"""Where reports lie in S3, and putting them there."""

from typing import Protocol

from driftlead_drift import storage


class Place(Protocol):
    """Whose report it is."""

    cluster: str
    namespace: str
    resource: str


def prefix(bucket: str, place: Place, deployment: str) -> str:
    """`s3://bucket/driftlead/reports/cluster/namespace/resource/deployment`; what is not named is `-`."""
    parts = [place.cluster, place.namespace, place.resource, deployment]
    return "/".join([f"s3://{bucket}/driftlead/reports", *(part or "-" for part in parts)])


def upload(where: str, run_id: str, files: dict[str, bytes], page: str = "report.html") -> str:
    """Puts a run's files below `where`, under its id and as `latest`; the URI of its page. Raises
    CannotJudgeError.
    """
    # The run's own copy first: `latest` never names a report that is not there.
    for folder in (run_id, "latest"):
        for name, body in files.items():
            storage.put(f"{where}/{folder}/{name}", body, CONTENT_TYPES[name.rpartition(".")[2]])
    return f"{where}/{run_id}/{page}"


CONTENT_TYPES = {"json": "application/json", "html": "text/html; charset=utf-8"}
