"""What became of a request that a canary was asked. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why prod answered instead; the label `cause` of the metrics."""

    LATE = "late"
    UNREACHABLE = "unreachable"
    LOST = "lost"
    STATUS = "status"  # any but 200
    UNREADABLE = "unreadable"  # a body that is no answer of this protocol
    NO_NUMBER = "no-number"  # NaN, infinite, or nothing
    COUNT = "count"  # more or fewer answers than rows
    SHAPE = "shape"  # an answer of another kind than prod's
    VERSION = "version"  # of another version than the document names


@dataclass(frozen=True, slots=True)
class Fault:
    """A cause, and what was seen in a few words. `status`: what the canary answered, 0 where it did not."""

    cause: Cause
    seen: str
    status: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request counts for the canary in the log's histograms.

    `status_class` is 2 for an answer that was good, 4 where both sides refuse the request, else 5.
    `latency_ms` is what the canary says of itself for a good answer, else how long it was waited for.
    """

    version: str
    deployment: str
    status_class: int
    latency_ms: float
