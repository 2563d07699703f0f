"""The metrics of each resource, read from its status. Only the leader exports them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions.cron import longest_interval
from driftlead_operator.decisions.facts import Manifest
from driftlead_operator.decisions.memory.loop import DriftMemory, RetrainingMemory
from driftlead_operator.decisions.memory.stages import StageMemory
from driftlead_operator.decisions.memory.status import Memory
from driftlead_operator.decisions.reasons import Condition

PREFIX = "driftlead_modeldeployment_"
DEFAULT_TAU = 0.1
STATUSES = ("True", "False", "Unknown")
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
    "ready_replicas": ("Pods of a stage that serve the wanted version, whatever their template.", ("stage",)),
    "outdated_replicas": (
        "Pods of a stage whose image is older than the one a rollout would take.",
        ("stage",),
    ),
    "drift_verdict": (
        "1 for the verdict that holds, 0 for the others. Checks that fail do not end it.",
        ("verdict",),
    ),
    "drift_last_run_timestamp_seconds": ("When the last check ended.", ()),
    "drift_verdict_timestamp_seconds": (
        "When the check ended whose verdict holds: an earlier one than the last if that gave no verdict.",
        (),
    ),
    "drift_awaited_since_timestamp_seconds": (
        "Since when a version serves whose first check is awaited; absent once a check has ended.",
        (),
    ),
    "drift_interval_seconds": ("The longest time between two checks, by the schedule.", ()),
    "drift_rows": ("Rows that the check judged whose verdict holds.", ()),
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
    spec, memory = resource.get("spec") or {}, Memory.read(resource.get("status"))
    yield Sample("info", (str(spec.get("model", "")), str(spec.get("registry", "default"))), 1)
    yield Sample("suspended", (), bool(spec.get("suspend")))
    for each in memory.conditions:
        for value in STATUSES:
            yield Sample("condition", (each.type, value), each.status == value)
    for name, stage in (("prod", memory.prod), ("canary", memory.canary)):
        if stage is not None:
            yield from _stage(name, stage)
    if spec.get("drift"):
        yield from _drift(spec["drift"], memory.drift)
        if (since := _awaited_since(memory)) is not None:
            yield Sample("drift_awaited_since_timestamp_seconds", (), since)
    if spec.get("retraining"):
        yield from _retraining(spec["retraining"], memory, now)


def _stage(name: str, stage: StageMemory) -> Iterator[Sample]:
    version, target = stage.version or "", stage.target.version
    yield Sample("stage_info", (name, version, target), 1)
    for family, number in (("served_version", version), ("wanted_version", target)):
        if number.isdigit():
            yield Sample(family, (name,), int(number))
    yield Sample("replicas", (name,), stage.replicas)
    yield Sample("outdated_replicas", (name,), stage.replicas if stage.outdated else 0)
    yield Sample("ready_replicas", (name,), stage.ready_replicas)


def _drift(spec: Mapping[str, Any], memory: DriftMemory | None) -> Iterator[Sample]:
    if (interval := longest_interval(str(spec.get("schedule", "")))) and not spec.get("suspend"):
        yield Sample("drift_interval_seconds", (), interval)
    tau = number_of(spec.get("tau"))
    yield Sample("drift_tau", (), DEFAULT_TAU if tau is None else tau)
    if memory is None or memory.last.verdict is None:
        return
    last, standing = memory.last, memory.standing
    for verdict in DriftVerdict:
        yield Sample("drift_verdict", (str(verdict),), standing.verdict is verdict)
    if last.last_run:
        yield Sample("drift_last_run_timestamp_seconds", (), last.last_run.timestamp())
    if standing.last_run:
        yield Sample("drift_verdict_timestamp_seconds", (), standing.last_run.timestamp())
    yield Sample("drift_rows", (), standing.rows or 0)
    yield Sample("drift_consecutive", (), standing.consecutive or 0)
    for feature in standing.top_features:
        figures = (
            ("drift_psi", feature.value),
            ("drift_psi_low", feature.low),
            ("drift_psi_high", feature.high),
        )
        for family, text in figures:
            if (value := number_of(text)) is not None:
                yield Sample(family, (feature.name,), value)


def _awaited_since(memory: Memory) -> float | None:
    """When checks were asked for or a version began to serve, the later; None once one has ended."""
    if (memory.drift and memory.drift.last.last_run) or not memory.stage("prod").version:
        return None
    found = [memory.condition(each) for each in (Condition.DRIFT_CHECK_FAILED, Condition.AVAILABLE)]
    times = [datetime.fromisoformat(each.last_transition_time).timestamp() for each in found if each]
    return max(times) if len(times) == len(found) else None


def _retraining(spec: Mapping[str, Any], memory: Memory, now: datetime) -> Iterator[Sample]:
    last, drifts = memory.retraining or RetrainingMemory(), memory.condition(Condition.DRIFT_DETECTED)
    attempts = last.attempts_today if last.day == now.date().isoformat() else 0
    exhausted = attempts >= spec.get("maxAttemptsPerDay", 2)
    yield Sample("retraining_attempts_today", (), attempts)
    yield Sample("retraining_exhausted", (), drifts is not None and drifts.status == "True" and exhausted)


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
