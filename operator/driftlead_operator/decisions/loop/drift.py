"""The last drift check, as its pod left it in the termination message, and the verdict that holds after it.

Only pods below our CronJob are believed: anybody who may make pods in the namespace could write such a
message. A check is taken up once, by the time at which it ended; status then remembers it, since Jobs are
cleaned up. Several that ended while nobody looked are taken up in their order, because the last of them may
have failed while the one before found drift. A Job whose pod never ran leaves no message: that it waits is
said while it does, and that it ended so counts as a check that failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from driftlead_formats.summaries import DriftSummary
from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions import containers, names, objects
from driftlead_operator.decisions.containers import ContainerTermination
from driftlead_operator.decisions.facts import Event, Facts, Manifest
from driftlead_operator.decisions.loop import jobs
from driftlead_operator.decisions.loop.jobs import WaitingJob
from driftlead_operator.decisions.memory.loop import DriftCheck, DriftMemory
from driftlead_operator.decisions.reasons import EventReason

LONGEST_EXCERPT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDecision:
    """What is known of drift, what there is to tell, and the check that waits to run."""

    memory: DriftMemory | None = None
    events: Sequence[Event] = ()
    waiting: WaitingJob | None = None

    @property
    def retry_at(self) -> datetime | None:
        """When time alone may tell why the check waits."""
        return self.waiting.ask_at if self.waiting else None


def decide(
    facts: Facts, before: DriftMemory | None, cronjob: Manifest | None, *, said: str = ""
) -> DriftDecision:
    """The results of the checks that ended since the last look, each once.

    `said` is why a check waited, as status told it before.
    """
    checks = [
        child
        for ref, child in facts.children.items()
        if ref.kind == "Job" and cronjob is not None and objects.owned_by(child, cronjob)
    ]
    waiting = jobs.waiting(facts, checks, names.DRIFT) if checks else None
    seen = (before.last.last_run if before else None) or containers.EPOCH
    memory, events = before, list[Event]()
    for check in _ended(facts, checks, seen, said):
        events += _events(check, memory)
        memory = DriftMemory(last=check, kept=_kept(check, memory))
    return DriftDecision(memory=memory, events=events, waiting=waiting)


def _ended(facts: Facts, checks: Sequence[Manifest], seen: datetime, said: str) -> list[DriftCheck]:
    """The checks that ended later than the one that is known, by the words of their pods or without any."""
    ends = containers.ends_of_jobs(checks, facts.pods, names.DRIFT)
    read = [_read(each) for each in ends if each.finished_at is not None and each.finished_at > seen]
    given_up = [found for job in checks if (found := _given_up(facts, job, seen, said))]
    return sorted([*read, *given_up], key=lambda each: each.last_run or containers.EPOCH)


def _given_up(facts: Facts, job: Manifest, seen: datetime, said: str) -> DriftCheck | None:
    """A check whose Job failed without a word of its pod; one that began before the known end is that one."""
    failed = jobs.failed_unread(facts, job, names.DRIFT)
    began = objects.moment(objects.dig(job, "status", "startTime"))
    if failed is None or began is None or began <= seen:
        return None
    words = f"the check's Job ended without a word of its container: {failed}"
    ended = objects.moment(objects.condition(job, "Failed").get("lastTransitionTime"))
    return DriftCheck(
        last_run=ended or facts.now,
        verdict=DriftVerdict.ERROR,
        message=objects.one_line(f"{words}; it waited because of {said}" if said else words),
    )


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
        if ended.kubelet_reason == "OOMKilled":
            message = "the check was killed for using more memory than its limit; see spec.drift.resources"
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
