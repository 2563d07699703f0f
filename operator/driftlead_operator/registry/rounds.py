"""When versions are read again although nothing says that they moved, and of which models.

A registry might not mark a model when its versions move. A poll that reads versions again does so instead of
listing models, so that no poll asks more than another; the next one lists.
"""

from collections.abc import Callable, Collection, Sequence

ROUND_SECONDS = 600.0
"""So often a round over all models begins."""
POLL_SECONDS = 60.0
"""So often at the most a poll belongs to a round."""


class Rounds:
    """The models that a round has not come to yet."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unread: Sequence[str] = ()
        self._round_at = clock() + ROUND_SECONDS
        self._poll_at = 0.0
        self.by_pages = True
        """Whether all versions may be few enough to be read page by page at once."""

    def due(self, known: Collection[str]) -> Sequence[str]:
        """What this poll may read again of the models that are known, none where a listing is due."""
        now = self._clock()
        if not self._unread and now >= self._round_at:
            self._unread, self.by_pages = sorted(known), True
            self._round_at = now + ROUND_SECONDS
        self._unread = [name for name in self._unread if name in known]
        if not self._unread or now < self._poll_at:
            return ()
        self._poll_at = now + POLL_SECONDS
        return self._unread

    def read(self, models: Collection[str]) -> None:
        """These were read in this round."""
        self._unread = [name for name in self._unread if name not in models]
