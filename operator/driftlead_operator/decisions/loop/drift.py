"""The last drift check, as its pod left it in the termination message, and the verdict that holds after it.

Only pods below our CronJob are believed: anybody who may make pods in the namespace could write such a
message. A check is taken up once, by the time at which it ended; status then remembers it, since Jobs are
cleaned up. Several that ended while nobody looked are taken up in their order, because the last of them may
have failed while the one before found drift.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from driftlead_formats.summaries import DriftSummary
from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions import containers, names, objects
from driftlead_operator.decisions.containers import ContainerTermination
from driftlead_operator.decisions.facts import Event, Facts, Manifest
from driftlead_operator.decisions.memory.loop import DriftCheck, DriftMemory
from driftlead_operator.decisions.reasons import EventReason

LONGEST_EXCERPT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDecision:
    """What is known of drift, and what there is to tell."""

    memory: DriftMemory | None = None
    events: Sequence[Event] = ()


def decide(facts: Facts, before: DriftMemory | None, cronjob: Manifest | None) -> DriftDecision:
    """The results of the checks that ended since the last look, each once."""
    jobs = [
        child
        for ref, child in facts.children.items()
        if ref.kind == "Job" and cronjob is not None and objects.owned_by(child, cronjob)
    ]
    seen = (before.last.last_run if before else None) or containers.EPOCH
    memory, events = before, list[Event]()
    for ended in containers.ends_of_jobs(jobs, facts.pods, names.DRIFT):
        if ended.finished_at is None or ended.finished_at <= seen:
            continue
        check = _read(ended)
        events += _events(check, memory)
        memory = DriftMemory(last=check, kept=_kept(check, memory))
    return DriftDecision(memory=memory, events=events)


def _kept(check: DriftCheck, before: DriftMemory | None) -> DriftCheck | None:
    """The verdict that stays beside a check that gave none.

    It stays until a check judges again, however long that takes, and its age is said wherever it is shown. A
    verdict about another version is dropped: it says nothing of this one.
    """
    if before is None or check.verdict is None or check.verdict.is_judgement:
        return None
    known = (before.standing,) if check.verdict is DriftVerdict.ERROR else (before.last, before.kept)
    for each in known:
        says = each is not None and each.verdict not in (None, DriftVerdict.ERROR, check.verdict)
        if each is not None and says and check.version in ("", each.version):
            return each
    return None


def _read(ended: ContainerTermination) -> DriftCheck:
    summary = DriftSummary.parse(ended.document)
    if summary is None:
        excerpt = (ended.raw_message or ended.kubelet_reason)[:LONGEST_EXCERPT] or "no words"
        message = f"the check ended with exit code {ended.exit_code} and left no summary: {excerpt}"
        return DriftCheck(
            last_run=ended.finished_at,
            verdict=DriftVerdict.ERROR,
            message=message,
            exit_code=ended.exit_code,
        )
    return DriftCheck(
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


def _events(last: DriftCheck, before: DriftMemory | None) -> Sequence[Event]:
    """Each check that finds drift is told; of checks that fail one after the other, the first."""
    if last.verdict is not None and last.verdict.is_drift:
        names_of = ", ".join(each.name for each in last.top_features) or "the traffic"
        words = f"version {last.version}: {last.message or f'drift found in {names_of}'}"
        return [Event(reason=EventReason.DRIFT_DETECTED, message=words, type="Warning")]
    failed_before = before is not None and before.last.verdict is DriftVerdict.ERROR
    if last.verdict is DriftVerdict.ERROR and not failed_before:
        words = last.message or "the check gave no verdict"
        return [Event(reason=EventReason.DRIFT_CHECK_FAILED, message=words, type="Warning")]
    return []
