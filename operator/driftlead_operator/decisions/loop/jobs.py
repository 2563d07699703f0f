"""Jobs whose container does not run yet: what is seen of them, and since when one runs.

A Job that is made has not begun. Its pod may wait for a node, an image or a Secret, and shows that itself. Or
there is no pod at all, because a quota or an admission policy refuses it: then neither the Job nor anything
else that is watched says why, only an event of the Job's controller does. That event is asked for, but only
while a Job is without a pod for longer than its controller takes to make one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from driftlead_operator.decisions import containers, objects
from driftlead_operator.decisions.facts import Facts, Manifest, Ref
from driftlead_operator.decisions.stage import stage_view
from driftlead_operator.decisions.stage.stage_view import Pod

# So long a Job may be without a pod before anybody is asked why, and so long until it is asked again.
GRACE = timedelta(seconds=5)
ASK_AGAIN = timedelta(seconds=30)
FAILED_CREATE = "FailedCreate"
"""The reason of the controller's event that says why it made no pod."""
ENDS = ("Complete", "Failed")
# Each attempt gives the pod another name; without it, the same refusal is the same sentence.
ATTEMPT = re.compile(r'^(Error creating: )?(pods "[^"]*" is forbidden: )?')


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJob:
    """A Job whose container has not started: its pods, or why there is none ("" where that is not known)."""

    name: str
    manifest: Manifest
    pods: Sequence[Pod] = ()
    refused: str = ""
    ask_at: datetime | None = None


def is_unfinished(job: Manifest) -> bool:
    """Whether the Job's pod is still to run. A suspended one waits because somebody wants it to."""
    ended = any(objects.condition(job, each).get("status") == "True" for each in ENDS)
    return not (ended or objects.terminating(job) or objects.dig(job, "spec", "suspend"))


def without_pod(jobs: Iterable[Manifest], pods: Sequence[Manifest], now: datetime) -> list[Manifest]:
    """Jobs whose controller should have made a pod by now, and has not."""
    found = [job for job in jobs if is_unfinished(job) and _is_overdue(job, now)]
    owners = {objects.controller(pod).get("uid") for pod in pods} if found else set()
    return [job for job in found if objects.uid(job) not in owners]


def _is_overdue(job: Manifest, now: datetime) -> bool:
    seen = _seen_by_controller(job)
    return seen is not None and now - seen >= GRACE


def _seen_by_controller(job: Manifest) -> datetime | None:
    return objects.moment(objects.dig(job, "status", "startTime"))


def refusal(events: Iterable[Manifest]) -> str:
    """The newest words of the Job's controller on why it made no pod, "" without any."""
    newest = max(events, key=_told_at, default=None)
    return ATTEMPT.sub("", objects.one_line((newest or {}).get("message")))


def _told_at(event: Manifest) -> str:
    series = objects.dig(event, "series", "lastObservedTime")
    found = (series, event.get("lastTimestamp"), event.get("eventTime"))
    return next((each for each in found if isinstance(each, str)), "")


def failed_unread(facts: Facts, job: Manifest, container: str) -> str | None:
    """How a Job failed whose container left no words, evicted before it ran for example.

    None while the Job has not failed, and while its pod may still be seen to end: the Job may be seen first.
    """
    failed = objects.condition(job, "Failed")
    pods = [pod for pod in facts.pods if objects.owned_by(pod, job)]
    ended = all(objects.dig(pod, "status", "phase") in ("Succeeded", "Failed") for pod in pods)
    if failed.get("status") != "True" or not ended:
        return None
    if any(containers.termination(pod, container) for pod in pods):
        return None
    said = [(failed, "reason", "message"), *((pod.get("status"), "reason", "message") for pod in pods)]
    words = (": ".join(filter(None, (str(objects.dig(of, key) or "") for key in keys))) for of, *keys in said)
    return objects.one_line("; ".join(filter(None, words)))


def waiting(facts: Facts, jobs: Iterable[Manifest], container: str) -> WaitingJob | None:
    """The oldest of these Jobs whose container has not started."""
    found = [job for job in jobs if is_unfinished(job) and started_at(facts, [job], container) is None]
    job = min(found, key=lambda each: str(objects.metadata(each).get("creationTimestamp")), default=None)
    if job is None:
        return None
    pods = stage_view.pods_below(facts, [job], container)
    name = objects.name(job)
    return WaitingJob(
        name=name,
        manifest=job,
        pods=pods,
        refused=facts.refused_pods.get(Ref("Job", name), ""),
        ask_at=None if pods else _ask_at(job, facts.now),
    )


def _ask_at(job: Manifest, now: datetime) -> datetime | None:
    """When to look again at a Job without a pod; its controller's status is an event of its own."""
    seen = _seen_by_controller(job)
    if seen is None:
        return None
    return seen + GRACE if now - seen < GRACE else now + ASK_AGAIN


def started_at(facts: Facts, jobs: Sequence[Any], container: str) -> datetime | None:
    """When the container of these Jobs started first, by their pods."""
    uids = {objects.uid(job) for job in jobs} - {""}
    ours = (pod for pod in facts.pods if objects.controller(pod).get("uid") in uids)
    return min(filter(None, (containers.started_at(pod, container) for pod in ours)), default=None)
