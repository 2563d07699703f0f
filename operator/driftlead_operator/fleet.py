"""The metrics of each resource, read from its status. Only the leader exports them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from driftlead_operator.decisions.facts import Manifest
from driftlead_operator.decisions.schedule import longest_interval

PREFIX = "driftlead_modeldeployment_"
DEFAULT_TAU = 0.1
STATUSES = ("True", "False", "Unknown")
VERDICTS = ("stable", "changed", "drift", "severe", "insufficient", "error")
FAMILIES = {
    "info": ("1 for each resource.", ("model", "registry")),
    "condition": ("1 for the status that each condition has, 0 for the others.", ("type", "status")),
    "suspended": ("1 while spec.suspend freezes the resource.", ()),
    "stage_info": (
        "1 for each stage: the version that serves and the one that is wanted, empty for none.",
        ("stage", "version", "target"),
    ),
    "served_version": ("The version that a stage serves; absent while it serves none.", ("stage",)),
    "wanted_version": ("The version that a stage is to serve; absent without one.", ("stage",)),
    "replicas": ("Pods of a stage.", ("stage",)),
    "ready_replicas": ("Pods of a stage that answered a prediction and take traffic.", ("stage",)),
    "outdated_replicas": (
        "Pods of a stage whose image is older than the one a rollout would take.",
        ("stage",),
    ),
    "drift_verdict": ("1 for the verdict of the last check, 0 for the others.", ("verdict",)),
    "drift_last_run_timestamp_seconds": ("When the last check ended.", ()),
    "drift_awaited_since_timestamp_seconds": (
        "Since when a version serves whose first check is awaited; absent once a check has ended.",
        (),
    ),
    "drift_interval_seconds": ("The longest time between two checks, by the schedule.", ()),
    "drift_rows": ("Rows that the last check judged.", ()),
    "drift_consecutive": ("Windows in a row that drifted.", ()),
    "drift_tau": ("The PSI below which a change is too small to matter.", ()),
    "drift_psi": ("PSI of the features that changed most.", ("feature",)),
    "drift_psi_low": ("Lower end of its interval.", ("feature",)),
    "drift_psi_high": ("Upper end of its interval.", ("feature",)),
    "retraining_attempts_today": ("Retraining Jobs started on this day (UTC).", ()),
    "retraining_exhausted": ("1 while data drift and no attempt is left today.", ()),
}


class Sample(NamedTuple):
    """A family's name without prefix, the values of its labels after namespace and name, and the figure."""

    family: str
    labels: tuple[str, ...]
    value: float


def samples(resource: Manifest, now: datetime) -> Iterator[Sample]:
    """All figures of one resource."""
    spec, status = resource.get("spec") or {}, resource.get("status") or {}
    yield Sample("info", (str(spec.get("model", "")), str(spec.get("registry", "default"))), 1)
    yield Sample("suspended", (), bool(spec.get("suspend")))
    for each in status.get("conditions") or ():
        for value in STATUSES:
            yield Sample("condition", (each["type"], value), each["status"] == value)
    for stage in ("prod", "canary"):
        yield from _stage(stage, status.get(stage))
    if spec.get("drift"):
        yield from _drift(spec["drift"], status.get("drift") or {})
        if (since := _awaited_since(status)) is not None:
            yield Sample("drift_awaited_since_timestamp_seconds", (), since)
    if spec.get("retraining"):
        yield from _retraining(spec["retraining"], status, now)


def _stage(stage: str, seen: Mapping[str, Any] | None) -> Iterator[Sample]:
    if seen is None:
        return
    version, target = seen.get("version") or "", (seen.get("target") or {}).get("version") or ""
    yield Sample("stage_info", (stage, version, target), 1)
    for family, number in (("served_version", version), ("wanted_version", target)):
        if number.isdigit():
            yield Sample(family, (stage,), int(number))
    yield Sample("replicas", (stage,), seen.get("replicas") or 0)
    yield Sample("outdated_replicas", (stage,), (seen.get("replicas") or 0) if seen.get("outdated") else 0)
    yield Sample("ready_replicas", (stage,), seen.get("readyReplicas") or 0)


def _drift(spec: Mapping[str, Any], seen: Mapping[str, Any]) -> Iterator[Sample]:
    if (interval := longest_interval(str(spec.get("schedule", "")))) and not spec.get("suspend"):
        yield Sample("drift_interval_seconds", (), interval)
    tau = number_of(spec.get("tau"))
    yield Sample("drift_tau", (), DEFAULT_TAU if tau is None else tau)
    if not seen.get("verdict"):
        return
    for verdict in VERDICTS:
        yield Sample("drift_verdict", (verdict,), seen["verdict"] == verdict)
    if ended := seen.get("lastRunTime"):
        yield Sample("drift_last_run_timestamp_seconds", (), datetime.fromisoformat(ended).timestamp())
    yield Sample("drift_rows", (), seen.get("rows") or 0)
    yield Sample("drift_consecutive", (), seen.get("consecutive") or 0)
    for feature in seen.get("topFeatures") or ():
        for family, field in (("drift_psi", "psi"), ("drift_psi_low", "low"), ("drift_psi_high", "high")):
            if (value := number_of(feature.get(field))) is not None:
                yield Sample(family, (feature["name"],), value)


def _awaited_since(status: Mapping[str, Any]) -> float | None:
    """When checks were asked for or a version began to serve, the later; None once one has ended."""
    if (status.get("drift") or {}).get("lastRunTime") or not (status.get("prod") or {}).get("version"):
        return None
    times = {each["type"]: each.get("lastTransitionTime") for each in status.get("conditions") or ()}
    known = [times.get(name) for name in ("DriftCheckFailed", "Available")]
    return max(datetime.fromisoformat(each).timestamp() for each in known if each) if all(known) else None


def _retraining(spec: Mapping[str, Any], status: Mapping[str, Any], now: datetime) -> Iterator[Sample]:
    seen = status.get("retraining") or {}
    today = seen.get("day") == now.date().isoformat()
    attempts = (seen.get("attemptsToday") or 0) if today else 0
    drifts = any(
        each["type"] == "DriftDetected" and each["status"] == "True"
        for each in status.get("conditions") or ()
    )
    yield Sample("retraining_attempts_today", (), attempts)
    yield Sample("retraining_exhausted", (), drifts and attempts >= spec.get("maxAttemptsPerDay", 2))


def number_of(text: object) -> float | None:
    """A decimal that the API keeps as text."""
    try:
        return float(str(text))
    except ValueError:
        return None


class Fleet:
    """A collector over resources as they were when it was made. What cannot be read of one is left out."""

    def __init__(self, resources: Iterable[Callable[[], Manifest]], now: datetime) -> None:
        self._resources, self._now = resources, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families of all resources."""
        families = {
            name: GaugeMetricFamily(f"{PREFIX}{name}", text, labels=["namespace", "name", *labels])
            for name, (text, labels) in FAMILIES.items()
        }
        for unpack in self._resources:
            resource = unpack()
            metadata = resource["metadata"]
            try:
                found = list(samples(resource, self._now))
            except (KeyError, TypeError, ValueError, AttributeError):  # a status that nobody of ours wrote
                continue
            for each in found:
                labels = [metadata["namespace"], metadata["name"], *each.labels]
                families[each.family].add_metric(labels, float(each.value))
        yield from families.values()

    def render(self) -> bytes:
        """In Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
