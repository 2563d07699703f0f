"""The canary's judge: looks again and again, and answers GET /verdict with what the evidence says by now.

A look may come as often as it likes: the tests are e-processes, right at all looks at once. What was seen is
kept in memory only; a judge that was restarted reads it again, from the canary's first row within `--window`.

A look that fails (the database is unreachable, prod logged nothing) leaves the last answer standing, with
`error` saying why it is old and `at` since when. Before the first look succeeds the answer is undecided, with
status 503. /livez and /readyz say that the process answers, not that it could look: restarting it would not
bring the database back. A bug in the looking task ends the process instead of leaving an old verdict to be
believed for ever.
"""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from driftlead_drift.command_result import CommandResult
from driftlead_drift.compare.evidence_reader import EvidenceReader
from driftlead_drift.compare.published import JudgesPage
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.evidence import Evidence
from driftlead_drift.settings import CompareSettings
from driftlead_formats.durations import duration
from driftlead_formats.summaries import CanaryAssessment
from driftlead_formats.verdicts import CanaryVerdict, CommandExit, PredictionShift

log = structlog.get_logger(__name__)
VALUES: Mapping[CanaryVerdict | PredictionShift, int] = {
    CanaryVerdict.WORSE: -1,
    CanaryVerdict.UNDECIDED: 0,
    CanaryVerdict.NON_INFERIOR: 1,
    PredictionShift.DIFFERENT: -1,
    PredictionShift.UNDECIDED: 0,
    PredictionShift.SAME: 1,
    PredictionShift.NOT_TESTED: 0,
}


