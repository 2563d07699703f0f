"""What is wrong with a cron schedule, beyond what the CRD's rule can see."""

import re

NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
MACROS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
ITEM = re.compile(r"(?P<low>\*|\?|\w+)(-(?P<high>\w+))?(/(?P<step>\d+))?")


def fault(schedule: str) -> str:
    """What is wrong with a schedule, as Kubernetes' CronJob reads it; empty when nothing is."""
    if schedule.startswith("@"):
        return "" if schedule in MACROS else f"it may be one of {', '.join(sorted(MACROS))}"
    fields = schedule.split()
    if len(fields) != len(FIELDS):
        return f"it has {len(fields)} fields, and needs five: minute hour day month weekday"
    faults = (_field_fault(text, *field) for text, field in zip(fields, FIELDS, strict=True))
    return next((each for each in faults if each), "")


def _field_fault(text: str, field: str, lowest: int, highest: int) -> str:
    for item in text.split(","):
        match = ITEM.fullmatch(item)
        if not match:
            return f"'{item}' is no {field}"
        if match["step"] is not None and int(match["step"]) == 0:
            return f"the step of '{item}' must not be 0"
        if match["low"] in ("*", "?"):
            if match["high"]:
                return f"'{item}' is no {field}"
            continue
        low = _number(match["low"], field, lowest)
        high = low if match["high"] is None else _number(match["high"], field, lowest)
        if low is None or high is None or not lowest <= low <= high <= highest:
            return f"'{item}' is no {field} from {lowest} to {highest}"
    return ""


def _number(word: str, field: str, lowest: int) -> int | None:
    if word.isdecimal():
        return int(word)
    names = NAMES.get(field, [])
    return names.index(word.lower()) + lowest if word.lower() in names else None
