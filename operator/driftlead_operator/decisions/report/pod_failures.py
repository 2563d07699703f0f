"""Why pods fail where the model is not to blame: each reason is its own, and is tried again by itself."""

from collections.abc import Callable, Iterator

from driftlead_formats.exit_codes import ExitCode
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.reasons import Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.stage.rollout import StageDecision
from driftlead_operator.decisions.stage.stage_view import Pod, StageView

IMAGE_WAITS = {
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
}
CONFIG_WAITS = {"CreateContainerConfigError", "CreateContainerError"}
EXIT_CODES = {
    ExitCode.POD_CANNOT_REACH_REGISTRY: Reason.POD_CANNOT_REACH_REGISTRY,
    ExitCode.POD_CANNOT_REACH_ARTIFACTS: Reason.POD_CANNOT_REACH_ARTIFACTS,
    ExitCode.CONNECTIONS_MISSING: Reason.CONNECTIONS_MISSING,
    ExitCode.SPOOL_UNUSABLE: Reason.SPOOL_UNUSABLE,
    ExitCode.VERSION_NOT_FOUND: Reason.VERSION_NOT_FOUND,
}


def of_stage(assessment: Assessment, stage: StageDecision) -> ConditionValue | None:
    """The first failure of a stage's pods; that of the newest template first."""
    view = stage.view
    refused = objects.condition(view.deployment, "ReplicaFailure")
    if refused.get("status") == "True":
        return ConditionValue(
            Reason.PODS_REFUSED, f"{stage.name}: pods are refused: {refused.get('message')}"
        )
    failing = [pod for pod in (*view.of_current(), *view.pods) if not pod.ready]
    found = (check(assessment, view, pod) for pod in failing for check in CHECKS)
    return next((verdict for verdict in found if verdict), None)


def _unschedulable(_: Assessment, view: StageView, pod: Pod) -> ConditionValue | None:
    if not pod.unschedulable:
        return None
    return ConditionValue(
        Reason.UNSCHEDULABLE, f"{view.name}: no node takes pod {pod.name}: {pod.unschedulable}"
    )


def _image(_: Assessment, view: StageView, pod: Pod) -> ConditionValue | None:
    # The kubelet alternates between two sentences; ours stands still, so that status is written once.
    if pod.waiting[0] not in IMAGE_WAITS:
        return None
    image = next(_images(view), "")
    words = (
        f"{view.name}: image {image} of pod {pod.name} cannot be pulled; check its name and "
        "spec.inference.overlay.imagePullSecrets"
    )
    return ConditionValue(Reason.IMAGE_UNAVAILABLE, words)


def _images(view: StageView) -> Iterator[str]:
    for container in objects.items(objects.dig(view.deployment, "spec", "template", "spec", "containers")):
        yield str(container.get("image"))


def _config(_: Assessment, view: StageView, pod: Pod) -> ConditionValue | None:
    if pod.waiting[0] not in CONFIG_WAITS:
        return None
    return ConditionValue(
        Reason.CONTAINER_CONFIG_ERROR, f"{view.name}: pod {pod.name} cannot be started: {pod.waiting[1]}"
    )


def _connections(assessment: Assessment, view: StageView, pod: Pod) -> ConditionValue | None:
    if not pod.termination or pod.termination.exit_code != ExitCode.CONNECTIONS_MISSING:
        return None
    connections = assessment.spec.connections
    namespace = objects.metadata(assessment.facts.resource).get("namespace")
    words = (
        f"{view.name}: pod {pod.name} finds no connections in Secret {connections.secret_name} and ConfigMap "
        f"{connections.config_map_name} of namespace {namespace}; make them: kubectl create secret generic "
        f"{connections.secret_name} -n {namespace} "
        "--from-literal=DRIFTLEAD_POSTGRES_DSN=postgresql://user:password@host:5432/driftlead"
    )
    return ConditionValue(Reason.CONNECTIONS_MISSING, words)


def _ended(_: Assessment, view: StageView, pod: Pod) -> ConditionValue | None:
    ended = pod.termination
    if ended is None:
        return None
    known = {int(code): reason for code, reason in EXIT_CODES.items()}.get(ended.exit_code)
    killed = Reason.OUT_OF_MEMORY if ended.reason == "OOMKilled" else Reason.CRASHING
    words = (
        f"{view.name}: pod {pod.name} ended with exit code {ended.exit_code} ({ended.reason}): "
        f"{ended.message or 'no words'}"
    )
    return ConditionValue(known or killed, words)


Check = Callable[[Assessment, StageView, Pod], ConditionValue | None]
CHECKS: tuple[Check, ...] = (_unschedulable, _image, _config, _connections, _ended)
