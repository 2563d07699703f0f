"""Every metric of the operator's process. docs/reference/metrics-operator.md describes them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

RECONCILES = Counter(
    "driftlead_operator_reconciles_total",
    "Reconciles by result: unchanged, changed, conflict, refused, unreachable, lost_leadership, failed, "
    "deleted, held.",
    ["result"],
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "driftlead_operator_reconcile_duration_seconds",
    "Time of one reconcile: observe, plan, carry out.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge("driftlead_operator_queue_depth", "Keys that wait to be reconciled.", registry=REGISTRY)
QUEUE_OLDEST = Gauge(
    "driftlead_operator_queue_oldest_seconds",
    "How long the oldest waiting key has waited.",
    registry=REGISTRY,
)
REACTION_SECONDS = Histogram(
    "driftlead_operator_queue_wait_seconds",
    "From a key's entry into the queue to its reconcile.",
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
REGISTRY_POLLS = Counter(
    "driftlead_operator_registry_polls_total",
    "Polls of each declared registry by result: ok, unreachable.",
    ["registry", "result"],
    registry=REGISTRY,
)
REGISTRY_POLL_SECONDS = Histogram(
    "driftlead_operator_registry_poll_duration_seconds",
    "Time of one poll of a registry.",
    ["registry"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
REGISTRY_REQUESTS = Counter(
    "driftlead_operator_registry_requests_total",
    "Requests to each declared registry by what was asked and answered.",
    ["registry", "call", "code"],
    registry=REGISTRY,
)
REGISTRY_UNREACHABLE = Gauge(
    "driftlead_operator_registry_unreachable",
    "1 while a registry does not answer.",
    ["registry"],
    registry=REGISTRY,
)
API_REQUESTS = Counter(
    "driftlead_operator_api_requests_total",
    "Requests to the API server by verb, kind and answer; the watches are not among them.",
    ["verb", "kind", "code"],
    registry=REGISTRY,
)
WATCH_EVENTS = Counter(
    "driftlead_operator_watch_events_total", "Events that the watches delivered.", ["kind"], registry=REGISTRY
)
WATCH_RESTARTS = Counter(
    "driftlead_operator_watch_restarts_total",
    "Times that watching ended and was started again.",
    registry=REGISTRY,
)
WATCH_MISSED = Counter(
    "driftlead_operator_watch_missed_total",
    "Changes that a listing showed and no watch told within 15 s, by kind.",
    ["kind"],
    registry=REGISTRY,
)
NAMESPACE_UNREADABLE = Gauge(
    "driftlead_operator_namespace_unreadable",
    "1 while a namespace of watch.namespaces cannot be read, so that nothing in it is reconciled.",
    ["namespace"],
    registry=REGISTRY,
)
KIND_FORBIDDEN = Gauge(
    "driftlead_operator_kind_forbidden",
    "1 while an optional kind is there and may not be read; the others go on without it.",
    ["kind"],
    registry=REGISTRY,
)
UNSYNCED = Gauge(
    "driftlead_operator_unsynced",
    "1 for each namespace and kind that could not be listed, or of which no watch has told all.",
    ["namespace", "kind"],
    registry=REGISTRY,
)
SYNCED = Gauge(
    "driftlead_operator_synced",
    "1 once this process has seen all that there is in the namespaces that it can read.",
    registry=REGISTRY,
)
LEADER = Gauge("driftlead_operator_leader", "1 while this process leads and reconciles.", registry=REGISTRY)
LEASE_RENEWED = Gauge(
    "driftlead_operator_lease_renewed_timestamp_seconds",
    "When this process last renewed its Lease.",
    registry=REGISTRY,
)
HOOKS = Counter(
    "driftlead_operator_hooks_total",
    "Webhook calls by result: accepted, forwarded, unsigned, stale, replayed, malformed, leaderless.",
    ["result"],
    registry=REGISTRY,
)
POD_SCRAPES = Counter(
    "driftlead_operator_pod_health_total",
    "Scrapes of pods for what they know, by result: ok, starting (no answer of a pod that is not ready), "
    "silent.",
    ["result"],
    registry=REGISTRY,
)
