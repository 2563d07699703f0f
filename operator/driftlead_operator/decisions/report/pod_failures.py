"""Why pods fail where the model is not to blame: each reason is its own, and is tried again by itself.

The same for the pods of a stage, of the judge and of Jobs: what differs is only who speaks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from driftlead_formats.exit_codes import ExitCode
from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Manifest, Ref
from driftlead_operator.decisions.loop.jobs import WaitingJob
from driftlead_operator.decisions.memory.status import Memory
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue
from driftlead_operator.decisions.stage import stage_view
from driftlead_operator.decisions.stage.rollout import StageDecision
from driftlead_operator.decisions.stage.stage_view import Pod

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


ANY_FAILURE = frozenset(
    {
        *EXIT_CODES.values(),
        Reason.PODS_REFUSED,
        Reason.UNSCHEDULABLE,
        Reason.IMAGE_UNAVAILABLE,
        Reason.CONTAINER_CONFIG_ERROR,
        Reason.OUT_OF_MEMORY,
        Reason.CRASHING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What makes pods: how a sentence about it begins, what holds its template, and why it makes none."""

    title: str
    manifest: Manifest | None
    pods: Iterable[Pod]
    refused: str = ""


def of_stage(assessment: Assessment, stage: StageDecision) -> ConditionValue | None:
    """The first failure of a stage's pods; that of the newest template first."""
    view = stage.view
    return _first(assessment, _of_deployment(view.name, view.deployment, [*view.of_current(), *view.pods]))


def of_judge(assessment: Assessment) -> ConditionValue | None:
    """Why the judge's pod does not run."""
    facts = assessment.facts
    deployment = facts.children.get(Ref("Deployment", names.judge(assessment.context.name)))
    if deployment is None or not stage_view.is_ours(deployment, facts.resource):
        return None
    pods = stage_view.pods_of_deployment(facts, deployment, names.JUDGE)
    return _first(assessment, _of_deployment("judge", deployment, pods))


def of_job(assessment: Assessment, job: WaitingJob | None) -> ConditionValue | None:
    """Why a Job's container does not start."""
    if job is None:
        return None
    workload = Workload(title=f"Job {job.name}", manifest=job.manifest, pods=job.pods, refused=job.refused)
    return _first(assessment, workload)


def said(memory: Memory, type_: Condition) -> str:
    """Why a condition said before that pods do not run: reason and sentence, "" where it said none."""
    known = memory.condition(type_)
    return f"{known.reason}: {known.message}" if known and known.reason in ANY_FAILURE else ""


def _of_deployment(title: str, deployment: Manifest | None, pods: Sequence[Pod]) -> Workload:
    failure = objects.condition(deployment, "ReplicaFailure")
    refused = objects.one_line(failure.get("message")) or "no words"
    return Workload(
        title=title,
        manifest=deployment,
        pods=pods,
        refused=refused if failure.get("status") == "True" else "",
    )


def _first(assessment: Assessment, workload: Workload) -> ConditionValue | None:
    if workload.refused:
        return ConditionValue(Reason.PODS_REFUSED, f"{workload.title}: pods are refused: {workload.refused}")
    failing = (pod for pod in workload.pods if not pod.ready)
    found = (check(assessment, workload, pod) for pod in failing for check in CHECKS)
    return next((verdict for verdict in found if verdict), None)


def _unschedulable(_: Assessment, workload: Workload, pod: Pod) -> ConditionValue | None:
    if not pod.unschedulable:
        return None
    words = f"{workload.title}: no node takes pod {pod.name}: {pod.unschedulable}"
    return ConditionValue(Reason.UNSCHEDULABLE, words)


def _image(_: Assessment, workload: Workload, pod: Pod) -> ConditionValue | None:
    # The kubelet alternates between two sentences; ours stands still, so that status is written once.
    if pod.waiting[0] not in IMAGE_WAITS:
        return None
    image = next(_images(workload), "")
    words = (
        f"{workload.title}: image {image} of pod {pod.name} cannot be pulled; check its name and "
        "spec.inference.overlay.imagePullSecrets"
    )
    return ConditionValue(Reason.IMAGE_UNAVAILABLE, words)


def _images(workload: Workload) -> Iterator[str]:
    template = objects.dig(workload.manifest, "spec", "template", "spec", "containers")
    for container in objects.items(template):
        yield str(container.get("image"))


def _config(_: Assessment, workload: Workload, pod: Pod) -> ConditionValue | None:
    if pod.waiting[0] not in CONFIG_WAITS:
        return None
    words = f"{workload.title}: pod {pod.name} cannot be started: {pod.waiting[1]}"
    return ConditionValue(Reason.CONTAINER_CONFIG_ERROR, words)


def _connections(assessment: Assessment, workload: Workload, pod: Pod) -> ConditionValue | None:
    if not pod.termination or pod.termination.exit_code != ExitCode.CONNECTIONS_MISSING:
        return None
    connections = assessment.spec.connections
    namespace = objects.metadata(assessment.facts.resource).get("namespace")
    words = (
        f"{workload.title}: pod {pod.name} finds no connections in Secret {connections.secret_name} and "
        f"ConfigMap {connections.config_map_name} of namespace {namespace}; make them: kubectl create secret "
        f"generic {connections.secret_name} -n {namespace} "
        "--from-literal=DRIFTLEAD_POSTGRES_DSN=postgresql://user:password@host:5432/driftlead"
    )
    return ConditionValue(Reason.CONNECTIONS_MISSING, words)


def _ended(_: Assessment, workload: Workload, pod: Pod) -> ConditionValue | None:
    ended = pod.termination
    if ended is None:
        return None
    known = {int(code): reason for code, reason in EXIT_CODES.items()}.get(ended.exit_code)
    killed = Reason.OUT_OF_MEMORY if ended.reason == "OOMKilled" else Reason.CRASHING
    words = (
        f"{workload.title}: pod {pod.name} ended with exit code {ended.exit_code} ({ended.reason}): "
        f"{ended.message or 'no words'}"
    )
    return ConditionValue(known or killed, words)


Check = Callable[[Assessment, Workload, Pod], ConditionValue | None]
CHECKS: tuple[Check, ...] = (_unschedulable, _image, _config, _connections, _ended)
