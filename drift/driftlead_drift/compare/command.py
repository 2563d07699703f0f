"""The command that compares canary with prod: looks at both sides and tells; once, or again and again."""

import asyncio
from datetime import UTC, datetime
from importlib.metadata import version as installed

from driftlead_drift.command_result import CommandResult
from driftlead_drift.compare.evidence_reader import EvidenceReader, policy_of
from driftlead_drift.compare.published import record
from driftlead_drift.report import canary_document, canary_page
from driftlead_drift.settings import CompareSettings
from driftlead_drift.storage import reports
from driftlead_formats.verdicts import CanaryVerdict, CommandExit


def run(settings: CompareSettings) -> CommandResult:
    """Compares: 0 not worse, or too early to tell; 2 the canary is worse; 1 it could not be compared."""
    if settings.follow:
        from driftlead_drift.compare.judge_server import serve  # noqa: PLC0415 - only the judge answers requests

        return serve(settings)
    evidence = asyncio.run(EvidenceReader(settings).look())
    now = datetime.now(UTC)
    document = canary_document.report(
        reports.new_run_id(now),
        now,
        evidence,
        policy_of(settings),
        installed("driftlead"),
    )
    uri = record(settings, document)
    return CommandResult(
        CommandExit.DRIFT if evidence.judgement.verdict == CanaryVerdict.WORSE else CommandExit.NO_DRIFT,
        canary_page.words(document, uri),
        canary_document.summary(document),
    )
