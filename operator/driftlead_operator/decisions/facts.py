"""The data between observe, plan and carry_out: all that a decision may look at, and all that it may ask for.

Kubernetes objects are plain mappings, as the API server gives them. Everything else is frozen and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from driftlead_formats.summaries import CanaryAssessment

Manifest = Mapping[str, Any]
StageName = Literal["prod", "canary"]


class Ref(NamedTuple):
    """Names one object of the resource's own namespace."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a registered model, as the registry describes it."""

    version: str
    run_id: str = ""
    source: str = ""
    stage: str = "None"
    aliases: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFacts:
    """What the registry that a resource names says of its model, and what it may be asked for.

    `unreachable_since` and `error` are set while it does not answer; `versions` then holds its last answer.
    `answered_at` is None until it has answered once since the operator started: nothing may be concluded from
    an empty answer before that. `write_refused` is its own words when it refused the last write for this
    model; "" once a write succeeded.
    """

    name: str
    declared: bool = True
    namespace_allowed: bool = True
    allow_write: bool = True
    tracking_uri: str = ""
    answered_at: datetime | None = None
    model_exists: bool = False
    versions: Sequence[ModelVersion] = ()
    unreachable_since: datetime | None = None
    error: str = ""
    write_refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the chart decides for every resource: images, pull policy, this cluster's name."""

    cluster: str
    inference_image: str
    drift_image: str
    train_image: str
    image_pull_policy: str = "IfNotPresent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """Rows that were pending in a pod's spool when it was last asked, before it vanished without draining."""

    pod: str
    rows: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was seen, for one resource, at one time.

    `children` holds every object of ours or of our names in the namespace that the plan could touch,
    `replicasets` and `pods` those below the stages' Deployments and the Jobs, `health` what pods answered
    at /health, by pod name (absent: not asked or no answer), `canary_verdict` what the judge answered.
    `refused` holds the API server's own words for each object that it refused to take when it was last
    applied or created. `refused_pods` holds, by Job without a pod, why its controller could not make one.
    `undelivered` names pods that vanished with rows in their spools.

    Of a child's managedFields only the entries of others that own parts of its spec are kept, reduced to it.
    """

    resource: Manifest
    registry: RegistryFacts
    defaults: Defaults
    now: datetime
    children: Mapping[Ref, Manifest] = field(default_factory=dict)
    replicasets: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()
    health: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    canary_verdict: CanaryAssessment | None = None
    refused: Mapping[Ref, str] = field(default_factory=dict)
    refused_pods: Mapping[Ref, str] = field(default_factory=dict)
    undelivered: Sequence[Undelivered] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A Kubernetes event on the resource."""

    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryWrite:
    """Tells the registry once of a promotion: to a stage (archiving what stood there), or by an alias."""

    model: str
    version: str
    stage: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """An object to delete, only while it is still the one that was seen."""

    ref: Ref
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do. Carried out in this order: status, registry, apply, delete, events.

    `status` is the whole status wanted, None when it is already so. It comes first: an intent to write
    the registry, to retrain or to go back is saved before it is acted upon. `apply` holds only objects
    that differ from what was seen, each with `metadata.resourceVersion` where it was seen; `create` Jobs
    whose names are deterministic. `retry_after` is in seconds, None when only an event or the registry
    can change anything.
    """

    status: Mapping[str, Any] | None = None
    registry_writes: Sequence[RegistryWrite] = ()
    apply: Sequence[Manifest] = ()
    create: Sequence[Manifest] = ()
    delete: Sequence[Deletion] = ()
    events: Sequence[Event] = ()
    retry_after: float | None = None
