"""Lengths of time as people write them: `15m`, `1h`, `7d`."""

import re
from datetime import timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
PARTS = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def duration(text: str) -> timedelta:
    """`1h30m` as a length of time. Raises ValueError with a sentence."""
    word = text.strip().lower()
    parts = PARTS.findall(word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        raise ValueError(f"'{text}' is no length of time; write for example 15m, 1h, 7d or 1h30m")
    length = sum((timedelta(**{UNITS[unit]: float(number)}) for number, unit in parts), timedelta())
    if length <= timedelta():
        raise ValueError(f"'{text}' is no time at all; write for example 15m, 1h or 7d")
    return length


def in_words(length: timedelta) -> str:
    """A length of time as short as it reads well: `7 days`, `1 hour`, `3 hours 20 minutes`."""
    seconds = round(length.total_seconds())
    words = []
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {name}{'s' if count > 1 else ''}")
    return " ".join(words[:2]) or "0 seconds"
