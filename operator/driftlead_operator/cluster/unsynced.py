"""What is not known yet, by namespace and kind, with the reason: for `/readyz` and a metric.

A process that is not ready says nothing else about itself: it does not lead, and has decided nothing. So it
must be able to say what it waits for, or a person looks for a needle in every namespace.
"""

from collections.abc import Iterator

from driftlead_operator import metrics
from driftlead_operator.decisions.objects import one_line

MOST = 5
"""How many causes are told; where one kind of a namespace fails, all of them often do."""


class Unsynced:
    """The causes that the last comparison found."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], str] = {("", ""): "the first listing is under way"}

    def begin(self) -> None:
        """Forgets the causes of before."""
        self._causes = {}
        metrics.UNSYNCED.clear()

    def add(self, namespace: str | None, kind: str, why: str) -> None:
        """Something could not be read, or was not told by a watch."""
        where = namespace or "all"
        self._causes.setdefault((where, kind), one_line(why))
        metrics.UNSYNCED.labels(where, kind).set(1)

    def words(self) -> list[str]:
        """The causes, as many as somebody reads."""
        found = list(self._sentences())
        more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
        return [*found[:MOST], *more]

    def _sentences(self) -> Iterator[str]:
        for (namespace, kind), why in sorted(self._causes.items()):
            yield f"{kind or 'every kind'} in namespace {namespace}: {why}" if namespace else why
