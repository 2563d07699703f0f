"""When a retraining Job is started, and what became of the last one.

The intent is saved in status before the Job is made, and the Job's name follows from the report and the
attempt, so that doing it twice makes one Job. A report that ended before `notBefore` starts nothing; a
resource without memory (new, restored, or with its status wiped) sets `notBefore` to now, so that an old
report never retrains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from driftlead_formats.durations import seconds
from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts, Manifest, Ref
from driftlead_operator.decisions.loop import drift
from driftlead_operator.decisions.reasons import EventReason
from driftlead_operator.decisions.render import manifests
from driftlead_operator.decisions.render.pod_template import Context
from driftlead_operator.decisions.spec import Retraining

SCHEMA = "retrain-summary/v1"
STARTING, RUNNING, FAILED, LOST = "Starting", "Running", "Failed", "Lost"
# A Job that the API server has not taken by then is given up, so that the next report may ask again.
CREATION_DEADLINE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingDecision:
    """What is known of retraining, the Job to make, and when time alone changes something."""

    status: Mapping[str, Any] | None = None
    create: Sequence[Manifest] = ()
    events: Sequence[Event] = ()
    again_at: datetime | None = None


def decide(
    facts: Facts, context: Context, *, served: str | None, report: Mapping[str, Any] | None
) -> RetrainingDecision:
    """Follows the last Job to its end; else starts one if the last report asks and nothing holds it."""
    retraining = context.spec.retraining
    before = objects.mapping(objects.dig(facts.resource, "status", "retraining"))
    if retraining is None:
        return RetrainingDecision()
    if not before.get("notBefore"):
        return RetrainingDecision(status={**before, "notBefore": objects.stamp(facts.now)})
    if before.get("lastResult") in (STARTING, RUNNING):
        return _follow(facts, context, retraining, before)
    if context.spec.suspend or not _asks(retraining, before, served, report):
        return RetrainingDecision(status=before)
    today = facts.now.astimezone(UTC).date().isoformat()
    attempts = objects.whole(before.get("attemptsToday")) if before.get("day") == today else 0
    wish = Wish(report=objects.mapping(report), champion=str(served), today=today, attempts=attempts)
    return _consider(facts, context, retraining, before, wish)


def _asks(
    retraining: Retraining, before: Mapping[str, Any], served: str | None, report: Mapping[str, Any] | None
) -> bool:
    """Whether the last report is of the version that serves, says drift, is fresh, and was not acted upon."""
    report = objects.mapping(report)
    ended, earliest = objects.moment(report.get("lastRunTime")), objects.moment(before.get("notBefore"))
    return (
        retraining.trigger == "OnDrift"
        and report.get("verdict") in drift.DRIFTED
        and bool(report.get("report"))
        and report.get("report") != before.get("lastReport")
        and served is not None
        and report.get("version") == served
        and ended is not None
        and earliest is not None
        and ended >= earliest
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A report that asks for a challenger of the version that serves."""

    report: Mapping[str, Any]
    champion: str
    today: str
    attempts: int

    @property
    def report_id(self) -> str:
        """The report's id."""
        return str(self.report.get("report"))


def _consider(
    facts: Facts, context: Context, retraining: Retraining, before: Mapping[str, Any], wish: Wish
) -> RetrainingDecision:
    """Starts the Job, or says what holds it."""
    if held := _why_held(facts, context, retraining, wish):
        event = Event(reason=EventReason.RETRAINING_HELD, message=held, type="Warning")
        midnight = datetime.fromisoformat(wish.today).replace(tzinfo=UTC) + timedelta(days=1)
        return RetrainingDecision(
            status={**before, "message": held},
            events=[event] if held != before.get("message") else [],
            again_at=midnight,
        )
    cause = objects.digest([wish.report_id, wish.attempts + 1], 5)
    name = names.retraining(context.name, wish.champion, cause)
    if Ref("Job", name) in facts.children:
        # Status was lost after this Job was made: it is followed, and not made again.
        follow = {"lastJob": name, "lastReport": wish.report_id, "lastResult": RUNNING}
        return RetrainingDecision(status={**before, **follow})
    return _start(facts, context, retraining, wish, name=name)


