"""The API server behind a few methods: what observe reads, what carry_out writes."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

import aiohttp
import orjson

from driftlead_operator import metrics
from driftlead_operator.cluster.lean import kopf
from driftlead_operator.decisions.facts import Manifest
from driftlead_operator.decisions.names import MANAGER
from driftlead_operator.decisions.objects import one_line
from driftlead_operator.errors import (
    ConflictError,
    NotFoundError,
    OperatorError,
    RefusedError,
    UnreachableError,
)
from driftlead_operator.exchange import exchange
from driftlead_operator.kinds import KINDS

Json = dict[str, Any]
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
TOKEN_SECONDS = 60.0
PAGE = 1000
EVENTS = 100
SERVICES_AT_ONCE = 4
"""The API server gives cluster addresses out one by one: more that wait there only run into timeouts."""


class Listed(NamedTuple):
    """Metadata of objects of one kind, and the version of the whole listing."""

    items: Sequence[Json]
    version: int


class Cluster(Protocol):
    """What the operator asks of an API server. Every method raises an `OperatorError`."""

    async def get(self, kind: str, namespace: str, name: str, *, cached: bool = False) -> Json | None:
        """One object, None when it is not there. `cached` takes what the API server has in memory."""

    async def serves(self, kind: str) -> bool:
        """Whether the API server knows the kind; asking needs no right to it."""

    async def list_metadata(self, kind: str, namespace: str | None, selector: str = "") -> Listed:
        """Names, versions and labels of every object of a kind."""

    async def events(self, namespace: str, uid: str, reason: str) -> Sequence[Json]:
        """The events of one reason about one object."""

    async def apply(self, manifest: Manifest, *, force: bool) -> Json:
        """Server-side apply as our one field manager; `metadata.resourceVersion` is a precondition."""

    async def create(self, manifest: Manifest) -> Json:
        """Creates; ConflictError when the name is taken."""

    async def replace(self, manifest: Manifest) -> Json:
        """Replaces, while its resourceVersion is still the one given."""

    async def write_status(self, seen: Manifest, status: Manifest) -> Json:
        """Sets the whole status, while the object is still the one that was seen."""

    async def merge(self, kind: str, namespace: str, name: str, change: Manifest) -> Json:
        """Merges a change into an object."""

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Deletes in the background, while the object is still the one with that uid; gone is fine."""


def login(**arguments: Any) -> kopf.ConnectionInfo | None:
    """Where the API server is and who we are: the pod's service account, else a kubeconfig."""
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)


