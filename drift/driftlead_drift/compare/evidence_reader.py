"""Reads the evidence on a canary from Postgres and has it judged, as often as it is told to look.

Both sides are read in one repeatable-read transaction, so a minute is whole for both or for none. A minute is
read once it has ended, and again during the next ten, because pods deliver late and retry. Evidence starts at
the canary's first answer or failure, at most `--window` back: only the same minutes of both sides are
compared. When the version of a side changes it starts again from nothing, since a verdict on a mixture is
about neither. Prod's day before is read too, once: it tells in what bursts its requests fail.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg

from driftlead_drift.compare.labels import earlier_labels, in_order
from driftlead_drift.compare.minutes import SETTLED, first_minute, read_minutes, read_pods
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.canary import judge_canary
from driftlead_drift.judging.comparison import CanaryPolicy
from driftlead_drift.judging.evidence import MINUTE, Evidence, Minutes, arms, many_numbers, whole_minutes
from driftlead_drift.judging.performance import changed
from driftlead_drift.settings import CompareSettings
from driftlead_drift.storage.baselines import read_baseline, registered_baseline
from driftlead_drift.storage.registry import Registry, wanted
from driftlead_drift.traffic.database import connected
from driftlead_drift.traffic.windows import deployment_columns, literal
from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.durations import duration
from driftlead_formats.traffic import Traffic

HISTORY = timedelta(days=1)
"""So far back prod's minutes tell in what bursts its requests fail, before the canary came."""


class EvidenceReader:
    """The evidence so far. A change of either side's version starts it again from nothing."""

    def __init__(self, settings: CompareSettings) -> None:
        self.settings = settings
        self.policy = policy_of(settings)
        self.started: datetime | None = None
        self._sides: tuple[Minutes, Minutes] | None = None
        self._bins: FeatureBins | None = None
        self._read_to: datetime | None = None
        self._notes: tuple[str, ...] = ()

    async def look(self) -> Evidence:
        """Reads what is new and judges everything since the start. Raises CannotJudgeError."""
        async with connected(self.settings, reading=True) as connection:
            now: datetime = await connection.fetchval("SELECT now()")
            since = self.started or now - duration(self.settings.window)
            prod = await self._serving(connection, self.settings.prod, since)
            canary = await self._serving(connection, self.settings.canary, since)
            if self._sides is None or (self._sides[0].traffic, self._sides[1].traffic) != (prod, canary):
                await self._begin(connection, prod, canary, now)
            return await self._go_on(connection, now)

    async def _begin(
        self, connection: asyncpg.Connection, prod: Traffic, canary: Traffic, now: datetime
    ) -> None:
        since = now - duration(self.settings.window)
        first = await first_minute(connection, canary, since)
        self.started = (first or since).replace(second=0, microsecond=0)
        history = await read_pods(connection, prod, self.started - HISTORY, self.started)
        earlier = await earlier_labels(connection, prod, self.started)
        self._sides = Minutes(prod, history=history, earlier=earlier), Minutes(canary)
        self._bins, self._notes = await asyncio.to_thread(self._prediction_bins, prod)
        self._read_to = None

    async def _go_on(self, connection: asyncpg.Connection, now: datetime) -> Evidence:
        assert self._sides is not None and self.started is not None  # noqa: S101 - look() began it
        minutes = whole_minutes(self.started, now)
        end = minutes[-1] + MINUTE if minutes else self.started
        since = self.started if self._read_to is None else max(self._read_to - SETTLED, self.started)
        for side in self._sides:
            await read_minutes(connection, side, since, end, bins=self._bins, began=self.started)
        self._read_to = end
        notes = list(self._notes)
        if not self._sides[0].failures_known or not self._sides[1].failures_known:
            notes.append("there are no histograms of one side, so failed requests and latency are not known")
        return Evidence(
            prod=self._sides[0].traffic,
            canary=self._sides[1].traffic,
            start=self.started,
            end=end,
            judgement=judge_canary(*arms(*self._sides, minutes, self._bins), self.policy),
            bins=self._bins,
            sides=self._sides,
            notes=tuple(notes),
            own=changed(
                in_order(self._sides[0].earlier),
                in_order(self._sides[0].labels),
                self.policy,
                self.policy.alpha / 2,
                numeric=many_numbers(self._bins),
            ),
        )

    async def _serving(self, connection: asyncpg.Connection, deployment: str, since: datetime) -> Traffic:
        """The traffic of the version that answered or failed last under a deployment."""
        settings = self.settings
        traffic = settings.traffic(deployment)
        where = " AND ".join(
            f"{name} = {literal(value)}" for name, value in deployment_columns(traffic).items()
        )
        if settings.model:
            where += f" AND model_name = {literal(wanted(settings.model).name)}"
        # The log holds answers alone: a canary that fails every request stands in the histograms only.
        row = await connection.fetchrow(
            f"(SELECT model_name, model_version, ts FROM inference_logs WHERE {where} AND ts >= $1 "  # noqa: S608
            "ORDER BY ts DESC LIMIT 1) UNION ALL "
            f"(SELECT model_name, model_version, minute FROM drift_hist WHERE {where} AND minute >= $1 "
            "AND failed_5xx > 0 ORDER BY minute DESC LIMIT 1) ORDER BY 3 DESC LIMIT 1",
            since,
        )
        if row is None:
            raise CannotJudgeError(
                f"deployment {deployment} logged nothing since {since:%Y-%m-%d %H:%M:%S} UTC; send it "
                "traffic, look at a longer --window, or name other deployments with --prod and --canary"
            )
        return replace(traffic, model_name=row[0], model_version=row[1])

    def _prediction_bins(self, prod: Traffic) -> tuple[FeatureBins | None, tuple[str, ...]]:
        """Prod's bins for predictions, or why there are none: errors and latency can be compared without."""
        try:
            if self.settings.baseline is not None:
                baseline = read_baseline(self.settings.baseline)
            else:
                registry = Registry(self.settings.tracking_uri)
                found, source = registered_baseline(registry, prod.model_name, prod.model_version)
                if found is None:
                    return None, (
                        f"prod's version has no baseline at {source}: predictions are not compared",
                    )
                baseline = found
        except CannotJudgeError as error:
            return None, (f"predictions are not compared: {error}",)
        return baseline.prediction, ()


def policy_of(settings: CompareSettings) -> CanaryPolicy:
    """The judge's thresholds. Raises CannotJudgeError with its own sentence."""
    try:
        return CanaryPolicy(
            alpha=settings.alpha,
            error_margin=settings.error_margin,
            latency_margin=settings.latency_margin,
            latency_threshold_ms=settings.latency_threshold_ms,
            quality_margin=settings.quality_margin,
            log_loss_margin=settings.log_loss_margin,
            same_shift=settings.same_shift,
            max_shift=settings.max_shift,
            split=settings.split,
        )
    except ValueError as error:
        raise CannotJudgeError(str(error)) from None
