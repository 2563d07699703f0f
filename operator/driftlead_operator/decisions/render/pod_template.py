"""The pods of a stage and of a Job, as templates that hold only fields that are ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Defaults, Facts, StageName
from driftlead_operator.decisions.render import apply_diff
from driftlead_operator.decisions.spec import Spec

Template = dict[str, Any]
PORT = 8000
PRE_STOP_SECONDS = 5
CONNECTIONS = "/etc/driftlead/connections"
WORK = "/var/lib/driftlead"
# Room for the model's artifacts beside the spool, whose bound must lie below the volume's.
CACHE_BYTES = 8 * 1024**3
USER = 65532
# Where spec says nothing: requests, so that a quota can count the pods and others are evicted first.
SERVER_RESOURCES = {"requests": {"cpu": "100m", "memory": "384Mi"}}
JUDGE_RESOURCES = {"requests": {"cpu": "10m", "memory": "128Mi"}}
# A check reads what was logged: without a limit one wide window could take a node's memory.
CHECK_RESOURCES = {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "2Gi"}}
TRAINING_RESOURCES = {"requests": {"cpu": "250m", "memory": "512Mi"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every child is made from: the resource's identity and spec, what chart and registry decide."""

    name: str
    namespace: str
    uid: str
    spec: Spec
    defaults: Defaults
    tracking_uri: str
    now: datetime

    @classmethod
    def of(cls, facts: Facts, spec: Spec) -> "Context":
        """The context of one resource."""
        meta = objects.metadata(facts.resource)
        return cls(
            name=objects.name(facts.resource),
            namespace=str(meta.get("namespace") or ""),
            uid=objects.uid(facts.resource),
            spec=spec,
            defaults=facts.defaults,
            tracking_uri=facts.registry.tracking_uri,
            now=facts.now,
        )

    def model_uri(self, version: str | None) -> str:
        """The exact version of the model; without one its registered name."""
        return f"models:/{self.spec.model}/{version}" if version else self.spec.model


def labels(context: Context, component: str) -> dict[str, str]:
    """The labels of a child."""
    return {
        names.APP_NAME: "driftlead-model",
        names.APP_INSTANCE: context.name,
        names.COMPONENT: component,
        names.MANAGED_BY: names.MANAGER,
        names.APP_PART_OF: "driftlead",
        names.RESOURCE_NAME: context.name,
    }


def selector(context: Context, stage: StageName) -> dict[str, str]:
    """Selects the pods of a stage; never by version, which changes."""
    return {names.RESOURCE_NAME: context.name, names.STAGE: stage}


def judge_selector(context: Context) -> dict[str, str]:
    """Selects the judge's pod."""
    return {names.RESOURCE_NAME: context.name, names.COMPONENT: names.JUDGE}


def image(context: Context) -> str:
    """The image that a pod made now would run."""
    return context.spec.inference.image or context.defaults.inference_image


def inputs(context: Context, stage: StageName, version: str) -> str:
    """A hash of what people decide about a stage's pods, and of nothing that an upgrade changes."""
    spec = context.spec
    # Without defaults: a later operator that knows one field more makes the same hash.
    return objects.digest(
        {
            "version": version,
            "model": spec.model,
            "inference": spec.inference.model_dump(exclude={"image_update"}, exclude_defaults=True),
            "connections": spec.connections.model_dump(exclude_defaults=True),
            "logAs": spec.log_as(stage),
            "trackingURI": context.tracking_uri,
            "cluster": context.defaults.cluster,
        }
    )


def serving(context: Context, stage: StageName, version: str) -> Template:
    """The pod template of a stage that serves one exact version."""
    overlay = context.spec.inference.overlay
    meta = {
        "labels": {
            **objects.mapping(overlay.get("labels")),
            **labels(context, stage),
            names.STAGE: stage,
            names.VERSION: version,
        },
        "annotations": dict(objects.mapping(overlay.get("annotations"))),
    }
    named = (
        "serviceAccountName",
        "priorityClassName",
        "runtimeClassName",
        "nodeSelector",
        "tolerations",
        "affinity",
    )
    spec = {
        **{name: overlay.get(name) for name in (*named, "imagePullSecrets")},
        **_restricted(objects.mapping(overlay.get("securityContext"))),
        "terminationGracePeriodSeconds": context.spec.inference.termination_grace_period_seconds,
        "topologySpreadConstraints": [
            {**each, "labelSelector": {"matchLabels": selector(context, stage)}}
            for each in objects.items(overlay.get("topologySpreadConstraints"))
        ],
        "containers": [_server(context, stage, version)],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": str(_spool_bytes(context.spec) + CACHE_BYTES)}},
            {"name": "tmp", "emptyDir": {}},
            connections_volume(context),
            *objects.items(overlay.get("volumes")),
        ],
    }
    return {"metadata": objects.without_empty(meta), "spec": objects.without_empty(spec)}


