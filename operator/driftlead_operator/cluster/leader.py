"""Leader election: one process at a time leads, by a Lease of 8 seconds.

As client-go's, with its two rules. Ages are measured by this process's own monotonic clock, from when it saw
a renewal; the times in the Lease are for people, and clocks of machines are never compared. And the leader
gives up before another may take over: who cannot renew for 5 seconds is not the leader any more, 3 seconds
before the Lease can be taken. It goes on watching, and closes its queue.

Edges:

- A process that was stopped (SIGSTOP, a frozen machine) wakes up believing what it knew. `is_leader`
  therefore looks at the clock each time it is asked; no timer needs to have run. What was already past that
  question is stopped by the preconditions of its write (see `carry_out`).
- A renewal counts from before its request was sent: the Lease cannot have begun earlier than that.
- A conflict means that somebody else wrote the Lease. It is read again on the next try, which shows whether
  they hold it; until then the last renewal counts. An API server that cannot be reached changes nothing until
  the 5 seconds are over.
- On a graceful end the Lease is released, and a successor starts within a second.

The leader also measures the watch: each of its renewals must come back as an event. Renewals that did not
(`stale_for`) are the only regular proof that an idle watch is alive.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from driftlead_operator import metrics
from driftlead_operator.cluster.api_server import Cluster, Json
from driftlead_operator.decisions.names import HOOKS_AT, MANAGER
from driftlead_operator.errors import ConflictError, OperatorError

log = structlog.get_logger(__name__)

LEASE = MANAGER
LEASE_SECONDS = 8
RENEW_SECONDS = 5.0
RETRY_SECONDS = 1.0
REQUEST_SECONDS = 3.0


class LeaderElector:
    """Holds the Lease, or waits for it. `changed` is called with whether this process leads now."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        namespace: str,
        identity: str,
        hooks_at: str,
        changed: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._namespace, self._identity = cluster, namespace, identity
        self._hooks_at, self._changed, self._clock = hooks_at, changed, clock
        self._renewed: float | None = None
        self._leading = False
        self._observed: tuple[str, float] = ("", 0.0)
        self._unseen: dict[int, float] = {}
        self._lease: Json | None = None

    @property
    def is_leader(self) -> bool:
        """Whether this process may write: it holds the Lease and renewed it in time."""
        return self._leading and self._renewed is not None and self._clock() - self._renewed < RENEW_SECONDS

    @property
    def forward_to(self) -> str:
        """Where the leader takes webhooks, "" when that is us or unknown."""
        if self._leading or not self._lease:
            return ""
        annotations = self._lease["metadata"].get("annotations") or {}
        return str(annotations.get(HOOKS_AT, ""))

    def observe(self, lease: Json) -> None:
        """Takes in the Lease as the watch tells it."""
        version = int(lease["metadata"]["resourceVersion"])
        self._unseen = {each: at for each, at in self._unseen.items() if each > version}

    def stale_for(self) -> float:
        """Seconds between the oldest renewal that the watch has not told and the newest; 0 when it told all.

        Between renewals, not until now: an API server that is down tells nothing, and no watch is to blame.
        """
        return max(self._unseen.values()) - min(self._unseen.values()) if self._unseen else 0.0

    async def run(self) -> None:
        """Acquires and renews the Lease until cancelled, then releases it."""
        try:
            while True:
                await self.try_acquire_or_renew()
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            was, self._leading = self._leading, False
            if was:
                self._set_leader(False)
                await asyncio.shield(self._release())

    async def try_acquire_or_renew(self) -> None:
        """One try to acquire or to renew the Lease; tells when that changed who leads."""
        began = self._clock()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                held = await self._acquire_or_renew()
        except (OperatorError, TimeoutError) as error:
            self._lease = None if isinstance(error, ConflictError) else self._lease
            held = None
            if not isinstance(error, ConflictError):
                log.warning("cannot renew the lease", error=str(error) or "too slow", leader=self._leading)
        if held:
            self._renewed = began  # from before the request: the Lease cannot have begun earlier
            metrics.LEASE_RENEWED.set_to_current_time()
        late = self._renewed is None or self._clock() - self._renewed >= RENEW_SECONDS
        if held and not self._leading:
            self._set_leader(True)
        elif self._leading and (held is False or late):
            self._set_leader(False)

    def _set_leader(self, leader: bool) -> None:
        self._leading = leader
        metrics.LEADER.set(leader)
        log.info("became leader" if leader else "lost leadership", identity=self._identity)
        self._changed(leader)

    async def _acquire_or_renew(self) -> bool:
        """Whether the Lease is ours now; a conflict means that somebody else wrote it meanwhile."""
        if not (self._leading and self._lease):
            self._lease = await self._cluster.get("Lease", self._namespace, LEASE)
        if self._lease is None:
            self._record(await self._cluster.create(self._desired(None)))
            return True
        spec = self._lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder and holder != self._identity and not self._is_expired(spec):
            return False
        self._record(await self._cluster.replace(self._desired(self._lease)))
        return True

    def _is_expired(self, spec: Json) -> bool:
        """Whether another's Lease has stood unchanged for its whole time, as seen from here."""
        mark = f"{spec.get('holderIdentity')} {spec.get('renewTime')} {spec.get('leaseTransitions')}"
        if self._observed[0] != mark:
            self._observed = (mark, self._clock())
        # Our own time, as in client-go: a holder that died could have written any duration.
        return self._clock() - self._observed[1] > LEASE_SECONDS

    def _record(self, lease: Json) -> None:
        self._lease = lease
        self._unseen[int(lease["metadata"]["resourceVersion"])] = self._clock()

    def _desired(self, before: Json | None) -> Json:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata: dict[str, Any] = {
            "name": LEASE,
            "namespace": self._namespace,
            "annotations": {HOOKS_AT: self._hooks_at},
        }
        spec: dict[str, Any] = dict((before or {}).get("spec") or {})
        if spec.get("holderIdentity") != self._identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (before is not None)
        spec |= {"holderIdentity": self._identity, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        if before:
            metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    async def _release(self) -> None:
        """Lets the next leader start at once."""
        if not self._lease:
            return
        desired = self._desired(self._lease)
        desired["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._cluster.replace(desired)
        except (OperatorError, TimeoutError) as error:
            log.warning("lease not released", error=str(error))
