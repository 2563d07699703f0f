"""Whether an object of the cluster is what we want it to be, so that nothing is written when it is.

The API server fills in defaults, other managers add their fields, amounts come back written otherwise: a
plain comparison would differ for ever, and the operator would write at every reconcile, which wakes itself.
To apply always and let the server find that nothing changed would be right too, but costs a request for each
child of each resource at each event.

So an object is as wanted when it carries the hash of what we applied last (a field that we no longer set is
noticed, which a comparison of wanted fields alone cannot see) and holds each wanted field (an edit by hand is
noticed, which the hash alone cannot see). Defaults and fields of others do not count. Should a comparison
here be wrong, the object is applied once more, and the version that was seen is sent along, so that a write
upon an old sight is refused.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Manifest

# These the API server replaces as a whole, so a further key is a difference too.
WHOLE = frozenset({"selector", "nodeSelector"})
QUANTITIES = frozenset({"limits", "requests"})
SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(1000),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("MGTPE", start=2)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}


def with_applied_hash(manifest: Manifest) -> dict[str, Any]:
    """The manifest with the hash of itself as an annotation.

    Replicas are left out of it: an autoscaler may set them.
    """
    spec = {key: value for key, value in objects.mapping(manifest.get("spec")).items() if key != "replicas"}
    applied = objects.digest({**manifest, "spec": spec})
    return {
        **manifest,
        "metadata": {
            **manifest["metadata"],
            "annotations": {**objects.annotations(manifest), names.APPLIED: applied},
        },
    }


def needs_apply(wanted: Manifest, live: Manifest | None) -> bool:
    """Whether applying `wanted`, which carries its hash, would change anything."""
    return live is None or not covers(live, wanted)


def at_version(wanted: Manifest, live: Manifest | None) -> Manifest:
    """`wanted` that the API server refuses when the object is no longer the one that was seen."""
    seen = objects.metadata(live).get("resourceVersion") if live else None
    return {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": seen}} if seen else wanted


def covers(live: Any, wanted: Any, key: str = "") -> bool:
    """Whether `live` holds all that `wanted` says."""
    if live == wanted:
        return True  # most parts are, and that is seen at once
    if isinstance(wanted, Mapping):
        return _covers_mapping(objects.mapping(live), wanted, key)
    if isinstance(wanted, (list, tuple)):
        return _covers_list(live if isinstance(live, (list, tuple)) else (), wanted)
    if live is None:
        return not wanted  # an empty value is left out of what the server stores
    return key == "quantity" and quantity(live) == quantity(wanted)


def _covers_mapping(live: Mapping[str, Any], wanted: Mapping[str, Any], key: str) -> bool:
    if key in WHOLE and "matchLabels" not in wanted and set(live) != set(wanted):
        return False
    return all(covers(live.get(name), value, _meaning(key, name)) for name, value in wanted.items())


def _meaning(key: str, name: str) -> str:
    """How a value is compared: amounts as numbers, however they are written."""
    return "quantity" if key in QUANTITIES or name == "sizeLimit" else name


def _covers_list(live: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Lists of named things are merged by name, and others may add theirs.

    Any other list is compared as it stands.
    """
    key = next((key for key in ("mountPath", "name") if _keyed_by(wanted, key)), None)
    if key is None:
        return len(live) == len(wanted) and all(map(covers, live, wanted))
    found = {each[key]: each for each in objects.items(live) if key in each}
    return all(covers(found.get(each[key], {}), each) and each[key] in found for each in wanted)


def _keyed_by(values: Sequence[Any], key: str) -> bool:
    keys = [each.get(key) if isinstance(each, Mapping) else None for each in values]
    return bool(keys) and None not in keys and len(set(keys)) == len(keys)


def quantity(value: Any) -> Decimal | None:
    """An amount such as `500m`, `1Gi` or 2 as a number; None for what is none."""
    text = str(value)
    number = text.rstrip("numkKMGTPEi")
    try:
        return Decimal(number) * SUFFIXES[text[len(number) :]]
    except (InvalidOperation, KeyError):
        pass
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
