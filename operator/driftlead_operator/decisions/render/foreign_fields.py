"""Fields of our children that another field manager set, and that no apply of ours takes back.

Server-side apply lets many managers share an object. A field that we set is ours: whoever changes it is
overruled at the next reconcile. A field that we do not set (a variable by `kubectl set env`, a sidecar, a
limit) stays whatever we apply, and changes what pods do. It is not taken away, since it may be there for a
reason that only its owner knows, but it is named: with the manager, the object and the field.

Not named is what belongs to the life of an object: values that the API server would fill in by itself (a
restored backup owns them), the number of replicas, the time of `kubectl rollout restart`, and what
Kubernetes' own controllers do.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Manifest

KUBERNETES = "kube-"
"""How the names of Kubernetes' own managers begin."""
UNTOLD = frozenset({"spec.replicas", "spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt"})
ANY = object()
DEFAULTS: Mapping[str, Any] = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "serviceAccount": ANY,  # the old name of serviceAccountName
    "failureThreshold": 3,
    "periodSeconds": 10,
    "successThreshold": 1,
    "timeoutSeconds": 1,
    "scheme": "HTTP",
    "protocol": "TCP",
    "defaultMode": 420,
    "apiVersion": "v1",
    "clusterIP": ANY,
    "clusterIPs": ANY,
    "ipFamilies": ANY,
    "ipFamilyPolicy": "SingleStack",
    "internalTrafficPolicy": "Cluster",
    "sessionAffinity": "None",
    "completions": 1,
    "parallelism": 1,
    "completionMode": "NonIndexed",
    "podReplacementPolicy": "TerminatingOrFailed",
    "creationTimestamp": ANY,
}
"""What the API server fills in where nobody says otherwise; ANY where each value is its own."""


class ForeignField(NamedTuple):
    """Who set which field."""

    manager: str
    path: str


def foreign_fields(live: Manifest, wanted: Manifest) -> list[ForeignField]:
    """The fields of `live` that others set and `wanted` does not; each once, sorted."""
    found = {
        ForeignField(manager, path)
        for manager, fields in _entries(live)
        for path in _paths(fields, live.get("spec"), wanted.get("spec"), "spec")
    }
    return sorted(found)


def _entries(live: Manifest) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in objects.items(objects.metadata(live).get("managedFields")):
        manager = objects.one_line(entry.get("manager")) or "somebody"
        fields = objects.mapping(objects.dig(entry, "fieldsV1", "f:spec"))
        if manager != names.MANAGER and not manager.startswith(KUBERNETES) and fields:
            yield manager, fields


def _paths(fields: Mapping[str, Any], live: Any, wanted: Any, path: str) -> Iterator[str]:
    """Walks what a manager owns, in the API server's notation, beside what is there and what we set."""
    for key, below in fields.items():
        kind, _, word = key.partition(":")
        if kind == "f":
            yield from _field(word, objects.mapping(below), live, wanted, f"{path}.{word}")
        elif kind == "k":
            yield from _item(objects.parse_json(word), objects.mapping(below), live, wanted, path)


def _field(word: str, below: Mapping[str, Any], live: Any, wanted: Any, path: str) -> Iterator[str]:
    here, ours = objects.dig(live, word), objects.dig(wanted, word)
    if here is None or path in UNTOLD:
        return
    if any(key.startswith(("f:", "k:")) for key in below):
        yield from _paths(below, here, ours, path)
    elif ours is None and not _goes_without_saying(word, here):
        yield path


def _goes_without_saying(word: str, value: Any) -> bool:
    default = DEFAULTS.get(word)
    return value in ({}, [], "") or default is ANY or (default is not None and value == default)


def _item(
    keys: Mapping[str, Any], below: Mapping[str, Any], live: Any, wanted: Any, path: str
) -> Iterator[str]:
    """An item of a list that is merged by keys; one that is not ours is named as a whole."""
    here, ours = _with_keys(live, keys), _with_keys(wanted, keys)
    if here is None:
        return
    item = f"{path}[{','.join(str(each) for each in keys.values())}]"
    if ours is None:
        yield item
    else:
        yield from _paths(below, here, ours, item)


def _with_keys(values: Any, keys: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = (each for each in objects.items(values) if all(each.get(key) == keys[key] for key in keys))
    return next(found, None)
