"""Every condition type, reason and event of the operator, each with what it means.

The reference is made from this.
"""

from enum import StrEnum
from typing import Self


class Documented(StrEnum):
    """A word that stands in the cluster, and its meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """The word, with its meaning beside it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class Condition(Documented):
    """What a condition is about."""

    READY = (
        "Ready",
        "prod serves its target: each pod that is not terminating answered a smoke prediction with it",
    )
    AVAILABLE = "Available", "at least one pod of prod serves, perhaps an older version than the target"
    RECONCILING = "Reconciling", "a change is in progress and continues by itself; present only while true"
    STALLED = "Stalled", "nothing continues until a user changes something; present only while true"
    CANARY_HEALTHY = "CanaryHealthy", "there is no canary, or it serves and is not worse than prod"
    DRIFT_DETECTED = (
        "DriftDetected",
        "the last verdict is that traffic differs from the training data; does not affect Ready",
    )
    DRIFT_CHECK_FAILED = (
        "DriftCheckFailed",
        "the last check failed, or cannot start; DriftDetected keeps the verdict before it",
    )
    RETRAINING_FAILED = "RetrainingFailed", "the last retraining ended without a result, or cannot start"
    PREDICTION_LOG_HEALTHY = "PredictionLogHealthy", "predictions reach the log in time, and none are dropped"
    CHILDREN_MODIFIED = (
        "ChildrenModified",
        "others set fields of child objects that the operator does not set; present only while true",
    )


class Reason(Documented):
    """Why a condition is as it is."""

    PENDING = "Pending", "the operator has not reconciled the resource yet"
    SERVING = "Serving", "all pods of prod serve the target version"
    SCALED_TO_ZERO = "ScaledToZero", "replicas is 0"
    SUSPENDED = "Suspended", "spec.suspend is true: the operator changes nothing, pods keep serving"
    INVALID_SPEC = (
        "InvalidSpec",
        "spec has a value that the API server accepts but that cannot be carried out",
    )
    REGISTRY_UNKNOWN = "RegistryUnknown", "spec.registry names a registry that the chart does not declare"
    REGISTRY_FORBIDDEN = "RegistryForbidden", "the registry is not allowed in this namespace"
    REGISTRY_UNREACHABLE = (
        "RegistryUnreachable",
        "the registry does not answer, so the target is not known",
    )
    NAME_TAKEN = (
        "NameTaken",
        "an object with the name of a child exists and is not owned by the resource; it is not changed",
    )
    APPLY_REFUSED = (
        "ApplyRefused",
        "the API server rejects a child object; the message has its error",
    )
    WAITING_FOR_MODEL = (
        "WaitingForModel",
        "the registry has no version to serve yet; this is normal before the first training",
    )
    TARGET_MISSING = (
        "TargetMissing",
        "the target version is not in the registry; pods keep serving",
    )
    VERSION_REJECTED = (
        "VersionRejected",
        "the version cannot be served; the message is the loader's; the last good version serves",
    )
    ABORTED = "Aborted", "a user aborted the version; the last good version serves"
    ROLLING_OUT = "RollingOut", "pods of the target version, or with a new template, are being started"
    REPLICAS_NOT_READY = "ReplicasNotReady", "pods have the target version, but not all of them are ready"
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "a rollout has made no progress for longer than the deadline",
    )
    CONNECTIONS_MISSING = (
        "ConnectionsMissing",
        "the Secret or ConfigMap with the connections of pods is missing",
    )
    POD_CANNOT_REACH_REGISTRY = "PodCannotReachRegistry", "a pod cannot reach the registry"
    POD_CANNOT_REACH_ARTIFACTS = "PodCannotReachArtifacts", "a pod cannot download the model's artifacts"
    SPOOL_UNUSABLE = "SpoolUnusable", "a pod cannot write its spool"
    VERSION_NOT_FOUND = "VersionNotFound", "a pod cannot find the version in the registry"
    UNSCHEDULABLE = "Unschedulable", "a pod cannot be scheduled on any node"
    PODS_REFUSED = "PodsRefused", "the API server rejects pods, because of a quota or an admission policy"
    IMAGE_UNAVAILABLE = "ImageUnavailable", "a pod's image cannot be pulled"
    CONTAINER_CONFIG_ERROR = (
        "ContainerConfigError",
        "a container cannot be created: a Secret or ConfigMap in its environment is missing",
    )
    OUT_OF_MEMORY = "OutOfMemory", "a pod was killed for using more memory than its limit"
    CRASHING = "Crashing", "a pod ends repeatedly, for a reason that is not the model's fault"
    NO_READY_PODS = "NoReadyPods", "no pod of prod is ready"
    NO_CANARY = "NoCanary", "there is no newer version to try as canary"
    CANARY_STARTING = "CanaryStarting", "the canary's pods are not all ready yet"
    CANARY_SERVING = "CanaryServing", "the canary serves; there is no evidence that it is worse than prod"
    CANARY_NOT_WORSE = "CanaryNotWorse", "the comparison has evidence that the canary is not worse than prod"
    CANARY_WORSE = "CanaryWorse", "the comparison has evidence that the canary is worse than prod"
    DRIFT_FOUND = "DriftFound", "features of the traffic drifted"
    NO_DRIFT = "NoDrift", "no drift was found"
    NOT_ENOUGH_DATA = "NotEnoughData", "too few rows, or too short a window, for a verdict"
    NOT_CHECKED_YET = "NotCheckedYet", "the version that serves has not been checked yet"
    CHECK_FAILED = "CheckFailed", "the last check failed"
    CHECKED = "Checked", "the last check did not fail"
    NOT_RETRAINED_YET = "NotRetrainedYet", "no retraining Job was created yet"
    RETRAINING = "Retraining", "a retraining Job was created and has not ended"
    RETRAINING_FAILED = "RetrainingFailed", "the last retraining ended without a result"
    RETRAINED = "Retrained", "the last retraining ended with a result"
    DELIVERING = "Delivering", "predictions reach the log"
    LOG_OFF = "LogOff", "the prediction log is off in spec"
    LAGGING = "Lagging", "predictions have waited in spools for more than two minutes"
    DROPPING = "Dropping", "predictions were answered but not logged"
    ROWS_UNDELIVERED = (
        "RowsUndelivered",
        "a pod disappeared within the last day with undelivered rows",
    )
    UNKNOWN = "Unknown", "no pod has reported yet"
    FOREIGN_FIELDS = (
        "ForeignFields",
        "fields of a child object that the operator does not set were set by another field manager, and stay",
    )


