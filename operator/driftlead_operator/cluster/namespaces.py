"""Which of the named namespaces can be read, and which of them may be reconciled.

The operator may be told to watch some namespaces only, with rights in each of them. One that is deleted takes
its Role and RoleBinding along, and each listing and watch there is refused from then on. That concerns its
own resources and nobody else's: it is left out of what is watched and waited for, its resources are held, a
metric and one line of the log in a minute say so, and it is tried again with each comparison of the audit.

A namespace is held as a whole, also when only one kind of it is refused: to decide on a resource without its
pods would be worse than not to decide. It is released once it can be read again and the watches have told all
that a listing showed.

When every namespace refuses, nothing is concluded: an API server that has just started answers like this for
a moment, and an operator that can read nothing has seen nothing.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from driftlead_operator import metrics
from driftlead_operator.logs import OnceAMinute

log = structlog.get_logger(__name__)


class Namespaces:
    """The namespaces that were named; none means all. `readable_changed` is told which are to be watched."""

    def __init__(
        self,
        named: Collection[str],
        *,
        readable_changed: Callable[[Sequence[str]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._named = tuple(named)
        self._readable_changed = readable_changed
        self._say = OnceAMinute(clock)
        self.refused: Mapping[str, str] = {}
        self._held: set[str] = set()

    @property
    def listed(self) -> tuple[str | None, ...]:
        """What to list: each namespace, or None for all at once."""
        return self._named or (None,)

    @property
    def recovering(self) -> set[str]:
        """Those that can be read again and are not reconciled yet."""
        return self._held - self.refused.keys()

    def is_held(self, namespace: str) -> bool:
        """Whether nothing in this namespace may be reconciled, since not all of it is known."""
        return namespace in self._held

    def note(self, refused: Mapping[str, str]) -> bool:
        """Takes in which namespaces a comparison could not read, and why; whether it could read any."""
        for namespace in self._named:
            metrics.NAMESPACE_UNREADABLE.labels(namespace).set(namespace in refused)
        for namespace, error in refused.items():
            if self._say.may(namespace):
                log.warning("namespace cannot be read", namespace=namespace or "all", error=error)
        if refused and len(refused) >= len(self._named):
            return False
        before, self.refused = self.refused, dict(refused)
        self._held |= refused.keys()
        if before.keys() != refused.keys():
            self._readable_changed([each for each in self._named if each not in refused])
        return True

    def release(self, behind: Collection[str]) -> list[str]:
        """Releases those that are read again and of which no watch is behind; which they are."""
        released = sorted(self.recovering - set(behind))
        self._held -= set(released)
        for namespace in released:
            log.info("namespace is read again", namespace=namespace)
        return released
