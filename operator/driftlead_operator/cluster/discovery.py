"""Which of the watched kinds there are: all required ones, and the optional ones whose API the cluster has.

The audit asks again before each of its comparisons, so a CRD that is installed later is picked up within its
interval and one that is removed empties the cache. In between nothing is asked: neither a listing nor a watch
is sent for an API that is absent. Without optional kinds no request is made at all.
"""

from collections.abc import Callable, Sequence

import structlog

from driftlead_operator.cluster.api_server import Cluster
from driftlead_operator.kinds import watched_kinds

log = structlog.get_logger(__name__)


class Discovery:
    """Knows the kinds that are present; `changed` is told of all of them whenever others are."""

    def __init__(self, *, cluster: Cluster, changed: Callable[[Sequence[str]], None]) -> None:
        self._cluster, self._changed = cluster, changed
        self._required, self._optional = watched_kinds(optional=False), watched_kinds(optional=True)
        self._found: frozenset[str] = frozenset()

    @property
    def present(self) -> tuple[str, ...]:
        """The kinds to watch and to list."""
        return (*self._required, *(name for name in self._optional if name in self._found))

    @property
    def absent(self) -> tuple[str, ...]:
        """The optional kinds that the API server does not know."""
        return tuple(name for name in self._optional if name not in self._found)

    async def refresh(self) -> None:
        """Asks for each optional kind. Raises OperatorError when there is no answer; then nothing changes."""
        found = frozenset([name for name in self._optional if await self._cluster.serves(name)])
        if found == self._found:
            return
        log.info("optional kinds", present=sorted(found), absent=sorted(set(self._optional) - found))
        self._found = found
        self._changed(self.present)
