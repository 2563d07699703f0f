"""Reads values of which nothing is known: in a status, a pod's message, an object that anybody may write.

Nothing here raises. What does not fit is empty, so that a reader goes on with what does.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

_Word = TypeVar("_Word", bound=StrEnum)


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a mapping, else an empty one."""
    # Nearly all are plain or missing, and to ask that first is ten times as fast.
    if type(value) is dict:
        return value
    return value if value is not None and isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """A list, empty for anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def items(value: Any) -> Sequence[Mapping[str, Any]]:
    """The mappings in `value` where it is a list, else none."""
    return [each for each in sequence(value) if type(each) is dict or isinstance(each, Mapping)]


def whole(value: Any, default: int = 0) -> int:
    """A whole number, also out of text; `default` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return default
    try:
        return int(value)
    except (ValueError, OverflowError):
        return default


def word(words: type[_Word], value: Any) -> _Word | None:
    """The member of an enum, None for what is none of its words."""
    # The members by value, since to call the enum and catch its error takes ten times as long.
    found = words._value2member_map_.get(value) if isinstance(value, str) else None
    return found if isinstance(found, words) else None
