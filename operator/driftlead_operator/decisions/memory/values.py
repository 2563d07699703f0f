"""Reads single values of a status, whatever stands there: what does not fit is None or empty."""

from datetime import UTC, datetime
from typing import Any

from driftlead_operator.decisions import objects


def text(value: Any) -> str:
    """A text, empty for anything else."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int | None:
    """A whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def time(value: Any) -> datetime | None:
    """A time in UTC and whole seconds, None for what is none or lies at the ends of the calendar."""
    moment = objects.moment(value)
    if moment is None or (moment.tzinfo is UTC and not moment.microsecond):
        return moment  # as we write them
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None
