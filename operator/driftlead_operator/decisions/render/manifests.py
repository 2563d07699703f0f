"""The children of a ModelDeployment, one function each: plain mappings with only the fields that are ours."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from driftlead_formats.durations import seconds
from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Manifest, Ref, StageName
from driftlead_operator.decisions.memory.status import last_job
from driftlead_operator.decisions.render import pod_template
from driftlead_operator.decisions.render.pod_template import Context, Template
from driftlead_operator.decisions.spec import CanaryStage, Drift, Retraining
from driftlead_operator.kinds import KINDS, RESOURCE

# Beyond this an annotation is a burden; the template is then rendered again each time.
LARGEST_TEMPLATE = 64 * 1024
KEPT_JOBS = 10
STAGES: tuple[StageName, ...] = ("prod", "canary")
OF_EACH_STAGE = ("Deployment", "Service", "PodDisruptionBudget")
DRIFT_DEADLINE = 3600
MISSED_START = 600
FINISHED_JOB_SECONDS = 7 * 86400


@lru_cache(maxsize=4096)
def fixed_refs(name: str) -> tuple[Ref, ...]:
    """Every name that a child could have but for Jobs, sorted; made once for each resource."""
    return tuple(
        sorted(
            {
                Ref("Service", names.stable(name)),
                *(Ref(kind, names.of_stage(name, stage)) for stage in STAGES for kind in OF_EACH_STAGE),
                Ref("HorizontalPodAutoscaler", names.of_stage(name, "prod")),
                Ref("Deployment", names.judge(name)),
                Ref("CronJob", names.drift_check(name)),
            }
        )
    )


def child_refs(resource: Manifest) -> set[Ref]:
    """Every name of the namespace that could be a child of this resource, whatever its spec says."""
    job = last_job(resource)
    return {*fixed_refs(objects.name(resource)), *([Ref("Job", job)] if job else [])}


def _child(context: Context, kind: str, name: str, component: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": KINDS[kind].api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": context.namespace,
            "labels": pod_template.labels(context, component),
            "ownerReferences": [
                {
                    "apiVersion": KINDS[RESOURCE].api_version,
                    "kind": RESOURCE,
                    "name": context.name,
                    "uid": context.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": dict(spec),
    }


def deployment(
    context: Context, stage: StageName, *, template: Template, replicas: int, inputs: str
) -> dict[str, Any]:
    """A stage's Deployment.

    The template as applied stands in an annotation, so that an upgrade can keep it.
    """
    spec = {
        "replicas": replicas,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": int(seconds(context.spec.rollout.progress_deadline)),
        "selector": {"matchLabels": pod_template.selector(context, stage)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    child = _child(context, "Deployment", names.of_stage(context.name, stage), stage, spec)
    annotations, kept = {names.INPUTS: f"{inputs}-{objects.digest(template)}"}, objects.canonical(template)
    if len(kept) <= LARGEST_TEMPLATE:
        annotations[names.TEMPLATE] = kept.decode()
    child["metadata"]["annotations"] = annotations
    return child


def input_hash(manifest: Manifest | None) -> str:
    """The hash of what people had decided when a Deployment, or a ReplicaSet of it, was rendered."""
    return objects.annotation(manifest, names.INPUTS).partition("-")[0]


def template_hash(manifest: Manifest | None) -> str:
    """The hash of the template that a Deployment, or a ReplicaSet of it, was applied with."""
    return objects.annotation(manifest, names.INPUTS).partition("-")[2]


def service(context: Context, name: str, component: str, stage: StageName) -> dict[str, Any]:
    """A Service that answers on ports 80 and 8000 for the pods of a stage."""
    ports = [
        {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
        {"name": "http-direct", "port": pod_template.PORT, "targetPort": "http", "protocol": "TCP"},
    ]
    spec = {"type": "ClusterIP", "selector": pod_template.selector(context, stage), "ports": ports}
    return _child(context, "Service", name, component, spec)


def stage_service(context: Context, stage: StageName) -> dict[str, Any]:
    """The Service of one stage."""
    return service(context, names.of_stage(context.name, stage), stage, stage)


def stable_service(context: Context) -> dict[str, Any]:
    """The Service that callers use: prod's pods."""
    return service(context, names.stable(context.name), "stable", "prod")


def without_service(wanted: Sequence[Manifest], taken: Sequence[Ref]) -> set[Ref]:
    """The Deployments whose pods a Service is to select that has a name of somebody else."""
    strangers = {ref for ref in taken if ref.kind == "Service"}
    selected = [each["spec"]["selector"] for each in wanted if objects.ref(each) in strangers]
    return {
        objects.ref(each)
        for each in wanted
        if each["kind"] == "Deployment" and each["spec"]["selector"]["matchLabels"] in selected
    }


def autoscaler(context: Context) -> dict[str, Any] | None:
    """The HorizontalPodAutoscaler of prod, where spec asks for one."""
    autoscaling = context.spec.prod.autoscaling
    if autoscaling is None:
        return None
    name = names.of_stage(context.name, "prod")
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": autoscaling.target_cpu}}
    spec = {
        "scaleTargetRef": {"apiVersion": KINDS["Deployment"].api_version, "kind": "Deployment", "name": name},
        "minReplicas": autoscaling.min_replicas,
        "maxReplicas": autoscaling.max_replicas,
        "metrics": [{"type": "Resource", "resource": cpu}],
    }
    return _child(context, "HorizontalPodAutoscaler", name, "prod", spec)


