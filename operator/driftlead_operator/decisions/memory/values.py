"""Reads single values of a status, whatever stands there: what does not fit is None or empty."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from driftlead_operator.decisions import objects

_Word = TypeVar("_Word", bound=StrEnum)


def text(value: Any) -> str:
    """A text, empty for anything else."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int | None:
    """A whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def word(words: type[_Word], value: Any) -> _Word | None:
    """The member of an enum."""
    # The members by value, since to call the enum and catch its error takes ten times as long.
    found = words._value2member_map_.get(value) if isinstance(value, str) else None
    return found if isinstance(found, words) else None


def time(value: Any) -> datetime | None:
    """A time in UTC and whole seconds, None for what is none or lies at the ends of the calendar."""
    moment = objects.moment(value)
    if moment is None or (moment.tzinfo is UTC and not moment.microsecond):
        return moment  # as we write them
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None


def sequence(value: Any) -> Sequence[Any]:
    """A list, empty for anything else."""
    return value if isinstance(value, (list, tuple)) else ()
