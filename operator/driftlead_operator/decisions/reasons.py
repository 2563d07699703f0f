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
        "prod serves its target: every pod that counts answered a smoke prediction with the wanted version",
    )
    AVAILABLE = "Available", "prod answers with some good version, perhaps not the wanted one"
    RECONCILING = "Reconciling", "work is under way and will go on by itself; present only while true"
    STALLED = "Stalled", "nothing goes on until a person changes something; present only while true"
    CANARY_HEALTHY = "CanaryHealthy", "the canary is absent, or serves and is not worse than prod"
    DRIFT_DETECTED = (
        "DriftDetected",
        "the last check found that traffic is unlike the training data; never touches Ready",
    )
    DRIFT_CHECK_FAILED = "DriftCheckFailed", "the last check could not judge"
    PREDICTION_LOG_HEALTHY = "PredictionLogHealthy", "predictions reach the log in time and none is dropped"


class Reason(Documented):
    """Why a condition is as it is."""

    PENDING = "Pending", "the operator has not reconciled the resource yet"
    SERVING = "Serving", "prod serves the wanted version on all pods"
    SCALED_TO_ZERO = "ScaledToZero", "no pod is asked for"
    SUSPENDED = "Suspended", "spec.suspend is true: nothing is changed, what serves goes on serving"
    INVALID_SPEC = (
        "InvalidSpec",
        "spec says something that cannot be carried out, which the API server could not see",
    )
    REGISTRY_UNKNOWN = "RegistryUnknown", "spec.registry names a registry that the chart does not declare"
    REGISTRY_FORBIDDEN = "RegistryForbidden", "the registry is not allowed to this namespace"
    REGISTRY_UNREACHABLE = (
        "RegistryUnreachable",
        "the registry does not answer, so that the target is not known",
    )
    NAME_TAKEN = (
        "NameTaken",
        "an object of a name that a child needs belongs to somebody else, and is left alone",
    )
    APPLY_REFUSED = (
        "ApplyRefused",
        "the API server refuses a child as it is wanted, in the words of the message",
    )
    WAITING_FOR_MODEL = (
        "WaitingForModel",
        "the registry has no version to serve yet; that is normal before the first training",
    )
    TARGET_MISSING = (
        "TargetMissing",
        "the wanted version is gone from the registry, or never was there; what serves goes on",
    )
    VERSION_REJECTED = (
        "VersionRejected",
        "the version cannot be served, in its loader's words; the last good one serves",
    )
    ABORTED = "Aborted", "a person gave the version up; the last good one serves"
    ROLLING_OUT = "RollingOut", "pods of the wanted version or template are being started"
    REPLICAS_NOT_READY = "ReplicasNotReady", "the version is the wanted one, but not every pod is ready"
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "a rollout has made no progress for longer than its deadline",
    )
    CONNECTIONS_MISSING = (
        "ConnectionsMissing",
        "pods do not find the Secret or ConfigMap with their connections",
    )
    POD_CANNOT_REACH_REGISTRY = "PodCannotReachRegistry", "a pod cannot reach the registry"
    POD_CANNOT_REACH_ARTIFACTS = "PodCannotReachArtifacts", "a pod cannot fetch the model's artifacts"
    SPOOL_UNUSABLE = "SpoolUnusable", "a pod cannot write its spool"
    VERSION_NOT_FOUND = "VersionNotFound", "a pod does not find the version in the registry"
    UNSCHEDULABLE = "Unschedulable", "no node takes a pod"
    PODS_REFUSED = "PodsRefused", "the API server refuses pods: a quota, or an admission rule"
    IMAGE_UNAVAILABLE = "ImageUnavailable", "a pod's image cannot be pulled"
    CONTAINER_CONFIG_ERROR = (
        "ContainerConfigError",
        "a container cannot be made: a Secret or ConfigMap that its environment names is missing",
    )
    OUT_OF_MEMORY = "OutOfMemory", "a pod was ended for using more memory than its limit"
    CRASHING = "Crashing", "a pod ends again and again, for a reason that does not blame the model"
    NO_READY_PODS = "NoReadyPods", "no pod of prod answers"
    NO_CANARY = "NoCanary", "there is no newer version to try"
    CANARY_STARTING = "CanaryStarting", "the canary's pods are not all ready yet"
    CANARY_SERVING = "CanaryServing", "the canary serves; nothing says that it is worse than prod"
    CANARY_NOT_WORSE = "CanaryNotWorse", "the comparison has evidence that the canary is not worse than prod"
    CANARY_WORSE = "CanaryWorse", "the comparison has evidence that the canary is worse than prod"
    DRIFT_FOUND = "DriftFound", "features of the traffic drifted"
    NO_DRIFT = "NoDrift", "no drift was found"
    NOT_ENOUGH_DATA = "NotEnoughData", "too few rows or too short a time to judge"
    NOT_CHECKED_YET = "NotCheckedYet", "the version that serves has not been checked yet"
    CHECK_FAILED = "CheckFailed", "the check ended without a verdict"
    CHECKED = "Checked", "the last check gave a verdict"
    DELIVERING = "Delivering", "predictions reach the log"
    LOG_OFF = "LogOff", "spec switches the prediction log off"
    LAGGING = "Lagging", "predictions wait in spools for longer than two minutes"
    DROPPING = "Dropping", "predictions were answered but not logged"
    ROWS_UNDELIVERED = (
        "RowsUndelivered",
        "a pod vanished within the last day with rows that it had not delivered",
    )
    UNKNOWN = "Unknown", "no pod has said anything yet"


class EventReason(Documented):
    """An event on the resource.

    Besides these, a reason of Ready that is trouble comes as a warning of that name.
    """

    ROLLED_OUT = "RolledOut", "a stage serves another version now"
    VERSION_REJECTED = (
        "VersionRejected",
        "a version cannot be served and is given up, with the loader's words",
    )
    ABORTED = "Aborted", "a person gave a version up, by annotation"
    ABORT_STALE = (
        "AbortStale",
        "the version that was to be given up is not on its way, or is all that prod has",
    )
    CANARY_ENDED = "CanaryEnded", "the canary is gone: promoted, or withdrawn from the registry"
    AMBIGUOUS_STAGE = "AmbiguousStage", "several versions stand in one registry stage; the highest is served"
    PROMOTED = "Promoted", "the registry was told of a promotion"
    PROMOTION_PENDING = "PromotionPending", "the registry is to be told of a promotion"
    PROMOTION_FORBIDDEN = "PromotionForbidden", "the registry may not be written; a pin holds nevertheless"
    PROMOTION_SUPERSEDED = (
        "PromotionSuperseded",
        "the registry moved on before it was told; nothing is overruled",
    )
    PROMOTION_STALE = (
        "PromotionStale",
        "the version that was to be promoted is not there, or there is nothing to promote",
    )
    DRIFT_DETECTED = "DriftDetected", "a check found drift"
    DRIFT_CHECK_FAILED = "DriftCheckFailed", "a check could not judge"
    ROWS_UNDELIVERED = (
        "RowsUndelivered",
        "a pod vanished, with its node perhaps, and rows may have gone with it",
    )
    RETRAINING_STARTED = "RetrainingStarted", "a Job was started because of a report"
    RETRAINING_FINISHED = "RetrainingFinished", "a retraining Job ended, with its result"
    RETRAINING_HELD = "RetrainingHeld", "a report asks for retraining, but something holds it"
