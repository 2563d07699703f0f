"""The check: gathers a window and its baseline, has it judged, and records the verdict.

The order in which a verdict is written down is fixed, since any step may fail and the operator, a CronJob and
the next check read what is left:

1. The report's files, to the folder and to S3, each run's own copy before `latest`.
2. The row in `drift_runs`, which names the report: history never points to a report that does not exist. Of a
   check that failed there is no row, so it neither advances nor interrupts persistence.
3. Upkeep of the log (partitions, old runs), by scheduled runs only; its failure is logged, no verdict depends
   on it.
4. The termination message, also of a check that failed.

`--exit-zero` turns the exit code of a recorded verdict into 0, because a Job that found drift has not failed.
A check that could not judge stays a failure: nothing but its exit code and its message tell of it. A version
that has no baseline yet and too little traffic to make one of is *insufficient*, which is no failure.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version as installed
from typing import Any

import asyncpg
import structlog

from driftlead_drift.check import from_database, from_files, runs
from driftlead_drift.check.gathered import Gathered
from driftlead_drift.command_result import CommandResult
from driftlead_drift.errors import CannotJudgeError, TooEarlyError
from driftlead_drift.judging.history import as_history
from driftlead_drift.judging.judge import Judgement, judge
from driftlead_drift.judging.policy import Policy
from driftlead_drift.report import document, page
from driftlead_drift.report.past_runs import from_report
from driftlead_drift.report.schemas import encode
from driftlead_drift.settings import CheckSettings
from driftlead_drift.storage import reports
from driftlead_drift.traffic.database import connected
from driftlead_formats import model_uri, termination
from driftlead_formats.durations import duration
from driftlead_formats.model_uri import ModelReference
from driftlead_formats.verdicts import CommandExit, DriftVerdict
from driftlead_log.partitions import maintain

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report, and whether it stands where others can find it."""

    report: Mapping[str, Any]
    uri: str
    recorded: bool


def run(settings: CheckSettings) -> CommandResult:
    """Checks, and says how: 0 no drift found, 2 drift, 1 it could not be judged."""
    now, host = datetime.now(UTC), os.environ.get("HOSTNAME", "")
    # A check that fails says of which version it failed, as far as its name alone tells.
    named = model_uri.parse(settings.model) or ModelReference(name=settings.model)
    subject = document.Subject(
        run_id=reports.new_run_id(now),
        created=now,
        traffic=replace(
            settings.traffic(settings.deployment), model_name=named.name, model_version=named.version
        ),
        start=now - duration(settings.window),
        end=now,
        scheduled=settings.counts_for_persistence(host),
        tool_version=installed("driftlead"),
    )
    try:
        policy = policy_of(settings)
        started = time.perf_counter()
        gathered = (
            from_files.gather(settings, subject) if settings.data else from_database.gather(settings, subject)
        )
        read = time.perf_counter()
        report = judged(settings, policy, gathered, {"read_s": read - started})
        outcome = record(settings, report, gathered)
    except TooEarlyError as error:
        return early(settings, subject, str(error))
    except CannotJudgeError as error:
        return failed(settings, subject, str(error))
    return result(settings, outcome)


def policy_of(settings: CheckSettings) -> Policy:
    """The judge's thresholds. Raises CannotJudgeError with the judge's own sentence."""
    on_file = settings.data is not None
    unseasonal = settings.period == "none" or (on_file and settings.time_column is None)
    persistence = settings.persistence or (1 if on_file and settings.history is None else 2)
    try:
        return Policy(
            rule=settings.rule,
            q=settings.q,
            tau=settings.tau,
            tau_prediction=settings.tau_prediction,
            class_ratio=settings.class_ratio,
            severe=settings.severe,
            confidence=settings.confidence,
            broad_share=settings.broad_share,
            broad_psi=settings.broad_psi,
            psi_threshold=settings.psi_threshold,
            persistence=persistence,
            period=None if unseasonal else duration(settings.period).total_seconds(),
            window=duration(settings.window).total_seconds(),
            min_rows=settings.min_rows,
            assume_independent=settings.assume_independent,
        )
    except ValueError as error:
        raise CannotJudgeError(str(error)) from None