class ApiServer:
    """The Cluster that speaks HTTP. Tokens are read again every minute, since they rotate."""

    def __init__(self, *, timeout: float = 15.0, connections: int = 48) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._server = ""
        self._headers: Mapping[str, str] = {}
        self._headers_until = 0.0
        self._services = asyncio.Semaphore(SERVICES_AT_ONCE)

    async def __aenter__(self) -> Self:
        info = self._login()
        self._server = info.server.rstrip("/")
        connector = aiohttp.TCPConnector(ssl=info.as_ssl_context(), limit=self._connections)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    def _login(self) -> kopf.ConnectionInfo:
        info = login(settings=kopf.OperatorSettings())
        if info is None:
            raise UnreachableError(
                "no API server is known: there is neither a service account's token nor a kubeconfig; "
                "run inside a pod, or set KUBECONFIG"
            )
        self._headers = info.as_http_headers()
        self._headers_until = time.monotonic() + TOKEN_SECONDS
        return info

    async def request(
        self,
        verb: str,
        kind: str,
        method: str,
        path: str,
        *,
        body: object = None,
        content: str = "",
        **more: Any,
    ) -> Json:
        """One request, counted under its verb and kind; the content, or the error that it stands for."""
        if time.monotonic() > self._headers_until:
            self._login()
        headers = {"Content-Type": content or "application/json", **self._headers, **more.pop("headers", {})}
        data = None if body is None else orjson.dumps(body)
        if self._session is None:
            raise UnreachableError("the connection to the API server is not open")
        try:
            status, text = await exchange(
                self._session, method, self._server + path, data=data, headers=headers, **more
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.API_REQUESTS.labels(verb, kind, "none").inc()
            raise UnreachableError(f"the API server did not answer {verb} {kind}: {error!r}") from error
        metrics.API_REQUESTS.labels(verb, kind, str(status)).inc()
        if status == 401:
            self._headers_until = 0.0
        if status >= 400:
            raise refusal(status, text, f"{verb} {kind} {path}")
        answer: Json = orjson.loads(text) if text else {}
        return answer

    async def get(self, kind: str, namespace: str, name: str, *, cached: bool = False) -> Json | None:
        query = {"resourceVersion": "0"} if cached else {}
        try:
            return await self.request("get", kind, "GET", KINDS[kind].path(namespace, name), params=query)
        except NotFoundError:
            return None

    async def serves(self, kind: str) -> bool:
        """Whether the API server knows the kind.

        By discovery, which everybody who is authenticated may read: a listing of a kind that is absent is
        answered with 403 where there is no right to it, since authorization comes before the search for the
        API.
        """
        try:
            found = await self.request("discover", kind, "GET", KINDS[kind].discovery)
        except NotFoundError:
            return False
        return any(each["name"] == KINDS[kind].plural for each in found.get("resources") or ())

    async def list_metadata(self, kind: str, namespace: str | None, selector: str = "") -> Listed:
        """Names, versions and labels of every object of a kind, in pages."""
        items: list[Json] = []
        token, version = "", 0
        while True:
            query = {"limit": str(PAGE), "labelSelector": selector, "continue": token}
            page = await self.request(
                "list",
                kind,
                "GET",
                KINDS[kind].path(namespace),
                params={name: value for name, value in query.items() if value},
                headers={"Accept": METADATA_ONLY},
            )
            items += page.get("items") or ()  # metadata-only listings say null for none
            version = int(page["metadata"].get("resourceVersion") or version)
            token = page["metadata"].get("continue", "")
            if not token:
                return Listed(items, version)
            await asyncio.sleep(0)

    async def events(self, namespace: str, uid: str, reason: str) -> Sequence[Json]:
        query = {"fieldSelector": f"involvedObject.uid={uid},reason={reason}", "limit": str(EVENTS)}
        found = await self.request("list", "Event", "GET", KINDS["Event"].path(namespace), params=query)
        items: Sequence[Json] = found.get("items") or ()
        return items

    async def apply(self, manifest: Manifest, *, force: bool) -> Json:
        kind, metadata = manifest["kind"], manifest["metadata"]
        path = KINDS[kind].path(metadata["namespace"], metadata["name"])
        query = {"fieldManager": MANAGER, "force": str(force).lower()}
        takes_an_address = kind == "Service" and "resourceVersion" not in metadata
        async with self._services if takes_an_address else contextlib.nullcontext():
            return await self.request(
                "apply", kind, "PATCH", path, body=manifest, content=APPLY, params=query
            )

    async def create(self, manifest: Manifest) -> Json:
        kind = manifest["kind"]
        path = KINDS[kind].path(manifest["metadata"]["namespace"])
        query = {"fieldManager": MANAGER}
        return await self.request("create", kind, "POST", path, body=manifest, params=query)

    async def replace(self, manifest: Manifest) -> Json:
        kind, metadata = manifest["kind"], manifest["metadata"]
        path = KINDS[kind].path(metadata["namespace"], metadata["name"])
        return await self.request(
            "update", kind, "PUT", path, body=manifest, params={"fieldManager": MANAGER}
        )

    async def write_status(self, seen: Manifest, status: Manifest) -> Json:
        metadata = seen["metadata"]
        path = KINDS[seen["kind"]].path(metadata["namespace"], metadata["name"], "status")
        # A JSON Patch, because a merge could not take fields away.
        change = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": "/status", "value": status},
        ]
        query = {"fieldManager": MANAGER}
        return await self.request(
            "patch-status", seen["kind"], "PATCH", path, body=change, content=JSON_PATCH, params=query
        )

    async def merge(self, kind: str, namespace: str, name: str, change: Manifest) -> Json:
        path = KINDS[kind].path(namespace, name)
        query = {"fieldManager": MANAGER}
        return await self.request(
            "patch", kind, "PATCH", path, body=change, content=MERGE_PATCH, params=query
        )

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        try:
            await self.request("delete", kind, "DELETE", KINDS[kind].path(namespace, name), body=body)
        except NotFoundError:
            return


def refusal(status: int, text: bytes, what: str) -> OperatorError:
    """The error that an answer of 400 and above stands for, in the API server's own words."""
    try:
        words = orjson.loads(text).get("message") or ""
    except (ValueError, AttributeError):
        words = text.decode(errors="replace")[:500]
    message = one_line(f"{what}: {status} {words}")
    if status in (404, 410):
        return NotFoundError(message)
    if status == 409:
        return ConflictError(message)
    if status in (401, 408, 429) or status >= 500:
        return UnreachableError(message)
    return RefusedError(message)