def disruption_budget(context: Context, stage: StageName) -> dict[str, Any] | None:
    """One pod at a time may be evicted, where there may be more than one; broken pods may always go."""
    block = context.spec.stage(stage)
    if block is None or (block.replicas < 2 and not block.autoscaled):
        return None
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": pod_template.selector(context, stage)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _child(context, "PodDisruptionBudget", names.of_stage(context.name, stage), stage, spec)


def judge(context: Context, *, canary: str) -> dict[str, Any]:
    """The Deployment that compares this canary with prod and answers /verdict; each canary gets its own."""
    block = context.spec.canary or CanaryStage()
    values = {
        **pod_template.identity(context),
        "DRIFTLEAD_MODEL": context.spec.model,
        "DRIFTLEAD_PROD": context.spec.log_as("prod"),
        "DRIFTLEAD_CANARY": context.spec.log_as("canary"),
        "DRIFTLEAD_ERROR_MARGIN": block.judge.error_margin,
        "DRIFTLEAD_LATENCY_MARGIN": block.judge.latency_margin,
        "DRIFTLEAD_QUALITY_MARGIN": block.judge.quality_margin,
        "DRIFTLEAD_LATENCY_THRESHOLD_MS": str(block.judge.latency_threshold_milliseconds or ""),
        "DRIFTLEAD_MAX_SHIFT": block.judge.max_shift,
    }
    pod = pod_template.answering(
        pod_template.job(
            context,
            names.JUDGE,
            image=context.defaults.drift_image,
            args=["compare", "--follow", "--port", str(pod_template.PORT)],
            env=pod_template.environment(values),
            resources=pod_template.JUDGE_RESOURCES,
        )
    )
    pod["metadata"]["labels"][names.VERSION] = canary
    spec = {
        "replicas": 1,
        "revisionHistoryLimit": 0,
        "selector": {"matchLabels": pod_template.judge_selector(context)},
        "strategy": {"type": "Recreate"},
        "template": pod,
    }
    return _child(context, "Deployment", names.judge(context.name), names.JUDGE, spec)


def drift_cronjob(context: Context, drift: Drift, *, version: str | None) -> dict[str, Any]:
    """The CronJob that checks the version which serves; suspended while there is none."""
    deployment_column = drift.deployment or context.spec.log_as("prod")
    args = ["check", "--model", context.model_uri(version), "--deployment", deployment_column, "--exit-zero"]
    values = {
        **pod_template.identity(context),
        "DRIFTLEAD_WINDOW": drift.window,
        "DRIFTLEAD_PERIOD": drift.period,
        "DRIFTLEAD_RULE": drift.rule,
        "DRIFTLEAD_Q": drift.q,
        "DRIFTLEAD_TAU": drift.tau,
        "DRIFTLEAD_CLASS_RATIO": drift.class_ratio,
        "DRIFTLEAD_PERSISTENCE": str(drift.persistence or ""),
        "DRIFTLEAD_ASSUME_INDEPENDENT": "true" if drift.assume_independent else "",
        "DRIFTLEAD_LOG_REDACT": context.spec.inference.prediction_log.redacted,
        "DRIFTLEAD_TERMINATION_LOG": "/dev/termination-log",
    }
    pod = pod_template.job(
        context,
        names.DRIFT,
        image=context.defaults.drift_image,
        args=args,
        env=pod_template.environment(values),
        resources=drift.resources or pod_template.CHECK_RESOURCES,
    )
    spec = {
        "schedule": drift.schedule,
        "suspend": drift.suspend or version is None,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": MISSED_START,
        "successfulJobsHistoryLimit": KEPT_JOBS,
        "failedJobsHistoryLimit": KEPT_JOBS,
        "jobTemplate": {
            "metadata": {"labels": pod_template.labels(context, names.DRIFT)},
            "spec": {"backoffLimit": 0, "activeDeadlineSeconds": DRIFT_DEADLINE, "template": pod},
        },
    }
    return _child(context, "CronJob", names.drift_check(context.name), names.DRIFT, spec)


def retrain_job(
    context: Context, retraining: Retraining, *, name: str, champion: str, report: str
) -> dict[str, Any]:
    """The Job that trains a challenger of `champion` because of a report."""
    canary = context.spec.canary
    values = {
        **pod_template.identity(context),
        **{f"DRIFTLEAD_PARAM_{key}": value for key, value in retraining.parameters.items()},
        "DRIFTLEAD_REGISTERED_MODEL": context.spec.model,
        "DRIFTLEAD_CHAMPION": context.model_uri(champion),
        "DRIFTLEAD_TO_STAGE": canary.stage if canary else "",
        "DRIFTLEAD_TO_ALIAS": canary.alias if canary else "",
        "DRIFTLEAD_REPORT_ID": report,
        "DRIFTLEAD_DEPLOYMENT": context.spec.log_as("prod"),
        "DRIFTLEAD_TERMINATION_LOG": "/dev/termination-log",
    }
    pod = pod_template.job(
        context,
        names.RETRAIN,
        image=retraining.image or context.defaults.train_image,
        args=["retrain", retraining.function],
        env=[*pod_template.environment(values), *retraining.env],
        resources=retraining.resources or pod_template.TRAINING_RESOURCES,
        service_account=retraining.service_account_name,
    )
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": int(seconds(retraining.deadline)),
        "ttlSecondsAfterFinished": FINISHED_JOB_SECONDS,
        "template": pod,
    }
    return _child(context, "Job", name, names.RETRAIN, spec)
