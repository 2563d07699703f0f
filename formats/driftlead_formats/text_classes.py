"""Text classes as numbers, as they stand in the log's column `prediction`: a class is its place in one list
of the registered model, which only grows, so that versions can be compared. Pure."""

import json
from collections.abc import Iterable

TAG = "driftlead.labels"
"""The registered model's tag that holds the list, as JSON."""


def from_tag(text: str | None) -> tuple[str, ...]:
    """The list as the tag has it; empty where there is no tag, or one that is no list of texts."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return ()
    return tuple(found) if isinstance(found, list) and all(isinstance(name, str) for name in found) else ()


def to_tag(order: tuple[str, ...]) -> str:
    """The list as the tag holds it."""
    return json.dumps(order, ensure_ascii=False)


def numbered(known: tuple[str, ...], classes: Iterable[object] | None) -> tuple[str, ...]:
    """The list with a version's classes: those that are known keep their places, new ones follow, sorted.

    Empty for a version whose classes are no texts.
    """
    texts = {name for name in classes or () if isinstance(name, str)}
    return (*known, *sorted(texts - set(known))) if texts else ()
