"""Classes of a classifier as the prediction log has them: their spelling, and numbers for text. Pure.

The server writes probabilities by class (column `outputs`) and the comparison looks up the true class there,
so that both must spell a class alike. In the column `prediction` a class of text is its place in one list of
the registered model, which only grows, so that versions can be compared.
"""

import json
from collections.abc import Iterable

TAG = "driftlead.labels"
"""The registered model's tag that holds the list, as JSON."""


def class_name(value: object) -> str:
    """A class in words: text as it is, a number without needless zeros; true is 1.

    15 digits are as many as a float holds for certain. NumPy's scalars are spelled as Python's own.
    """
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    return f"{float(value):.15g}" if isinstance(value, int | float) else str(value)


def from_tag(text: str | None) -> tuple[str, ...]:
    """The list as the tag has it; empty where there is no tag, or one that is not a list of texts."""
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

    Empty for a version whose classes are not text.
    """
    texts = {name for name in classes or () if isinstance(name, str)}
    return (*known, *sorted(texts - set(known))) if texts else ()
