"""When a retraining Job is started, and what became of the last one.

An operator may be killed between any two writes, and two of them may run for a moment. So the intent is saved
in status before the Job is made, and the Job's name follows from the report and the attempt: to do it twice
makes one Job, and a Job whose intent was lost with status is found by its name and followed. A Job that was
never seen is made once more until a deadline, because the API server may have refused it for a quota.

The cooldown counts from the moment at which the Job's container starts. A Job may wait for hours, for a node
or a quota, and one that never starts has trained nothing: it leaves `notBefore` as it was.

A report that ended before `notBefore` starts nothing; a resource without memory (new, restored, or with its
status wiped) sets `notBefore` to now, so that an old report never retrains.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from driftlead_formats.durations import seconds
from driftlead_formats.summaries import RetrainingSummary
from driftlead_operator.decisions import containers, names, objects
from driftlead_operator.decisions.facts import Event, Facts, Manifest, Ref
from driftlead_operator.decisions.loop import jobs
from driftlead_operator.decisions.loop.jobs import WaitingJob
from driftlead_operator.decisions.memory.loop import DriftCheck, RetrainingMemory, RetrainingState
from driftlead_operator.decisions.reasons import EventReason
from driftlead_operator.decisions.render import manifests
from driftlead_operator.decisions.render.pod_template import Context
from driftlead_operator.decisions.spec import Retraining

# A Job that the API server has not taken by then is given up, so that the next report may ask again.
CREATION_DEADLINE = timedelta(minutes=10)
LONGEST_EXCERPT = 512
GOOD_ENDS = (RetrainingState.REGISTERED, RetrainingState.NOT_BETTER)
UNDER_WAY = (RetrainingState.STARTING, RetrainingState.PENDING, RetrainingState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingDecision:
    """What is known of retraining, the Job to make or to wait for, and when time alone changes something."""

    last: RetrainingMemory | None = None
    waiting: WaitingJob | None = None
    create: Sequence[Manifest] = ()
    events: Sequence[Event] = ()
    retry_at: datetime | None = None


def decide(
    facts: Facts,
    context: Context,
    before: RetrainingMemory | None,
    *,
    served: str | None,
    report: DriftCheck | None,
) -> RetrainingDecision:
    """Follows the last Job to its end; else starts one if the last report asks and nothing holds it."""
    retraining = context.spec.retraining
    if retraining is None:
        return RetrainingDecision()
    if before is None or before.not_before is None:
        known = before or RetrainingMemory()
        return RetrainingDecision(last=replace(known, not_before=facts.now))
    if before.state in UNDER_WAY:
        return _follow(facts, context, retraining, before)
    request = _request(facts, retraining, before, served, report)
    if context.spec.suspend or request is None:
        return RetrainingDecision(last=before)
    return _consider(facts, context, retraining, before, request)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRequest:
    """A report that asks for a challenger of the version that serves."""

    report: DriftCheck
    champion: str
    today: str
    attempts: int


def _request(
    facts: Facts,
    retraining: Retraining,
    before: RetrainingMemory,
    served: str | None,
    report: DriftCheck | None,
) -> RetrainRequest | None:
    """What the last report asks for: if it is of the version that serves, says drift, is fresh and new."""
    if retraining.trigger != "OnDrift" or report is None or served is None:
        return None
    drifted = report.verdict is not None and report.verdict.is_drift
    known = not report.report or report.report == before.last_report
    if not drifted or known or report.version != served or not _is_fresh(report, before):
        return None
    today = facts.now.astimezone(UTC).date().isoformat()
    attempts = before.attempts_today if before.day == today else 0
    return RetrainRequest(report=report, champion=served, today=today, attempts=attempts)


def _is_fresh(report: DriftCheck, before: RetrainingMemory) -> bool:
    ended, earliest = report.last_run, before.not_before
    return ended is not None and earliest is not None and ended >= earliest


def _consider(
    facts: Facts,
    context: Context,
    retraining: Retraining,
    before: RetrainingMemory,
    request: RetrainRequest,
) -> RetrainingDecision:
    """Starts the Job, or says what holds it."""
    if held := _why_held(facts, context, retraining, request):
        event = Event(reason=EventReason.RETRAINING_HELD, message=held, type="Warning")
        midnight = datetime.fromisoformat(request.today).replace(tzinfo=UTC) + timedelta(days=1)
        return RetrainingDecision(
            last=replace(before, message=held),
            events=[event] if held != before.message else [],
            retry_at=midnight,
        )
    report = request.report.report
    cause = objects.digest([report, request.attempts + 1], 5)
    name = names.retraining(context.name, request.champion, cause)
    if Ref("Job", name) in facts.children:
        # Status was lost after this Job was made: it is followed, and not made again.
        found = replace(before, last_job=name, last_report=report, state=RetrainingState.PENDING)
        return RetrainingDecision(last=found)
    return _start(facts, context, retraining, before, request, name=name)


def _start(
    facts: Facts,
    context: Context,
    retraining: Retraining,
    before: RetrainingMemory,
    request: RetrainRequest,
    *,
    name: str,
) -> RetrainingDecision:
    report, champion = request.report.report, request.champion
    words = f"report {report} says that version {champion} drifts: Job {name} trains a new one"
    last = RetrainingMemory(
        last_job=name,
        last_report=report,
        state=RetrainingState.STARTING,
        message=words,
        created_at=facts.now,
        day=request.today,
        attempts_today=request.attempts + 1,
        not_before=before.not_before,
    )
    job = manifests.retrain_job(context, retraining, name=name, champion=champion, report=report)
    event = Event(reason=EventReason.RETRAINING_STARTED, message=words)
    return RetrainingDecision(last=last, create=[job], events=[event])


def _why_held(facts: Facts, context: Context, retraining: Retraining, request: RetrainRequest) -> str:
    asks, drift = f"report {request.report.report} says drift", context.spec.drift
    if request.report.independence_assumed and not (drift and drift.assume_independent):
        return (
            f"{asks}, but independence of rows was assumed, and the report says why; give the baseline its "
            "times (log_baseline(X, time=...)), take a longer spec.drift.window where its rows are too few, "
            "or set spec.drift.assumeIndependent"
        )
    if not facts.registry.allow_write:
        return f"{asks}, but registry {facts.registry.name} is declared with allowWrite: false"
    most = retraining.max_attempts_per_day
    if request.attempts >= most:
        return f"{asks}, but {request.attempts} of {most} attempts of this day are used"
    return ""


def _follow(
    facts: Facts, context: Context, retraining: Retraining, before: RetrainingMemory
) -> RetrainingDecision:
    """What the last Job has come to."""
    name = before.last_job
    job = facts.children.get(Ref("Job", name))
    if job is None:
        return _missing(facts, context, retraining, before)
    if not objects.owned_by(job, facts.resource):
        words = f"Job {name} belongs to somebody else, so none was made"
        return _finish(before, RetrainingState.FAILED, words)
    seen = _seen(facts, retraining, before, job)
    waiting = jobs.waiting(facts, [job], names.RETRAIN) if seen.started_at is None else None
    return _result(facts, job, seen) or RetrainingDecision(
        last=seen, waiting=waiting, retry_at=waiting.ask_at if waiting else None
    )


def _seen(facts: Facts, retraining: Retraining, before: RetrainingMemory, job: Manifest) -> RetrainingMemory:
    """Whether the Job's container has started. From that moment, and from no earlier one, it has to cool."""
    if before.state is RetrainingState.RUNNING:
        return before
    started = jobs.started_at(facts, [job], names.RETRAIN)
    if started is None and objects.condition(job, "Complete").get("status") == "True":
        started = objects.moment(objects.dig(job, "status", "startTime"))  # its pod was gone too soon
    if started is None:
        return replace(before, state=RetrainingState.PENDING)
    cooled = started + timedelta(seconds=seconds(retraining.cooldown))
    return replace(before, state=RetrainingState.RUNNING, started_at=started, not_before=cooled)


