"""The last drift check, as its pod left it in the termination message.

Only pods below our CronJob are believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts, Manifest
from driftlead_operator.decisions.reasons import EventReason

SCHEMA = "drift-summary/v1"
DRIFTED = ("drift", "severe")
ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the container of a Job's pod ended."""

    at: datetime
    exit_code: int
    words: str

    def summary(self, schema: str) -> Mapping[str, Any]:
        """The JSON of that schema which the container left, empty without."""
        said = objects.parse_json(self.words)
        return said if said.get("schema") == schema else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDecision:
    """What is known of drift, and what there is to tell."""

    status: Mapping[str, Any] | None = None
    events: Sequence[Event] = ()


def ended(facts: Facts, jobs: Sequence[Manifest], container: str) -> Sequence[Ended]:
    """How the pods of these Jobs ended, the last one last."""
    uids = {objects.uid(job) for job in jobs} - {""}
    pods = [pod for pod in facts.pods if objects.controller(pod).get("uid") in uids]
    found = [each for pod in pods if (each := _ended(pod, container)) is not None]
    return sorted(found, key=lambda each: each.at)


def _ended(pod: Manifest, container: str) -> Ended | None:
    statuses = objects.items(objects.dig(pod, "status", "containerStatuses"))
    status = next((each for each in statuses if each.get("name") == container), {})
    terminated = objects.mapping(objects.dig(status, "state", "terminated"))
    at = objects.moment(terminated.get("finishedAt"))
    if at is None:
        return None
    words = str(terminated.get("message") or terminated.get("reason") or "")
    return Ended(at=at, exit_code=objects.whole(terminated.get("exitCode")), words=words)


def decide(facts: Facts, cronjob: Manifest | None) -> DriftDecision:
    """The last check's result, once."""
    before = objects.dig(facts.resource, "status", "drift")
    jobs = [
        child
        for ref, child in facts.children.items()
        if ref.kind == "Job" and cronjob is not None and objects.owned_by(child, cronjob)
    ]
    last = next(reversed(ended(facts, jobs, names.DRIFT)), None)
    seen = objects.moment(objects.dig(before, "lastRunTime"))
    if last is None or (seen is not None and last.at <= seen):
        return DriftDecision(status=before)
    status = _status(last)
    return DriftDecision(status=status, events=_events(status, objects.mapping(before)))


def _status(last: Ended) -> dict[str, Any]:
    said = last.summary(SCHEMA)
    if not said:
        words = last.words[:512] or "no words"
        message = f"the check ended with exit code {last.exit_code} and left no summary: {words}"
        known: dict[str, Any] = {"verdict": ERROR, "message": message, "exitCode": last.exit_code}
        return {"lastRunTime": objects.stamp(last.at), **known}
    top = [
        objects.without_empty(
            {
                "name": _text(each.get("name")),
                "psi": _text(each.get("value")),
                "low": _text(each.get("low")),
                "high": _text(each.get("high")),
            }
        )
        for each in objects.items(said.get("top"))[:5]
    ]
    status = {
        "lastRunTime": objects.stamp(last.at),
        "report": _text(said.get("report")),
        "version": _text(said.get("version")),
        "verdict": _text(said.get("verdict")) or ERROR,
        "exitCode": objects.whole(said.get("exit_code")),
        "consecutive": objects.whole(said.get("consecutive")),
        "rows": objects.whole(said.get("rows")),
        "message": _text(said.get("message")),
        "reportURI": _text(said.get("uri")),
        "topFeatures": top,
    }
    if said.get("independence_assumed"):
        status["independenceAssumed"] = True
    return objects.without_empty(status)


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:1024]


def _events(status: Mapping[str, Any], before: Mapping[str, Any]) -> Sequence[Event]:
    verdict, message = status.get("verdict"), str(status.get("message") or "")
    if verdict in DRIFTED:
        words = message or f"drift found in {_names(status)}"
        return [
            Event(
                reason=EventReason.DRIFT_DETECTED,
                message=f"version {status.get('version')}: {words}",
                type="Warning",
            )
        ]
    if verdict == ERROR and before.get("verdict") != ERROR:
        return [
            Event(
                reason=EventReason.DRIFT_CHECK_FAILED,
                message=message or "the check gave no verdict",
                type="Warning",
            )
        ]
    return []


def _names(status: Mapping[str, Any]) -> str:
    return (
        ", ".join(str(each.get("name")) for each in objects.items(status.get("topFeatures"))) or "the traffic"
    )