def _restricted(overlay: Mapping[str, Any]) -> dict[str, Any]:
    """What the restricted pod security standard asks for, and no token of the API server."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            **overlay,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _locked_down() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _server(context: Context, stage: StageName, version: str) -> dict[str, Any]:
    inference = context.spec.inference
    mounts = [
        {"name": "work", "mountPath": WORK},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # a volume of the pod's own
        {"name": "connections", "mountPath": CONNECTIONS, "readOnly": True},
        *objects.items(inference.overlay.get("volumeMounts")),
    ]
    server = {
        "name": names.SERVER,
        "image": image(context),
        "imagePullPolicy": context.defaults.image_pull_policy,
        "args": ["serve"],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": [*_serving_environment(context, stage, version), *objects.items(inference.overlay.get("env"))],
        "resources": inference.resources or SERVER_RESOURCES,
        "volumeMounts": mounts,
        "securityContext": _locked_down(),
        # While endpoints forget the pod it still accepts; only then it is told to stop.
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "startupProbe": _probe("/readyz", period=1, failures=900),
        "readinessProbe": _probe("/readyz", period=2, failures=3),
        "livenessProbe": _probe("/livez", period=10, failures=6),
    }
    return objects.without_empty(server)


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _spool_bytes(spec: Spec) -> int:
    return int(apply_diff.quantity(spec.inference.prediction_log.spool_size) or 256 * 1024**2)


def _serving_environment(context: Context, stage: StageName, version: str) -> list[dict[str, Any]]:
    inference = context.spec.inference
    log = inference.prediction_log
    drain = max(1, inference.termination_grace_period_seconds - 2 * PRE_STOP_SECONDS)
    values = {
        "DRIFTLEAD_MODEL": context.model_uri(version),
        "DRIFTLEAD_STAGE": stage,
        "DRIFTLEAD_DEPLOYMENT": context.spec.log_as(stage),
        "DRIFTLEAD_LOG_MODE": log.mode,
        "DRIFTLEAD_SPOOL_DIR": f"{WORK}/spool",
        "DRIFTLEAD_SPOOL_BYTES": str(_spool_bytes(context.spec)),
        "DRIFTLEAD_SPOOL_FULL": log.when_full,
        "DRIFTLEAD_LOG_REDACT": log.redacted,
        "DRIFTLEAD_LOG_PROBABILITIES": "true" if log.probabilities else "",
        "DRIFTLEAD_CACHE_DIR": f"{WORK}/cache",
        "DRIFTLEAD_FRONT": inference.front,
        "DRIFTLEAD_PORT": str(PORT),
        "DRIFTLEAD_DRAIN_SECONDS": str(drain),
        **identity(context),
    }
    pod = {"name": "DRIFTLEAD_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return [*environment(values), pod]


def identity(context: Context) -> dict[str, str]:
    """Whose rows these are, where the registry is, and where the connections lie."""
    return {
        "DRIFTLEAD_CLUSTER": context.defaults.cluster,
        "DRIFTLEAD_NAMESPACE": context.namespace,
        "DRIFTLEAD_RESOURCE": context.name,
        "DRIFTLEAD_CONNECTIONS_DIR": CONNECTIONS,
        "MLFLOW_TRACKING_URI": context.tracking_uri,
    }


def environment(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Environment variables, sorted, empty ones left out."""
    return [{"name": name, "value": value} for name, value in sorted(values.items()) if value]


def connections_volume(context: Context) -> dict[str, Any]:
    """Secret and ConfigMap as files.

    Both are optional: a pod that needs one ends with words, and does not hang.
    """
    connections = context.spec.connections
    return {
        "name": "connections",
        "projected": {
            "sources": [
                {"configMap": {"name": connections.config_map_name, "optional": True}},
                {"secret": {"name": connections.secret_name, "optional": True}},
            ]
        },
    }


def job(
    context: Context,
    component: str,
    *,
    image: str,
    args: Sequence[str],
    env: Sequence[Mapping[str, Any]],
    resources: Mapping[str, Any],
    service_account: str = "",
) -> Template:
    """The pod template of a Job: one container, named as its component, runs once and leaves a message."""
    overlay = context.spec.inference.overlay
    container = {
        "name": component,
        "image": image,
        "imagePullPolicy": context.defaults.image_pull_policy,
        "args": list(args),
        "env": list(env),
        "resources": resources,
        "securityContext": _locked_down(),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # a volume of the pod's own
            {"name": "connections", "mountPath": CONNECTIONS, "readOnly": True},
        ],
    }
    spec = {
        **{name: overlay.get(name) for name in ("imagePullSecrets", "nodeSelector", "tolerations")},
        **_restricted({}),
        "serviceAccountName": service_account,
        "restartPolicy": "Never",
        "containers": [objects.without_empty(container)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, connections_volume(context)],
    }
    return {"metadata": {"labels": labels(context, component)}, "spec": objects.without_empty(spec)}


def answering(pod: Template) -> Template:
    """The same pod, but one that runs on and answers on the port of all our pods."""
    (container,) = pod["spec"]["containers"]
    served = {
        **container,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": _probe("/readyz", period=5, failures=3),
        "livenessProbe": _probe("/livez", period=20, failures=6),
    }
    spec = {key: value for key, value in pod["spec"].items() if key != "restartPolicy"}
    return {**pod, "spec": {**spec, "containers": [served]}}