def _start(
    facts: Facts, context: Context, retraining: Retraining, wish: Wish, *, name: str
) -> RetrainingDecision:
    words = f"report {wish.report_id} says that version {wish.champion} drifts: Job {name} trains a new one"
    status = {
        "lastJob": name,
        "lastReport": wish.report_id,
        "lastResult": STARTING,
        "message": words,
        "startedAt": objects.stamp(facts.now),
        "day": wish.today,
        "attemptsToday": wish.attempts + 1,
        "notBefore": objects.stamp(facts.now + timedelta(seconds=seconds(retraining.cooldown))),
    }
    job = manifests.retrain_job(context, retraining, name=name, champion=wish.champion, report=wish.report_id)
    event = Event(reason=EventReason.RETRAINING_STARTED, message=words)
    return RetrainingDecision(status=status, create=[job], events=[event])


def _why_held(facts: Facts, context: Context, retraining: Retraining, wish: Wish) -> str:
    asks = f"report {wish.report_id} says drift"
    assumed = wish.report.get("independenceAssumed") and not (
        context.spec.drift and context.spec.drift.assume_independent
    )
    if assumed:
        return (
            f"{asks}, but independence of rows was assumed; give the baseline its times (log_baseline(X, "
            "time=...)), "
            "or set spec.drift.assumeIndependent"
        )
    if not facts.registry.allow_write:
        return f"{asks}, but registry {facts.registry.name} is declared with allowWrite: false"
    if wish.attempts >= retraining.max_attempts_per_day:
        return (
            f"{asks}, but {wish.attempts} of {retraining.max_attempts_per_day} attempts of this day are used"
        )
    return ""


def _follow(
    facts: Facts, context: Context, retraining: Retraining, before: Mapping[str, Any]
) -> RetrainingDecision:
    """What the last Job has come to."""
    name = str(before.get("lastJob"))
    job = facts.children.get(Ref("Job", name))
    if job is None:
        return _missing(facts, context, retraining, before, name)
    if not objects.owned_by(job, facts.resource):
        return _finish(before, FAILED, f"Job {name} belongs to somebody else, so none was made")
    return _result(facts, job, before) or RetrainingDecision(status={**before, "lastResult": RUNNING})


def _result(facts: Facts, job: Manifest, before: Mapping[str, Any]) -> RetrainingDecision | None:
    """What the Job's pod said, or how it ended without a word; None while it runs."""
    last = next(reversed(drift.ended(facts, [job], names.RETRAIN)), None)
    said = last.summary(SCHEMA) if last else {}
    if said:
        words = str(said.get("message") or "")[:1024]
        return _finish(before, str(said.get("result") or FAILED), words, str(said.get("version") or ""))
    if last:
        words = last.words[:512] or "no words"
        return _finish(before, FAILED, f"exit code {last.exit_code}, and no summary: {words}")
    if any(objects.owned_by(pod, job) for pod in facts.pods):
        return None  # the Job may be seen to end before its pod is
    failed = objects.condition(job, "Failed")
    if failed.get("status") == "True":
        return _finish(before, FAILED, f"{failed.get('reason')}: {failed.get('message')}")
    if objects.condition(job, "Complete").get("status") == "True":
        return _finish(before, FAILED, "the Job ended, and its pod was gone before it could be read")
    return None


def _missing(
    facts: Facts, context: Context, retraining: Retraining, before: Mapping[str, Any], name: str
) -> RetrainingDecision:
    started = objects.moment(before.get("startedAt")) or facts.now
    if before.get("lastResult") == RUNNING:
        return _finish(before, LOST, f"Job {name} was deleted before it said what it did")
    if facts.now > started + CREATION_DEADLINE:
        refused = facts.refused.get(Ref("Job", name), "the API server did not take it")
        return _finish(before, FAILED, f"Job {name} could not be made: {refused}")
    if context.spec.suspend:
        return RetrainingDecision(status=before)
    champion = names.champion_of(context.name, name)
    job = manifests.retrain_job(
        context, retraining, name=name, champion=champion, report=str(before.get("lastReport"))
    )
    return RetrainingDecision(status=before, create=[job], again_at=started + CREATION_DEADLINE)


def _finish(before: Mapping[str, Any], result: str, message: str, version: str = "") -> RetrainingDecision:
    status = objects.without_empty(
        {**before, "lastResult": result, "message": message, "lastVersion": version}
    )
    good = result in ("Registered", "NotBetter")
    words = (
        f"Job {before.get('lastJob')}: {result}"
        + (f", version {version}" if version else "")
        + f". {message}"
    )
    event = Event(reason=EventReason.RETRAINING_FINISHED, message=words, type="Normal" if good else "Warning")
    return RetrainingDecision(status=status, events=[event])
