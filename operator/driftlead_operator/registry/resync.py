"""When versions are read again although nothing says that they changed, and of which models.

A poll trusts the timestamp, stages and aliases of a listed model to tell that its versions changed. A
registry (a fork, a proxy that caches) might not keep that promise, so every ten minutes a resync reads the
versions of all models once more. A poll of the resync reads versions instead of listing models, so that no
poll sends more requests than another; polls that list come in between.
"""

from collections.abc import Callable, Collection, Sequence

RESYNC_SECONDS = 600.0
"""Between the starts of two resyncs of all models."""
POLL_SECONDS = 60.0
"""Between two polls of a resync at the least."""


class Resync:
    """The models whose versions the present resync has not read yet."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unread: Sequence[str] = ()
        self._next_at = clock() + RESYNC_SECONDS
        self._poll_at = 0.0
        self.by_pages = True
        """Whether all versions may be few enough to be read page by page at once."""

    def due(self, known: Collection[str]) -> Sequence[str]:
        """The models of `known` whose versions this poll may read again; none when it is to list models."""
        now = self._clock()
        if not self._unread and now >= self._next_at:
            self._unread, self.by_pages = sorted(known), True
            self._next_at = now + RESYNC_SECONDS
        self._unread = [name for name in self._unread if name in known]
        if not self._unread or now < self._poll_at:
            return ()
        self._poll_at = now + POLL_SECONDS
        return self._unread

    def read(self, models: Collection[str]) -> None:
        """Notes that the versions of these models were read."""
        self._unread = [name for name in self._unread if name not in models]
