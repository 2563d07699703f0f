"""A small cluster and registry in memory, which carry plans out as the real ones would."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from driftlead_formats.summaries import DriftSummary, ServerFailure, TopFeature
from driftlead_formats.termination import fitted
from driftlead_formats.verdicts import CommandExit, DriftVerdict
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import (
    Defaults,
    Facts,
    Manifest,
    ModelVersion,
    Plan,
    Ref,
    RegistryFacts,
)
from driftlead_operator.decisions.loop import jobs
from driftlead_operator.decisions.plan import plan

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DEFAULTS = Defaults(
    cluster="here", inference_image="inference:1", drift_image="drift:1", train_image="train:1"
)
Json = dict[str, Any]


@dataclass
class Version:
    """A version of the registry, and how its server ends: 0 serves."""

    stage: str = "None"
    aliases: set[str] = field(default_factory=set)
    exit_code: int = 0


class ConflictError(Exception):
    """What the API server answers to a write about an object that is no longer so."""


def resource(**spec: Any) -> Json:
    """A complete small ModelDeployment, as stored."""
    return {
        "apiVersion": "driftlead.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "demo", "namespace": "shop", "uid": "cr-1", "generation": 1},
        "spec": {
            "model": "Flights",
            "registry": "default",
            "prod": {"stage": "Production", "replicas": 2},
            "canary": {"stage": "Staging", "replicas": 1},
            **spec,
        },
    }


class World:
    """The registry, the API server, its controllers and the pods, each step by hand.

    `held` is the status in which the pods of Jobs and of the judge stay while it is set; `job_pods_refused`
    why Jobs get no pod at all.
    """

    def __init__(self, **spec: Any) -> None:
        self.versions: dict[str, Version] = {}
        self.resource = resource(**spec)
        self.children: dict[Ref, Json] = {}
        self.replicasets: dict[str, Json] = {}
        self.pods: dict[str, Json] = {}
        self.health: dict[str, Json] = {}
        self.now = NOW
        self.defaults = DEFAULTS
        self.unreachable_since: datetime | None = None
        self.answered = True
        self.allow_write = True
        self.model_exists: bool | None = None
        self.lost_writes = False
        self.write_refused = ""
        self.held: Json | None = None
        self.job_pods_refused = ""
        self.refused: dict[Ref, str] = {}
        self.writes: list[Any] = []
        self.applied: dict[Ref, Manifest] = {}
        self.events: list[str] = []
        self._count = 0

    # What is there

    @property
    def status(self) -> Json:
        found: Json = self.resource.get("status", {})
        return found

    def condition(self, type_: str) -> Json:
        return dict(objects.condition(self.resource, type_))

    def ready(self) -> tuple[str, str]:
        found = self.condition("Ready")
        return found["status"], found["reason"]

    def child(self, kind: str, name: str) -> Json:
        return self.children[Ref(kind, name)]

    def serving(self, stage: str) -> list[str]:
        """Versions of the ready pods of a stage."""
        return sorted(
            objects.labels(pod)["driftlead.dev/version"] for pod in self._pods_of(stage) if _is_ready(pod)
        )

    def _pods_of(self, stage: str) -> Iterator[Json]:
        for pod in self.pods.values():
            if objects.labels(pod).get("driftlead.dev/stage") == stage:
                yield pod

    def facts(self) -> Facts:
        return Facts(
            resource=self.resource,
            registry=self.registry(),
            defaults=self.defaults,
            now=self.now,
            children=dict(self.children),
            replicasets=list(self.replicasets.values()),
            pods=list(self.pods.values()),
            health=self.health,
            refused=dict(self.refused),
            refused_pods={objects.ref(job): self.job_pods_refused for job in self._jobs_without_pod()},
        )

    def _jobs_without_pod(self) -> list[Manifest]:
        candidates = [child for ref, child in self.children.items() if ref.kind == "Job"]
        found = jobs.without_pod(candidates, list(self.pods.values()), self.now)
        return found if self.job_pods_refused else []

    def registry(self) -> RegistryFacts:
        exists = bool(self.versions) if self.model_exists is None else self.model_exists
        versions = [
            ModelVersion(
                version=number, run_id=f"run-{number}", stage=each.stage, aliases=sorted(each.aliases)
            )
            for number, each in self.versions.items()
        ]
        return RegistryFacts(
            name="default",
            allow_write=self.allow_write,
            tracking_uri="http://mlflow:5000",
            answered_at=self.now if self.answered else None,
            model_exists=exists and self.answered,
            versions=versions if exists and self.answered else [],
            unreachable_since=self.unreachable_since,
            write_refused=self.write_refused,
        )

    # What people do

    def patch(self, **changes: Any) -> None:
        """Changes fields of spec (`prod__version="3"`); None takes one away."""
        before = copy.deepcopy(self.resource["spec"])
        for path, value in changes.items():
            *steps, last = path.split("__")
            place = self.resource["spec"]
            for step in steps:
                place = place.setdefault(step, {})
            if value is None:
                place.pop(last, None)
            else:
                place[last] = value
        if self.resource["spec"] != before:
            self.resource["metadata"]["generation"] += 1

    def annotate(self, **annotations: str) -> None:
        found = self.resource["metadata"].setdefault("annotations", {})
        found.update({f"driftlead.dev/{key}": value for key, value in annotations.items()})

    def register(self, number: str, *, stage: str = "None", exit_code: int = 0) -> None:
        self.versions[number] = Version(exit_code=exit_code)
        if stage != "None":
            self.transition(number, stage)

    def transition(self, number: str, stage: str, *, archive: bool = True) -> None:
        if archive:
            for each in self.versions.values():
                each.stage = "Archived" if each.stage == stage else each.stage
        self.versions[number].stage = stage

    def alias(self, number: str, name: str) -> None:
        for each in self.versions.values():
            each.aliases.discard(name)
        self.versions[number].aliases.add(name)

    # What the operator does

    def plan(self) -> Plan:
        return plan(self.facts())

    def reconcile(self) -> Plan:
        made = self.plan()
        self.carry_out(made)
        return made

    def carry_out(self, made: Plan) -> None:
        if made.status is not None:
            self.resource["status"] = copy.deepcopy(dict(made.status))
            json.dumps(made.status)
        for write in made.registry_writes:
            self.writes.append(write)
            if self.lost_writes:
                continue
            if write.stage:
                self.transition(write.version, write.stage)
            else:
                self.alias(write.version, write.alias)
        for manifest in (*made.apply, *made.create):
            self._apply(manifest)
            self.applied[objects.ref(manifest)] = manifest
        for deletion in made.delete:
            live = self.children.get(deletion.ref)
            if live is not None and objects.uid(live) == deletion.uid:
                self.delete(deletion.ref)
        self.events += [f"{event.reason}: {event.message}" for event in made.events]

    def delete(self, ref: Ref) -> None:
        """Deletes a child with all that it owns."""
        gone = {objects.uid(self.children.pop(ref))}
        for store in (self.replicasets, self.pods):
            for name, each in list(store.items()):
                if objects.controller(each).get("uid") in gone:
                    gone.add(objects.uid(store.pop(name)))

    def _apply(self, manifest: Manifest) -> None:
        ref, live = objects.ref(manifest), self.children.get(objects.ref(manifest))
        seen = objects.metadata(manifest).get("resourceVersion")
        if live is not None and seen != objects.metadata(live)["resourceVersion"]:
            raise ConflictError(ref)
        if live is None and seen is not None:
            raise ConflictError(ref)
        new = copy.deepcopy(dict(manifest))
        old_meta, meta = dict(objects.metadata(live)), new["metadata"]
        if live is not None and "replicas" in live["spec"]:
            new["spec"].setdefault("replicas", live["spec"]["replicas"])
        stays = {
            key: value
            for key, value in objects.annotations(live).items()
            if key not in meta.get("annotations", {}) and not key.startswith("driftlead.dev/")
        }
        meta.setdefault("annotations", {}).update(stays)
        meta["uid"] = old_meta.get("uid") or self._fresh(ref.kind)
        changed = live is None or live["spec"] != new["spec"]
        meta["generation"] = objects.generation(live) + changed
        meta["resourceVersion"] = self._fresh("rv")
        new["status"] = dict(objects.mapping(objects.dig(live, "status")))
        self.children[ref] = new

    def _fresh(self, word: str) -> str:
        self._count += 1
        return f"{word.lower()}-{self._count}"

    # What Kubernetes does

    def step(self) -> bool:
        """One step of every controller and kubelet; whether anything moved."""
        moved = False
        for ref, deployment in list(self.children.items()):
            if ref.kind == "Deployment":
                moved |= self._deployment(deployment)
            elif ref.kind == "Job":
                moved |= self._job(deployment)
        for pod in list(self.pods.values()):
            moved |= self._kubelet(pod)
        return moved

    def settle(self, rounds: int = 60) -> None:
        """Steps until nothing moves, the operator in between."""
        for _ in range(rounds):
            made = self.reconcile()
            self.now += timedelta(seconds=2)
            if not self.step() and not writes(made):
                return
        raise AssertionError(f"it does not come to rest: {self.status.get('rollout')}")

    def _owned(self, store: dict[str, Json], owner: Json) -> list[Json]:
        return [each for each in store.values() if objects.owned_by(each, owner)]

    def _deployment(self, deployment: Json) -> bool:
        before = self._picture(deployment)
        new = self._replicaset(deployment)
        sets = self._owned(self.replicasets, deployment)
        self._scale(deployment, new, [each for each in sets if each is not new])
        for each in sets:
            self._fill(each)
        pods = [pod for each in sets for pod in self._owned(self.pods, each)]
        ready = [pod for pod in pods if _is_ready(pod)]
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": len(self._owned(self.pods, new)),
            "readyReplicas": len(ready),
            "availableReplicas": len(ready),
        }
        moved = before != self._picture(deployment)
        if moved:
            deployment["metadata"]["resourceVersion"] = self._fresh("rv")
        return moved

    def _picture(self, deployment: Json) -> Any:
        sets = [
            (objects.name(each), _revision(each), dict(each["status"])) for each in self.replicasets.values()
        ]
        return dict(deployment.get("status", {})), sets, list(self.pods)

    def _replicaset(self, deployment: Json) -> Json:
        """The ReplicaSet of the present template, made or brought to the front."""
        template = deployment["spec"]["template"]
        hash_ = objects.digest(template, 8)
        sets = self._owned(self.replicasets, deployment)
        latest = max((_revision(each) for each in sets), default=0)
        name = f"{objects.name(deployment)}-{hash_}"
        found = next((each for each in sets if objects.name(each) == name), None)
        if found is None:
            copied = copy.deepcopy(template)
            copied["metadata"]["labels"]["pod-template-hash"] = hash_
            found = self.replicasets[name] = {
                "metadata": {
                    "name": name,
                    "uid": self._fresh("rs"),
                    "labels": copied["metadata"]["labels"],
                    "annotations": {},
                    "ownerReferences": [{"controller": True, "uid": objects.uid(deployment)}],
                },
                "spec": {"replicas": 0, "template": copied},
                "status": {},
            }
        if _revision(found) < latest or not _revision(found):
            found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = str(latest + 1)
        revision = found["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        found["metadata"]["annotations"] |= dict(objects.annotations(deployment))
        found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = revision
        deployment["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = revision
        return found

    def _scale(self, deployment: Json, new: Json, old: list[Json]) -> None:
        """maxSurge 1, maxUnavailable 0."""
        wanted = deployment["spec"].get("replicas", 1)
        for each in old:
            sick = sum(not _is_ready(pod) for pod in self._owned(self.pods, each))
            surplus = max(0, sum(rs["spec"]["replicas"] for rs in [new, *old]) - wanted)
            each["spec"]["replicas"] -= min(sick, surplus, each["spec"]["replicas"])
        total = sum(rs["spec"]["replicas"] for rs in [new, *old])
        room = max(0, wanted + (1 if old else 0) - total)
        new["spec"]["replicas"] = min(wanted, new["spec"]["replicas"] + room)
        ready = sum(_is_ready(pod) for rs in [new, *old] for pod in self._owned(self.pods, rs))
        for each in old:
            spare = max(0, min(ready - wanted, each["spec"]["replicas"]))
            each["spec"]["replicas"] -= spare
            ready -= spare

    def _fill(self, replicaset: Json) -> None:
        pods = sorted(self._owned(self.pods, replicaset), key=_is_ready)
        for pod in pods[: max(0, len(pods) - replicaset["spec"]["replicas"])]:
            del self.pods[objects.name(pod)]
        for _ in range(replicaset["spec"]["replicas"] - len(pods)):
            name = self._fresh(objects.name(replicaset))
            self.pods[name] = {
                "metadata": {
                    "name": name,
                    "uid": f"uid-{name}",
                    "labels": dict(replicaset["metadata"]["labels"]),
                    "ownerReferences": [{"controller": True, "uid": objects.uid(replicaset)}],
                },
                "spec": copy.deepcopy(replicaset["spec"]["template"]["spec"]),
                "status": {"phase": "Pending"},
            }
        pods = self._owned(self.pods, replicaset)
        replicaset["status"] = {"replicas": len(pods), "availableReplicas": sum(map(_is_ready, pods))}

    def _job(self, job: Json) -> bool:
        """The Job's controller: one pod, once, unless it is refused."""
        if not jobs.is_unfinished(job):
            return False
        new = "startTime" not in job.setdefault("status", {})
        job["status"].setdefault("startTime", objects.stamp(self.now))
        if self._owned(self.pods, job) or self.job_pods_refused:
            return new
        template = job["spec"]["template"]
        self.pods[f"{objects.name(job)}-pod"] = {
            "metadata": {
                "name": f"{objects.name(job)}-pod",
                "uid": self._fresh("pod"),
                "labels": dict(template["metadata"]["labels"]),
                "ownerReferences": [{"controller": True, "uid": objects.uid(job)}],
            },
            "spec": copy.deepcopy(template["spec"]),
            "status": {"phase": "Pending"},
        }
        return True

    def _run_job_pod(self, pod: Json) -> bool:
        container = objects.labels(pod)["app.kubernetes.io/component"]
        began = {"running": {"startedAt": objects.stamp(self.now)}}
        pod["status"] = {"phase": "Running", "containerStatuses": [{"name": container, "state": began}]}
        return True

    def _kubelet(self, pod: Json) -> bool:
        component = objects.labels(pod).get("app.kubernetes.io/component")
        if component in ("judge", "drift", "retrain") and self.held is not None and not _has_run(pod):
            moved = pod["status"] != self.held
            pod["status"] = copy.deepcopy(self.held)
            return moved
        if component in ("drift", "retrain"):
            return not _has_run(pod) and self._run_job_pod(pod)
        if component == "judge" and not _has_run(pod):
            pod["status"] = {"phase": "Pending"}  # what held it up is gone
        version = objects.labels(pod).get("driftlead.dev/version")
        if version is None or _is_ready(pod) or pod["status"].get("containerStatuses"):
            return False
        known = self.versions.get(version)
        code = known.exit_code if known else 14
        if code == 0:
            pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        else:
            pod["status"] = crashed(code, f"version {version} fell over", self.now)
        return True

    def kill(self, stage: str) -> None:
        """Evicts one pod of a stage."""
        for pod in list(self._pods_of(stage))[:1]:
            del self.pods[objects.name(pod)]

    # Checks of drift and retraining

    def drift_run(
        self,
        verdict: DriftVerdict | str,
        *,
        report: str,
        version: str,
        owner: str = "",
        independence_assumed: bool = False,
        message: str | None = None,
    ) -> None:
        """A check's Job and its pod, ended a moment ago, with the summary that a check writes."""
        word = DriftVerdict(verdict)
        summary = DriftSummary(
            report=report,
            version=version,
            verdict=word,
            exit_code=CommandExit.DRIFT if word.is_drift else CommandExit.NO_DRIFT,
            rows=41667,
            consecutive=2,
            uri=f"s3://mlflow/{report}/report.html",
            message=f"temp is far off ({word})" if message is None else message,
            independence_assumed=independence_assumed,
            top=(TopFeature(name="temp", value="9.81", low="9.55", high="10.1"),),
        )
        job = self.start_check(report, owner=owner)
        self.end_job(job, fitted(summary.dump()), container="drift")

    def start_check(self, report: str, *, owner: str = "") -> Json:
        """The Job that the CronJob makes for one check."""
        cronjob = self.children[Ref("CronJob", "demo-drift")]
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": f"demo-drift-{report}",
                "uid": self._fresh("job"),
                "labels": dict(cronjob["spec"]["jobTemplate"]["metadata"]["labels"]),
                "creationTimestamp": objects.stamp(self.now),
                "ownerReferences": [{"controller": True, "uid": owner or objects.uid(cronjob)}],
            },
            "spec": copy.deepcopy(cronjob["spec"]["jobTemplate"]["spec"]),
        }
        self.children[objects.ref(job)] = job
        return job

    def end_job(self, job: Json, message: str, *, container: str = "retrain", exit_code: int = 0) -> None:
        """The Job's container runs, or ran already, and ends with a message."""
        name = f"{objects.name(job)}-pod"
        running = objects.dig(self.pods.get(name), "status", "containerStatuses") or [{}]
        ended = {
            "exitCode": exit_code,
            "message": message,
            "startedAt": objects.dig(running[0], "state", "running", "startedAt") or objects.stamp(self.now),
            "finishedAt": objects.stamp(self.now),
        }
        self.pods[name] = {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "labels": {"app.kubernetes.io/component": container},
                "ownerReferences": [{"controller": True, "uid": objects.uid(job)}],
            },
            "status": {
                "phase": "Failed" if exit_code else "Succeeded",
                "containerStatuses": [{"name": container, "state": {"terminated": ended}}],
            },
        }
        self.close_job(
            job, "Failed" if exit_code else "Complete", "BackoffLimitExceeded" if exit_code else ""
        )

    def close_job(self, job: Json, type_: str, reason: str = "") -> None:
        """The Job's controller says that the Job has ended."""
        ended = {"type": type_, "status": "True", "lastTransitionTime": objects.stamp(self.now)}
        words = {"reason": reason, "message": f"the Job ended: {reason}"} if reason else {}
        job.setdefault("status", {}).setdefault("startTime", objects.stamp(self.now))
        job["status"]["conditions"] = [{**ended, **words}]

    def give_up_job(self, job: Json) -> None:
        """The Job is past its deadline: its controller deletes its pod."""
        for pod in self._owned(self.pods, job):
            del self.pods[objects.name(pod)]
        self.close_job(job, "Failed", "DeadlineExceeded")


def writes(made: Plan) -> bool:
    """Whether a plan asks for anything at all."""
    asked = (made.registry_writes, made.apply, made.create, made.delete, made.events)
    return made.status is not None or any(asked)


def crashed(code: int, words: str, at: datetime, reason: str = "Error") -> Json:
    """The status of a pod whose server ended and is waited for."""
    ended = {
        "exitCode": code,
        "reason": reason,
        "message": fitted(ServerFailure(reason="LoadFailed", message=words).dump()),
        "finishedAt": objects.stamp(at),
    }
    server = {
        "name": "server",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }
    return {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [server],
    }


def _has_run(pod: Json) -> bool:
    return pod["status"].get("phase", "Pending") != "Pending"


def _is_ready(pod: Json) -> bool:
    return objects.condition(pod, "Ready").get("status") == "True"


def _revision(replicaset: Json) -> int:
    return objects.whole(objects.annotations(replicaset).get("deployment.kubernetes.io/revision"))