class Metrics:
    """What Prometheus scrapes of the judge."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.verdict = Gauge(
            "driftlead_drift_canary_verdict",
            "-1 worse (predictions: different), 0 undecided, 1 non-inferior (same).",
            ["check"],
            registry=self.registry,
        )
        self.evidence = Gauge(
            "driftlead_drift_canary_log_evidence",
            "Largest log evidence so far that the canary is worse.",
            ["check"],
            registry=self.registry,
        )
        self.overdispersion = Gauge(
            "driftlead_drift_canary_overdispersion",
            "How much more failed or slow requests vary than independent ones; evidence is divided by it.",
            ["check"],
            registry=self.registry,
        )
        self.requests = Gauge(
            "driftlead_drift_canary_requests", "Requests compared so far.", ["side"], registry=self.registry
        )
        self.needed = Gauge(
            "driftlead_drift_canary_requests_needed",
            "About how many more requests until it is decided; NaN when not to be foreseen.",
            registry=self.registry,
        )
        self.performance = Gauge(
            "driftlead_drift_canary_performance",
            "By labels: share predicted wrongly, log loss (nats), AUC, mean absolute error (MAE); of prod, "
            "canary, and prod earlier.",
            ["measure", "side"],
            registry=self.registry,
        )
        self.looks = Counter("driftlead_drift_canary_looks", "Looks at both sides.", registry=self.registry)
        self.failures = Counter(
            "driftlead_drift_canary_look_failures", "Looks that failed.", registry=self.registry
        )

    def update(self, evidence: Evidence) -> None:
        """Sets every gauge to what one look found."""
        judgement = evidence.judgement
        for name, verdict in judgement.deciding:
            self.verdict.labels(name).set(VALUES[verdict])
        for check in judgement.checks:
            self.evidence.labels(check.name).set(check.log_worse)
            self.overdispersion.labels(check.name).set(check.overdispersion)
        self.verdict.labels("predictions").set(VALUES[judgement.predictions.verdict])
        self.verdict.labels("all").set(VALUES[judgement.verdict])
        for side, minutes in zip(("prod", "canary"), evidence.sides, strict=True):
            self.requests.labels(side).set(minutes.requests)
        for measure in judgement.measures:
            self.performance.labels(measure.name, "prod").set(measure.first)
            self.performance.labels(measure.name, "canary").set(measure.second)
        for measure in evidence.own:
            self.performance.labels(measure.name, "earlier").set(measure.first)
            self.performance.labels(measure.name, "prod").set(measure.second)
        needed = judgement.requests_needed
        self.needed.set(float("nan") if needed is None else needed)


class Judge:
    """The last look, and what is answered from it."""

    def __init__(self, settings: CompareSettings) -> None:
        self.settings = settings
        self.reader = EvidenceReader(settings)
        self.page = JudgesPage(settings, self.reader.policy)
        self.metrics = Metrics()
        self._last: CanaryAssessment | None = None
        self.error = "the judge has not looked yet"

    async def look(self, now: datetime) -> None:
        """Looks once; a failure leaves the last answer standing and says why it is old."""
        try:
            evidence = await self.reader.look()
        except CannotJudgeError as error:
            self.metrics.failures.inc()
            self.error = str(error)
            log.warning("cannot compare", reason=self.error)
            return
        self.metrics.looks.inc()
        self.metrics.update(evidence)
        self.error = ""
        await self.page.refresh(evidence, now)
        self._last = replace(assess(evidence, now), uri=self.page.uri)

    def answer(self) -> CanaryAssessment:
        """The last assessment with the reason why it is old; undecided while there is none."""
        if self._last is None:
            return CanaryAssessment(verdict=CanaryVerdict.UNDECIDED, message=self.error, error=self.error)
        return replace(self._last, error=self.error)

    async def follow(self) -> None:
        """Looks until it is cancelled."""
        pause = duration(self.settings.interval).total_seconds()
        while True:
            await self.look(datetime.now(UTC))
            await asyncio.sleep(pause)

    async def verdict(self, _: web.Request) -> web.Response:
        """GET /verdict: the last assessment, 503 while there is none."""
        return web.json_response(self.answer().dump(), status=503 if self._last is None else 200)

    async def live(self, _: web.Request) -> web.Response:
        """GET /livez and /readyz: the process answers."""
        return web.json_response({"status": "ok"})

    async def exposition(self, _: web.Request) -> web.Response:
        """GET /metrics."""
        return web.Response(
            body=generate_latest(self.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def assess(evidence: Evidence, now: datetime) -> CanaryAssessment:
    """What one look found, as the operator reads it."""
    judgement = evidence.judgement
    prod, canary = (side.requests for side in evidence.sides)
    return CanaryAssessment(
        verdict=judgement.verdict,
        message=judgement.summary,
        prod=evidence.prod.model_version,
        canary=evidence.canary.model_version,
        since=evidence.start.isoformat(),
        at=now.isoformat(),
        minutes=judgement.minutes,
        prod_requests=prod,
        canary_requests=canary,
        requests_needed=judgement.requests_needed,
        checks=dict(judgement.deciding),
        predictions=judgement.predictions.verdict,
        split_mismatch=judgement.split.mismatch,
        not_tested=judgement.not_tested,
    )


def application(judge: Judge) -> web.Application:
    """The routes."""
    app = web.Application()
    app.add_routes(
        [
            web.get("/verdict", judge.verdict),
            web.get("/livez", judge.live),
            web.get("/readyz", judge.live),
            web.get("/metrics", judge.exposition),
        ]
    )
    return app


def serve(settings: CompareSettings) -> CommandResult:
    """Follows until SIGTERM or SIGINT."""
    judge = asyncio.run(_serve(settings))
    return CommandResult(CommandExit.NO_DRIFT, "stopped", judge.answer().dump())


async def _serve(settings: CompareSettings) -> Judge:
    judge = Judge(settings)
    runner = web.AppRunner(application(judge), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "0.0.0.0", settings.port)  # noqa: S104 - the operator asks from another pod
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise CannotJudgeError(
            f"port {settings.port} cannot be listened on: {error.strerror or error}; give another --port"
        ) from error
    log.info("answering", port=runner.addresses[0][1] if runner.addresses else settings.port)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    following = asyncio.create_task(judge.follow())
    stopping = asyncio.create_task(stopped.wait())
    # A bug in the following task ends the process instead of leaving an old verdict to be believed.
    await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
    following.cancel()
    stopping.cancel()
    await runner.cleanup()
    if following.done() and not following.cancelled():
        following.result()
    return judge