def _result(facts: Facts, job: Manifest, before: RetrainingMemory) -> RetrainingDecision | None:
    """What the Job's pod said, or how it ended without a word; None while it runs."""
    ended = containers.last_of_jobs([job], facts.pods, names.RETRAIN)
    summary = RetrainingSummary.parse(ended.document) if ended else None
    if summary:
        return _finish(before, RetrainingState(summary.result), summary.message, summary.version)
    failed = RetrainingState.FAILED
    if ended:
        excerpt = (ended.raw_message or ended.kubelet_reason)[:LONGEST_EXCERPT] or "no words"
        return _finish(before, failed, f"exit code {ended.exit_code}, and no summary: {excerpt}")
    if unread := jobs.failed_unread(facts, job, names.RETRAIN):
        return _finish(before, failed, unread)
    if any(objects.owned_by(pod, job) for pod in facts.pods):
        return None  # the Job may be seen to end before its pod is
    if objects.condition(job, "Complete").get("status") == "True":
        return _finish(before, failed, "the Job ended, and its pod was gone before it could be read")
    return None


def _missing(
    facts: Facts, context: Context, retraining: Retraining, before: RetrainingMemory
) -> RetrainingDecision:
    """A Job that is not there: deleted, refused, or not made before the operator was killed."""
    name, created = before.last_job, before.created_at or facts.now
    deadline = created + CREATION_DEADLINE
    if before.state is not RetrainingState.STARTING:
        return _finish(before, RetrainingState.LOST, f"Job {name} was deleted before it said what it did")
    if facts.now > deadline:
        refused = facts.refused.get(Ref("Job", name), "the API server did not take it")
        return _finish(before, RetrainingState.FAILED, f"Job {name} could not be made: {refused}")
    if context.spec.suspend:
        return RetrainingDecision(last=before)
    champion = names.champion_of(context.name, name)
    job = manifests.retrain_job(context, retraining, name=name, champion=champion, report=before.last_report)
    return RetrainingDecision(last=replace(before, created_at=created), create=[job], retry_at=deadline)


def _finish(
    before: RetrainingMemory, state: RetrainingState, message: str, version: str = ""
) -> RetrainingDecision:
    message = objects.one_line(message)
    last = replace(before, state=state, message=message, last_version=version)
    which = f", version {version}" if version else ""
    event = Event(
        reason=EventReason.RETRAINING_FINISHED,
        message=f"Job {before.last_job}: {state}{which}. {message}",
        type="Normal" if state in GOOD_ENDS else "Warning",
    )
    return RetrainingDecision(last=last, events=[event])
