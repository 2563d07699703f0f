"""What the watches said last, kept small: one packed text per object, found by name or by its resource.

Small, because a thousand resources have tens of thousands of children: an object is kept as compressed JSON,
without managedFields (but for what others own of a child's spec, mostly nothing: whether an autoscaler or a
person scales it, and who set what we do not set). Each read unpacks a fresh object, so that nothing read can
change what is kept, and another thread may read.

Events and our own writes arrive in any order, so what counts is the resourceVersion, which only grows. A
version that is not newer than the known one changes nothing. That makes the echo of our own write, and every
event that was overtaken by a read, no news: they queue no reconcile.

Names are used again. A DELETED event of an earlier object of the same name is recognised by its uid and
ignored. An object that was discarded because a read did not find it may come back by a late event of the
watch; the DELETED event that follows it on the same watch takes it out again, and if that is lost, the audit
does.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from driftlead_operator.decisions.facts import Manifest
from driftlead_operator.decisions.names import MANAGER, RESOURCE_NAME
from driftlead_operator.kinds import RESOURCE, Key

Json = dict[str, Any]
Name = tuple[str, str, str]
"""Kind, namespace, name."""
APPLIED = frozenset({"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "CronJob"})
"""The kinds whose objects we apply, so that others may own fields beside ours."""


Listener = Callable[[str, str, str, Manifest | None], None]


class Change(NamedTuple):
    """What an event meant: which resource to reconcile (None: none), and whether it told something new."""

    key: Key | None
    news: bool
    relisted: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: who it is, which version was seen, to whom it belongs, and its packed text."""

    uid: str
    version: int
    owner: str
    packed: bytes

    def unpack(self) -> Json:
        """A fresh copy of the object."""
        unpacked: Json = orjson.loads(zlib.decompress(self.packed))
        return unpacked


def version_of(thing: Manifest) -> int:
    """An object's resourceVersion, which only grows (by contract since Kubernetes 1.35, before in fact)."""
    version = thing["metadata"].get("resourceVersion", "")
    return int(version) if version.isdigit() else 0


def owner_of(kind: str, thing: Manifest) -> Key | None:
    """The resource that an object belongs to: itself, or the one that its label names."""
    metadata = thing["metadata"]
    name = metadata["name"] if kind == RESOURCE else (metadata.get("labels") or {}).get(RESOURCE_NAME, "")
    return Key(metadata["namespace"], name) if name else None


def fields_of_others(kind: str, fields: Collection[Mapping[str, Any]]) -> list[Json]:
    """The entries of managedFields by which others own parts of spec: all that a plan asks of them."""
    if kind not in APPLIED:
        return []
    return [
        {
            **{name: value for name, value in entry.items() if name not in ("fieldsV1", "time")},
            "fieldsV1": {"f:spec": spec},
        }
        for entry in fields
        if entry.get("manager") != MANAGER and (spec := (entry.get("fieldsV1") or {}).get("f:spec"))
    ]


def pack(kind: str, thing: Manifest) -> bytes:
    """The object's text without managedFields, but for what others own of the spec of a child."""
    metadata = dict(thing["metadata"])
    fields = metadata.pop("managedFields", None) or ()
    if others := fields_of_others(kind, fields):
        metadata["managedFields"] = others
    return zlib.compress(orjson.dumps({**thing, "kind": kind, "metadata": metadata}), 1)


class Cache:
    """All objects that were seen, at the newest version that was seen of each.

    `on_change` gets each change: kind, namespace, name, and the object, or None for a deletion.
    """

    def __init__(self, on_change: Listener = lambda *_: None) -> None:
        self._on_change = on_change
        self._entries: dict[Name, Entry] = {}
        self._owned: defaultdict[Key, set[Name]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, kind: str, thing: Manifest, *, listed: bool = False) -> Change:
        """Takes an object in, unless a newer version of it is known.

        `listed`: it came from a listing. A listing of what is known already means that the watch was
        restarted, and that objects may have been deleted in between without its telling.
        """
        metadata = thing["metadata"]
        name = (kind, metadata["namespace"], metadata["name"])
        key, version, before = owner_of(kind, thing), version_of(thing), self._entries.get(name)
        same = before is not None and before.uid == metadata["uid"]
        if before and version <= before.version:
            return Change(key, news=False, relisted=listed and same)
        if before:
            self._forget(name, before)
        self._entries[name] = Entry(metadata["uid"], version, key.name if key else "", pack(kind, thing))
        if key:
            self._owned[key].add(name)
        self._on_change(*name, thing)
        return Change(key, news=True, relisted=listed and same)

    def drop(self, kind: str, thing: Manifest) -> Change:
        """Takes an object out, if it is the one that is known."""
        metadata = thing["metadata"]
        name = (kind, metadata["namespace"], metadata["name"])
        before = self._entries.get(name)
        if before is None or (before.uid != metadata["uid"]):
            return Change(owner_of(kind, thing), news=False)
        return self._drop(name, before)

    def discard(self, kind: str, namespace: str, name: str) -> Change:
        """Takes an object out by its name."""
        full = (kind, namespace, name)
        if not (before := self._entries.get(full)):
            return Change(None, news=False)
        return self._drop(full, before)

    def _drop(self, name: Name, before: Entry) -> Change:
        self._forget(name, before)
        self._on_change(*name, None)
        return Change(Key(name[1], before.owner) if before.owner else None, news=True)

    def _forget(self, name: Name, entry: Entry) -> None:
        del self._entries[name]
        key = Key(name[1], entry.owner)
        self._owned[key].discard(name)
        if not self._owned[key]:
            del self._owned[key]

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """A fresh copy of an object, None when it is not known."""
        entry = self._entries.get((kind, namespace, name))
        return entry.unpack() if entry else None

    def version(self, kind: str, namespace: str, name: str) -> int:
        """The version known of an object, 0 when it is not known."""
        entry = self._entries.get((kind, namespace, name))
        return entry.version if entry else 0

    def owned(self, key: Key) -> Iterator[tuple[str, Json]]:
        """Kind and fresh copy of all that belongs to a resource, but for itself; sorted by kind and name."""
        for name in sorted(self._owned.get(key, ())):
            if name[0] != RESOURCE:
                yield name[0], self._entries[name].unpack()

    def unpackers(self, kind: str, *, without: Callable[[str], bool]) -> list[Callable[[], Json]]:
        """A way to each known object of a kind, as it is now, `without` those of some namespaces.

        May be used in another thread.
        """
        return [
            entry.unpack for name, entry in self._entries.items() if name[0] == kind and not without(name[1])
        ]

    def keys(self) -> list[Key]:
        """Every resource that is known."""
        return [Key(namespace, name) for kind, namespace, name in self._entries if kind == RESOURCE]

    def names(self, kind: str) -> dict[tuple[str, str], int]:
        """Namespace and name of every known object of a kind, with its version."""
        return {
            (namespace, name): entry.version
            for (each, namespace, name), entry in self._entries.items()
            if each == kind
        }
