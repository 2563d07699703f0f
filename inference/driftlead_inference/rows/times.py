"""Times as the model gets them: nanoseconds since 1970 in UTC, each text read by itself. Pure.

A time without an offset counts as UTC. `datetime.fromisoformat` knows the forms but cuts a fraction after
six digits, so the digits behind them are read here.
"""

import re
from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times are compared without a zone, as numpy holds them
BEYOND_MICROSECONDS = re.compile(r"[.,]\d{6}(\d{1,3})")
MOST = 2**63 - 1  # of either sign; numpy's NaT is one below


def nanoseconds(text: str) -> int | None:
    """The instant of an ISO 8601 time; None for anything else, and outside of the years 1678 to 2261."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            time = time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    since = time - EPOCH
    count = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    if (rest := BEYOND_MICROSECONDS.search(text)) is not None:
        count += int(rest[1].ljust(3, "0"))
    return count if abs(count) <= MOST else None
