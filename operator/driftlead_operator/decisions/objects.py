"""Reading plain Kubernetes objects, whatever is or is not in them."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from driftlead_formats import untrusted
from driftlead_operator.decisions.facts import Manifest, Ref

mapping, items, whole = untrusted.mapping, untrusted.items, untrusted.whole

_EMPTY: tuple[Any, ...] = ("", [], {})
BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST_LINE = 1024
CUT = " ... "


def one_line(value: Any, longest: int = LONGEST_LINE) -> str:
    """Foreign text as one line that is safe to print and to store.

    Breaks become blanks, control characters and lone surrogates `\ufffd`. A long one loses its middle: an
    error's beginning says what was done, its end what went wrong.
    """
    text = str(value or "")
    if not text.isprintable():  # nearly all is, and to ask that first is ten times as fast
        text = CONTROLS.sub("\ufffd", BREAKS.sub(" ", text))
    text = text.strip()
    if len(text) <= longest:
        return text
    begin = (longest - len(CUT)) * 2 // 5
    return f"{text[:begin]}{CUT}{text[begin + len(CUT) - longest :]}"


def printable(value: Any) -> Any:
    """A JSON value with every text in it as one line."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Mapping):
        return {one_line(key): printable(each) for key, each in value.items()}
    return [printable(each) for each in value] if isinstance(value, (list, tuple)) else value


def dig(value: Any, *path: str) -> Any:
    """What stands at `path`, None where a step is missing."""
    for key in path:
        value = value.get(key) if type(value) is dict else mapping(value).get(key)
    return value


def metadata(manifest: Any) -> Mapping[str, Any]:
    """An object's metadata."""
    return mapping(mapping(manifest).get("metadata"))


def name(manifest: Any) -> str:
    """An object's name."""
    return str(metadata(manifest).get("name") or "")


def uid(manifest: Any) -> str:
    """An object's uid."""
    return str(metadata(manifest).get("uid") or "")


def labels(manifest: Any) -> Mapping[str, Any]:
    """An object's labels."""
    return mapping(metadata(manifest).get("labels"))


def annotations(manifest: Any) -> Mapping[str, Any]:
    """An object's annotations."""
    return mapping(metadata(manifest).get("annotations"))


def annotation(manifest: Any, key: str) -> str:
    """One of an object's annotations, "" where it is missing."""
    return str(annotations(manifest).get(key) or "")


def generation(manifest: Any) -> int:
    """An object's generation."""
    return whole(metadata(manifest).get("generation"))


def terminating(manifest: Any) -> bool:
    """Whether the object is being deleted."""
    return bool(metadata(manifest).get("deletionTimestamp"))


def ref(manifest: Manifest) -> Ref:
    """The name by which a plan knows the object."""
    return Ref(str(manifest.get("kind", "")), name(manifest))


def controller(manifest: Any) -> Mapping[str, Any]:
    """The owner reference of the object's controller, empty without one."""
    for owner in items(metadata(manifest).get("ownerReferences")):
        if owner.get("controller"):
            return owner
    return {}


def owned_by(manifest: Any, owner: Any) -> bool:
    """Whether `owner` is the object's controller, by uid."""
    wanted = uid(owner)
    return bool(wanted) and controller(manifest).get("uid") == wanted


def condition(manifest: Any, type_: str) -> Mapping[str, Any]:
    """The condition of that type, empty without one."""
    found = items(dig(manifest, "status", "conditions"))
    return next((each for each in found if each.get("type") == type_), {})


def canonical(value: Any) -> bytes:
    """Compact JSON that is the same for equal values."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: Any, length: int = 16) -> str:
    """A short hash of a JSON value."""
    return hashlib.sha256(canonical(value)).hexdigest()[:length]


def parse_json(text: Any) -> Mapping[str, Any]:
    """The JSON object in `text`, empty for anything else."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return {}
    try:
        return mapping(orjson.loads(text))
    except ValueError:
        return {}


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def moment(text: Any) -> datetime | None:
    """The time that Kubernetes wrote, None where there is none."""
    if isinstance(text, datetime):
        return text
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def without_empty(value: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping without what says nothing: None, empty text, empty lists and mappings."""
    return {key: each for key, each in value.items() if each or (each is not None and each not in _EMPTY)}