def judged(
    settings: CheckSettings, policy: Policy, gathered: Gathered, timings: Mapping[str, float]
) -> dict[str, Any]:
    """The report of what the judge says."""
    started = time.perf_counter()
    version = gathered.subject.traffic.model_version
    past = as_history(gathered.history, version, timed=gathered.window.start is not None)
    judgement = judge(*gathered.judged(), policy, past)
    subject = replace(gathered.subject, timings={**timings, "judge_s": time.perf_counter() - started})
    code = exit_code(settings, judgement)
    return document.report(
        subject, gathered.baseline, judgement, policy=policy, history=gathered.history, exit_code=code
    )


def exit_code(settings: CheckSettings, judgement: Judgement) -> CommandExit:
    """The verdict's code; with --strict what could not be told is not good enough."""
    if settings.strict and judgement.status == DriftVerdict.INSUFFICIENT:
        return CommandExit.CANNOT_JUDGE
    return judgement.exit_code


def record(
    settings: CheckSettings, report: Mapping[str, Any], gathered: Gathered | None = None
) -> WrittenReport:
    """Writes the report to wherever it belongs. Raises CannotJudgeError where one of these places fails."""
    files = {"report.json": encode(report), "report.html": page.render(report).encode()}
    uri = ""
    if settings.report:
        uri = reports.write_folder(settings.report, files, page="report.html")
    if settings.data:
        if settings.history:
            runs.save(settings.history, report)
        return WrittenReport(report, uri, recorded=True)
    if settings.report_bucket:
        where = reports.prefix(settings.report_bucket, settings.traffic(settings.deployment))
        uri = reports.upload(where, report["run_id"], files)
    if gathered and gathered.traffic:
        asyncio.run(_remember(settings, report, gathered, uri))
    return WrittenReport(report, uri, recorded=True)


async def _remember(settings: CheckSettings, report: Mapping[str, Any], gathered: Gathered, uri: str) -> None:
    assert gathered.traffic is not None  # noqa: S101 - record asks first
    async with connected(settings) as connection:
        await runs.record(connection, gathered.traffic, replace(from_report(report), report_uri=uri or None))
        if gathered.first_window is not None:
            await runs.keep_baseline(connection, gathered.traffic, gathered.first_window, gathered.baseline)
        if gathered.subject.scheduled:
            await _look_after_the_log(connection, settings)


async def _look_after_the_log(connection: asyncpg.Connection, settings: CheckSettings) -> None:
    """Partitions of days ahead and past their keep, runs of old; no verdict depends on it."""
    try:
        await runs.forget(connection)
        await maintain(connection, datetime.now(UTC), keep_days=settings.keep_days)
    except asyncpg.PostgresError as error:
        log.warning("log and runs were left as they are", reason=str(error))


def early(settings: CheckSettings, subject: document.Subject, sentence: str) -> CommandResult:
    """The end of a check that has nothing to judge against yet: insufficient, with a report that says so."""
    report = document.failure(subject, sentence, Policy(), early=True)
    if settings.strict:
        report["verdict"]["exit_code"] = int(CommandExit.CANNOT_JUDGE)
    try:
        return result(settings, record(settings, report))
    except CannotJudgeError as error:
        return failed(settings, subject, str(error))


def failed(settings: CheckSettings, subject: document.Subject, sentence: str) -> CommandResult:
    """The end of a check that could not judge: the sentence in a report, where one can be written."""
    report = document.failure(subject, sentence, Policy())
    try:
        outcome = record(settings, report)
        # Without a row in drift_runs a failure is known only from the report, so the run itself must fail.
        outcome = replace(outcome, recorded=False)
    except CannotJudgeError:
        outcome = WrittenReport(report, "", recorded=False)
    return result(settings, outcome)


def result(settings: CheckSettings, outcome: WrittenReport) -> CommandResult:
    """The summary for the operator and for the terminal, and the exit code."""
    summary = document.summary(outcome.report, outcome.uri)
    termination.write(settings.termination_log, summary.dump())
    code = CommandExit(summary.exit_code)
    if settings.exit_zero and outcome.recorded:
        code = CommandExit.NO_DRIFT
    if summary.verdict == DriftVerdict.ERROR:
        return CommandResult(code, "", summary.dump(), error=summary.message)
    aside = ""
    if settings.data and summary.verdict == DriftVerdict.INSUFFICIENT:
        aside = "insufficient: this is not a verdict on the data" + (
            "" if settings.strict else "; the exit code is 0, with --strict it is 1"
        )
    return CommandResult(code, page.words(outcome.report, outcome.uri), summary.dump(), error=aside)
