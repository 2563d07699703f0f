"""How far apart a cron schedule fires: what a check must not be older than a few times of."""

from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

NAMED = {
    name: number
    for names in (
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "sun mon tue wed thu fri sat",
    )
    for number, name in enumerate(names.split(), start=names.startswith("jan"))
}
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001 - a calendar, not a time
DAYS = 366 + 31


def _numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for item in field.lower().split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            begin, end = low, high
        else:
            begin = _number(first)
            end = _number(last) if last else high if step else begin
        found.update(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str) -> int:
    return NAMED[text] if text in NAMED else int(text)


def _days(days: str, months: str, weekdays: str) -> list[int]:
    """The days, counted from BEGIN, on which a schedule fires."""
    by_day, by_weekday = days[0] not in "*?", weekdays[0] not in "*?"
    fits_day, fits_month, fits_weekday = (
        _numbers(field, *bounds) for field, bounds in zip((days, months, weekdays), BOUNDS[2:], strict=True)
    )
    found = []
    for number in range(DAYS):
        at = BEGIN + timedelta(days=number)
        day, weekday = at.day in fits_day, at.isoweekday() % 7 in fits_weekday
        # As in cron: where both are given, either will do.
        fits = (day or weekday) if by_day and by_weekday else (day and weekday)
        if at.month in fits_month and fits:
            found.append(number)
    return found


@lru_cache(maxsize=256)
def longest_interval(schedule: str) -> float | None:
    """The longest time in seconds between two times of a schedule, None when it cannot be read."""
    try:
        minutes, hours, *rest = MACROS.get(schedule, schedule).split()
        times = sorted(60 * h + m for h in _numbers(hours, *BOUNDS[1]) for m in _numbers(minutes, *BOUNDS[0]))
        days = _days(*rest)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    if not (times and days):
        return None
    within = [later - earlier for earlier, later in pairwise(times)]
    between = [(later - earlier) * 1440 + times[0] - times[-1] for earlier, later in pairwise(days)]
    return 60.0 * max([*within, *between], default=366 * 1440)
