"""Lengths of time as people write them, in flags and in the resource: `15m`, `1h30m`, `7d`. Pure."""

import re
from datetime import timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
"""Seconds of each unit."""
MINUTE, HOUR, DAY = 60, 3_600, 86_400
ROUND_LENGTHS = (
    *(1, 2, 5, 10, 15, 30),
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 4, 6, 12)),
    *(DAY * n for n in (1, 2, 7, 14, 28, 91, 182, 364)),
)
"""Lengths that people count in, in seconds, rising."""
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def seconds(text: str) -> float:
    """`1h30m` in seconds, `0s` included. Raises ValueError with a sentence."""
    word = text.strip().lower()
    parts = _PART.findall(word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        raise ValueError(f"'{text}' is not a length of time; write for example 15m, 1h, 7d or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def duration(text: str) -> timedelta:
    """`1h30m` as a length of time, which is more than nothing. Raises ValueError with a sentence."""
    try:
        length = timedelta(seconds=seconds(text))
    except OverflowError:
        raise ValueError(f"'{text}' is longer than any calendar; write for example 15m, 1h or 7d") from None
    if length <= timedelta():
        raise ValueError(f"'{text}' must be longer than zero; write for example 15m, 1h or 7d")
    return length


def in_words(length: timedelta) -> str:
    """A length of time as short as it reads well: `7 days`, `1 hour`, `3 hours 20 minutes`."""
    left = round(length.total_seconds())
    words = []
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {name}{'s' if count > 1 else ''}")
    return " ".join(words[:2]) or "0 seconds"
