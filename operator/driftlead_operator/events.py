"""Events for people, written one by one beside the workers, so that no decision waits for them.

An event is a courtesy: status holds the truth. So a reconcile only puts it into a queue; one that cannot be
written is logged with its text and not tried again, a queue of `MAX_WAITING` that is full loses the newest,
and a process that has lost leadership writes none. On a graceful end the queue is emptied first, within the
grace period.

The name of an event is a hash of the resource's uid and the words. The same words again are therefore a
conflict, which moves the time of the event that is there, instead of a new object each time a rollout fails
in the same way.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime

import structlog

from driftlead_operator.cluster.api_server import Cluster, Json
from driftlead_operator.decisions.facts import Event, Manifest
from driftlead_operator.decisions.names import MANAGER
from driftlead_operator.decisions.objects import one_line
from driftlead_operator.errors import ConflictError, OperatorError

log = structlog.get_logger(__name__)

MAX_WAITING = 10_000


class Events:
    """Takes events at once and writes them in their order."""

    def __init__(
        self, *, cluster: Cluster, is_leader: Callable[[], bool], now: Callable[[], datetime], instance: str
    ) -> None:
        self._cluster, self._is_leader, self._now, self._instance = cluster, is_leader, now, instance
        self._waiting: asyncio.Queue[Json] = asyncio.Queue(MAX_WAITING)

    def post(self, resource: Manifest, event: Event) -> None:
        """Has an event written, with the time of now."""
        manifest = event_manifest(resource, event, self._now(), self._instance)
        try:
            self._waiting.put_nowait(manifest)
        except asyncio.QueueFull:
            lost(manifest, f"{MAX_WAITING} others wait")

    async def run(self) -> None:
        while True:
            manifest = await self._waiting.get()
            try:
                await self._write(manifest)
            except OperatorError as error:
                lost(manifest, str(error))
            except Exception:
                log.exception("event not written", resource=manifest["involvedObject"]["name"])
            finally:
                self._waiting.task_done()

    async def written(self) -> None:
        """Returns once nothing waits."""
        await self._waiting.join()

    async def _write(self, manifest: Json) -> None:
        """Creates an event, or moves the time of the same one."""
        if not self._is_leader():
            lost(manifest, "this process is not the leader any more")
            return
        try:
            await self._cluster.create(manifest)
        except ConflictError:
            name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
            again = {"lastTimestamp": manifest["lastTimestamp"], "message": manifest["message"]}
            await self._cluster.merge("Event", namespace, name, again)


def lost(manifest: Json, why: str) -> None:
    """Logs an event that could not be written."""
    about = manifest["involvedObject"]
    log.warning(
        "event lost",
        resource=f"{about['namespace']}/{about['name']}",
        reason=manifest["reason"],
        message=manifest["message"],
        error=why,
    )


def event_manifest(resource: Manifest, event: Event, now: datetime, instance: str) -> Json:
    """The event as the API server takes it; the same words about the same resource have the same name."""
    metadata, message = resource["metadata"], one_line(event.message)
    words = f"{metadata['uid']} {event.type} {event.reason} {message}"
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{digest}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": resource["apiVersion"],
            "kind": resource["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": event.type,
        "reason": event.reason,
        "message": message,
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": instance,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
