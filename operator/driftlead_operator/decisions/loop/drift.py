"""The last drift check, as its pod left it in the termination message.

Only pods below our CronJob are believed: anybody who may make pods in the namespace could write such a
message. A check is taken up once, by the time at which it ended; status then remembers it, since Jobs are
cleaned up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from driftlead_formats.summaries import DriftSummary
from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions import containers, names, objects
from driftlead_operator.decisions.containers import ContainerTermination
from driftlead_operator.decisions.facts import Event, Facts, Manifest
from driftlead_operator.decisions.memory.loop import DriftMemory
from driftlead_operator.decisions.reasons import EventReason

LONGEST_EXCERPT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDecision:
    """What is known of drift, and what there is to tell."""

    last: DriftMemory | None = None
    events: Sequence[Event] = ()


def decide(facts: Facts, before: DriftMemory | None, cronjob: Manifest | None) -> DriftDecision:
    """The last check's result, once."""
    jobs = [
        child
        for ref, child in facts.children.items()
        if ref.kind == "Job" and cronjob is not None and objects.owned_by(child, cronjob)
    ]
    ended = containers.last_of_jobs(jobs, facts.pods, names.DRIFT)
    seen = before.last_run if before else None
    if ended is None or ended.finished_at is None or (seen is not None and ended.finished_at <= seen):
        return DriftDecision(last=before)
    last = _read(ended)
    return DriftDecision(last=last, events=_events(last, before))


def _read(ended: ContainerTermination) -> DriftMemory:
    summary = DriftSummary.parse(ended.document)
    if summary is None:
        excerpt = (ended.raw_message or ended.kubelet_reason)[:LONGEST_EXCERPT] or "no words"
        message = f"the check ended with exit code {ended.exit_code} and left no summary: {excerpt}"
        return DriftMemory(
            last_run=ended.finished_at,
            verdict=DriftVerdict.ERROR,
            message=message,
            exit_code=ended.exit_code,
        )
    return DriftMemory(
        last_run=ended.finished_at,
        report=summary.report,
        version=summary.version,
        verdict=summary.verdict,
        exit_code=summary.exit_code,
        consecutive=summary.consecutive,
        rows=summary.rows,
        message=summary.message,
        report_uri=summary.uri,
        top_features=summary.top,
        independence_assumed=summary.independence_assumed,
    )


def _events(last: DriftMemory, before: DriftMemory | None) -> Sequence[Event]:
    """Each check that finds drift is told; of checks that fail one after the other, the first."""
    if last.verdict is not None and last.verdict.is_drift:
        names_of = ", ".join(each.name for each in last.top_features) or "the traffic"
        words = f"version {last.version}: {last.message or f'drift found in {names_of}'}"
        return [Event(reason=EventReason.DRIFT_DETECTED, message=words, type="Warning")]
    failed_before = before is not None and before.verdict is DriftVerdict.ERROR
    if last.verdict is DriftVerdict.ERROR and not failed_before:
        words = last.message or "the check gave no verdict"
        return [Event(reason=EventReason.DRIFT_CHECK_FAILED, message=words, type="Warning")]
    return []
