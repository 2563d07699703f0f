"""Cron schedules as Kubernetes reads them (robfig/cron): what is wrong with one, and how far apart it fires.

The parser is cronsim, which follows Debian. Where the two differ, a schedule is refused or rewritten here
first: Kubernetes knows `?` and no `L`, `W`, `#` or weekday 7, ends a weekday's steps at Saturday, and takes
days given by a step such as `*/2` for a restriction, so that a weekday beside them is an alternative and not
a condition.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise, takewhile

from cronsim import CronSim, CronSimError

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ITEM = re.compile(r"(?P<low>[*?]|\d+|[a-z]{3})(-(?P<high>\d+|[a-z]{3}))?(/(?P<step>\d+))?", re.IGNORECASE)
_BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001 - a calendar, not a time
# Two years, so that what fires in one month only is seen twice.
_DAYS = timedelta(days=2 * 366)
_LONGEST = timedelta(days=366)


@lru_cache(maxsize=256)
def fault(schedule: str) -> str:
    """What is wrong with a schedule, as Kubernetes' CronJob reads it; empty when nothing is."""
    if schedule.startswith("@"):
        return "" if schedule in MACROS else f"it may be one of {', '.join(sorted(MACROS))}"
    fields = schedule.split()
    if len(fields) != len(FIELDS):
        return f"it has {len(fields)} fields, and needs five: minute hour day month weekday"
    faults = (_item_fault(item, place) for place, text in enumerate(fields) for item in text.split(","))
    return next((each for each in faults if each), "")


def _item_fault(item: str, place: int) -> str:
    """What is wrong with one item of a field, judged with all other fields open."""
    name, lowest, highest = FIELDS[place]
    wrong = f"'{item}' is not a {name} from {lowest} to {highest}"
    match = _ITEM.fullmatch(item)
    if not match:
        return wrong
    if match["step"] is not None and int(match["step"]) == 0:
        return f"the step of '{item}' must not be 0"
    if any(each and each.isdecimal() and int(each) > highest for each in (match["low"], match["high"])):
        return wrong  # cronsim takes weekday 7
    fields = ["*"] * len(FIELDS)
    fields[place] = _rewritten(item, place)
    try:
        CronSim(" ".join(fields), _BEGIN)
    except CronSimError:
        return wrong
    return ""


def _rewritten(text: str, place: int) -> str:
    """A field in cronsim's dialect."""
    items = [_rewritten_item(item, place) for item in text.split(",")]
    return "*" if "*" in items else ",".join(items)


def _rewritten_item(item: str, place: int) -> str:
    base, _, step = item.replace("?", "*").partition("/")
    if not step or (base == "*" and int(step) == 1):
        return base
    _, lowest, highest = FIELDS[place]
    first = str(lowest) if base == "*" else base
    return f"{first}/{step}" if "-" in first else f"{first}-{highest}/{step}"


@lru_cache(maxsize=256)
def longest_interval(schedule: str) -> float | None:
    """The most seconds between two times of a schedule, None when it cannot be read or never fires."""
    if fault(schedule):
        return None
    fields = MACROS.get(schedule, schedule).split()
    minute, hour, day, month, weekday = (_rewritten(text, place) for place, text in enumerate(fields))
    times = _fires(f"{minute} {hour} * * *", timedelta(days=1))
    days = _fires(f"0 0 {day} {month} {weekday}", _DAYS)
    if not (times and days):
        return None
    overnight = times[0] - times[-1]
    gaps = [*_gaps(times), *(gap + overnight for gap in _gaps(days) or [_LONGEST])]
    return max(gap.total_seconds() for gap in gaps)


def _fires(expression: str, length: timedelta) -> Sequence[datetime]:
    try:
        moments = CronSim(expression, _BEGIN - timedelta(seconds=1))
        return list(takewhile(lambda at: at < _BEGIN + length, moments))
    except CronSimError:  # a day that no month has
        return []


def _gaps(moments: Sequence[datetime]) -> Sequence[timedelta]:
    return [later - earlier for earlier, later in pairwise(moments)]