class EventReason(Documented):
    """An event on the resource.

    Besides these, a reason for which Ready is false comes as a warning of that name, and so does a reason
    for which pods of the canary, of the judge, of a check or of a retraining cannot run.
    """

    ROLLED_OUT = "RolledOut", "a stage serves another version now"
    VERSION_REJECTED = (
        "VersionRejected",
        "a version cannot be served and is rejected; the message is the loader's",
    )
    ABORTED = "Aborted", "a user aborted a version by annotation"
    ABORT_STALE = (
        "AbortStale",
        "the version to abort is not being rolled out, or prod has no other version",
    )
    CANARY_ENDED = (
        "CanaryEnded",
        "the canary ended: it was promoted, or removed from the registry's stage or alias",
    )
    CANARY_REPLACED = (
        "CanaryReplaced",
        "another version took the canary's place before the comparison decided, for example a retrained one",
    )
    AMBIGUOUS_STAGE = "AmbiguousStage", "several versions are in one registry stage; the highest is served"
    PROMOTED = "Promoted", "a promotion was written to the registry"
    PROMOTION_PENDING = "PromotionPending", "a promotion is not yet written to the registry"
    PROMOTION_FORBIDDEN = (
        "PromotionForbidden",
        "the operator may not write to the registry; a pin is served nevertheless",
    )
    PROMOTION_SUPERSEDED = (
        "PromotionSuperseded",
        "the registry changed before a promotion was written to it; it is not overwritten",
    )
    PROMOTION_STALE = (
        "PromotionStale",
        "the version to promote does not exist, or there is nothing to promote",
    )
    FOREIGN_FIELDS = (
        "ForeignFields",
        "another field manager set fields of a child object that the operator does not set",
    )
    DRIFT_DETECTED = "DriftDetected", "a check found drift"
    DRIFT_CHECK_FAILED = "DriftCheckFailed", "a check ended without a verdict"
    ROWS_UNDELIVERED = (
        "RowsUndelivered",
        "a pod disappeared, perhaps with its node, and its undelivered rows may be lost",
    )
    RETRAINING_STARTED = "RetrainingStarted", "a retraining Job was created because of a drift report"
    RETRAINING_FINISHED = "RetrainingFinished", "a retraining Job ended, with its result"
    RETRAINING_HELD = (
        "RetrainingHeld",
        "a drift report calls for retraining, but a limit or setting prevents it",
    )
