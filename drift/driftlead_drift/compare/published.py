"""Where a comparison's report lies: written once by the command, again and again by the judge."""

import asyncio
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as installed
from typing import Any

import structlog

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.comparison import CanaryPolicy
from driftlead_drift.judging.evidence import Evidence
from driftlead_drift.report import canary_document, canary_page
from driftlead_drift.report.schemas import encode
from driftlead_drift.settings import CompareSettings
from driftlead_drift.storage import reports
from driftlead_formats.verdicts import CanaryVerdict

log = structlog.get_logger(__name__)

REFRESHED = timedelta(minutes=10)
"""A page whose verdict is the same is written again after this time."""


def record(settings: CompareSettings, document: dict[str, Any]) -> str:
    """Writes the report to the folder and the bucket that are named; where the page is. Raises
    CannotJudgeError.
    """
    files = {
        "compare.json": encode(document),
        "compare.html": canary_page.render(document).encode(),
    }
    uri = ""
    if settings.report:
        uri = reports.write_folder(settings.report, files, page="compare.html")
    if settings.report_bucket:
        where = reports.prefix(settings.report_bucket, settings.traffic(settings.canary))
        uri = reports.upload(where, document["run_id"], files, page="compare.html")
    return uri


class JudgesPage:
    """The judge's report: one for each pair of versions, kept up to date in its place.

    A page that cannot be written is logged and tried again with the next refresh: the verdict does not
    depend on it, and an unreachable store must not hold up the looks.
    """

    def __init__(self, settings: CompareSettings, policy: CanaryPolicy) -> None:
        self.uri = ""
        self._settings, self._policy = settings, policy
        self._tried: tuple[str, CanaryVerdict, datetime] | None = None

    async def refresh(self, evidence: Evidence, now: datetime) -> None:
        """Writes the page where it is new, its verdict changed, or it is old."""
        if not self._settings.report and not self._settings.report_bucket:
            return
        run_id, verdict = _run_id(evidence), evidence.judgement.verdict
        if self._tried is not None:
            before, told, at = self._tried
            if (before, told) == (run_id, verdict) and now - at < REFRESHED:
                return
            if before != run_id:
                self.uri = ""
        self._tried = run_id, verdict, now
        document = canary_document.report(run_id, now, evidence, self._policy, installed("driftlead"))
        try:
            self.uri = await asyncio.to_thread(record, self._settings, document)
        except CannotJudgeError as error:
            log.warning("the comparison's page was not written", reason=str(error))


def _run_id(evidence: Evidence) -> str:
    """Sorts by the time at which the comparison began, as the ids of single runs do by theirs."""
    start = evidence.start.astimezone(UTC)
    return f"{start:%Y%m%dT%H%M%S}-{evidence.prod.model_version}-{evidence.canary.model_version}"
