"""Which of the watched kinds there are: all required ones, and the optional ones whose API the cluster has.

The audit asks again before each of its comparisons, so a CRD that is installed later is picked up within its
interval and one that is removed empties the cache. In between nothing is asked: neither a listing nor a watch
is sent for an API that is absent. Without optional kinds no request is made at all.

An optional kind that is there and may not be read is as if it were absent: nobody promised the right to it,
and the other kinds must not wait for it. It is reported (a metric, one line of the log in a minute), listed
again with each comparison, and watched once that is allowed. A required kind that may not be read is a matter
of its namespace: see `cluster.namespaces`.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from driftlead_operator import metrics
from driftlead_operator.cluster.api_server import Cluster
from driftlead_operator.kinds import watched_kinds
from driftlead_operator.logs import OnceAMinute

log = structlog.get_logger(__name__)


class Discovery:
    """Knows the kinds that are present; `changed` is told which to watch whenever they are others."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        changed: Callable[[Sequence[str]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._changed = cluster, changed
        self._say = OnceAMinute(clock)
        self._required, self._optional = watched_kinds(optional=False), watched_kinds(optional=True)
        self._found: frozenset[str] = frozenset()
        self.forbidden: Mapping[str, str] = {}

    @property
    def listed(self) -> tuple[str, ...]:
        """The kinds to list, the required ones first."""
        return (*self._required, *(name for name in self._optional if name in self._found))

    @property
    def present(self) -> tuple[str, ...]:
        """The kinds to watch."""
        return tuple(name for name in self.listed if name not in self.forbidden)

    @property
    def absent(self) -> tuple[str, ...]:
        """The optional kinds that the API server does not know, or does not let us read."""
        return tuple(name for name in self._optional if name not in self.present)

    def is_optional(self, kind: str) -> bool:
        """Whether everything goes on without the kind."""
        return kind in self._optional

    def note(self, forbidden: Mapping[str, str]) -> None:
        """Takes in which optional kinds a comparison was not allowed to list, and why."""
        before = self.present
        for kind in self._optional:
            metrics.KIND_FORBIDDEN.labels(kind).set(kind in forbidden)
        for kind, error in forbidden.items():
            if self._say.may(kind):
                log.warning("optional kind may not be read", kind=kind, error=error)
        self.forbidden = dict(forbidden)
        if self.present != before:
            self._changed(self.present)

    async def refresh(self) -> None:
        """Asks for each optional kind. Raises OperatorError when there is no answer; then nothing changes."""
        found = frozenset([name for name in self._optional if await self._cluster.serves(name)])
        if found == self._found:
            return
        log.info("optional kinds", present=sorted(found), absent=sorted(set(self._optional) - found))
        self._found = found
        self._changed(self.present)
