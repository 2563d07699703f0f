"""The axis of time under pictures: round times, few enough to be read. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from driftlead_formats.durations import DAY, MINUTE, ROUND_LENGTHS, in_words

MOST: Final = 4  # labels that fit side by side


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """From `start` to `end` (epoch seconds), drawn from `left` to `right`; `base`: its labels' height."""

    start: float
    end: float
    left: float
    right: float
    base: float

    @staticmethod
    def of(edges: Sequence[str], left: float, right: float, base: float) -> "TimeAxis":
        """Over stretches whose edges are given as ISO 8601."""
        first, last = (datetime.fromisoformat(edge).timestamp() for edge in (edges[0], edges[-1]))
        return TimeAxis(first, last, left, right, base)

    def at(self, seconds: float) -> float:
        """Where a time lies."""
        share = (seconds - self.start) / max(self.end - self.start, 1e-9)
        return self.left + (self.right - self.left) * share

    @property
    def labels(self) -> str:
        """SVG of the round times: marks and text; a day where midnight is, else the hour."""
        span = self.end - self.start
        step = next((step for step in ROUND_LENGTHS if span / step <= MOST), span / MOST)
        first = -(-self.start // step) * step
        marks, texts, seconds = [], [], first
        while seconds <= self.end:
            x = self.at(seconds)
            marks.append(f"M{x:.1f} {self.base - 11:.0f}v4")
            # A label at the end would stick out.
            anchor = "end" if x > self.right - 16 else "start" if x < self.left + 14 else "middle"
            texts.append(
                f'<text class="b" style="text-anchor:{anchor}" x="{x:.0f}" y="{self.base:.0f}">'
                f"{self._said(seconds, step)}</text>"
            )
            seconds += step
        return f'<path class="axis" d="{"".join(marks)}"/>{"".join(texts)}'

    def _said(self, seconds: float, step: float) -> str:
        when = datetime.fromtimestamp(seconds, UTC)
        if step >= DAY or seconds % DAY == 0:
            return f"{when:%b} {when.day}"
        return f"{when:%H:%M}" if step >= MINUTE else f"{when:%H:%M:%S}"


def length_of(edges: Sequence[str]) -> str:
    """How long a stretch is, in words."""
    first, second = (datetime.fromisoformat(edge) for edge in edges[:2])
    return in_words(second - first)


def iso(seconds: float) -> str:
    """A time as documents write it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
