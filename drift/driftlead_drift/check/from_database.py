"""A check's window from the prediction log."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from driftlead_drift.check import first_window, runs
from driftlead_drift.check.gathered import Gathered
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.facts import Window, WindowCounts
from driftlead_drift.report.document import Subject
from driftlead_drift.settings import CheckSettings
from driftlead_drift.storage.baselines import baseline_of, version_baseline
from driftlead_drift.storage.registry import Registry, wanted
from driftlead_drift.traffic import reading, windows
from driftlead_drift.traffic.counting import Counts
from driftlead_drift.traffic.database import connected
from driftlead_drift.traffic.import_segments import import_uploaded
from driftlead_formats.baseline import Baseline
from driftlead_formats.durations import duration, in_words
from driftlead_formats.traffic import Traffic


def gather(settings: CheckSettings, subject: Subject) -> Gathered:
    """Counts the logged window of a model version. Raises CannotJudgeError."""
    if not settings.model:
        raise CannotJudgeError(
            "no model is named: give --model models:/Name/3 or --model Name (DRIFTLEAD_MODEL), "
            "or judge a file with --data FILE --baseline FILE"
        )
    return asyncio.run(_gather(settings, subject))


async def _gather(settings: CheckSettings, subject: Subject) -> Gathered:
    if subject.scheduled:
        async with connected(settings) as connection:
            # Before the window is read: what deleted pods left behind belongs to it.
            await import_uploaded(connection, settings)
    async with connected(settings, reading=True) as connection:
        traffic = await _traffic(connection, settings)
        window = await windows.find_window(connection, traffic, duration(settings.window))
        baseline, source, first = await _baseline(connection, settings, traffic)
        counts = await reading.count(connection, traffic, window, baseline, most=settings.max_rows)
        history = await runs.earlier(connection, traffic)
    return Gathered(
        subject=replace(
            subject,
            traffic=traffic,
            start=window.start,
            end=window.end,
            rows=counts.rows,
            scanned=counts.scanned,
            every=counts.every,
            path=counts.path,
            baseline_source=source,
            notes=notes(window, counts, baseline, not_kept(settings, baseline, counts)),
        ),
        baseline=baseline,
        window=window_counts(traffic, window, counts, baseline),
        history=[run for run in history if run.baseline_sha256 == baseline.sha256],
        traffic=traffic,
        first_window=first,
        not_kept=not_kept(settings, baseline, counts),
    )


def not_kept(settings: CheckSettings, baseline: Baseline, counts: Counts) -> list[str]:
    """Features that the servers were told not to log; in histograms they count nowhere at all."""
    pairs = zip(baseline.names, counts.features, strict=True)
    return [
        name for name, vector in pairs if name in settings.log_redact or (counts.rows and not vector.any())
    ]


def window_counts(traffic: Traffic, window: Window, counts: Counts, baseline: Baseline) -> WindowCounts:
    """The window as the judge takes it."""
    return WindowCounts(
        features=counts.features,
        prediction=counts.prediction,
        rows=counts.rows,
        start=window.start.timestamp(),
        end=window.end.timestamp(),
        version=traffic.model_version,
        baseline_sha256=baseline.sha256,
        stretches=counts.stretches,
    )


async def _traffic(connection: asyncpg.Connection, settings: CheckSettings) -> Traffic:
    """Whose rows are meant; of a model named without version, the version that answered last."""
    want = wanted(settings.model)
    traffic = replace(settings.traffic(settings.deployment), model_name=want.name, model_version=want.version)
    if want.stage or want.alias:
        return replace(traffic, model_version=Registry(settings.tracking_uri).resolve(want))
    if not want.version:
        served = await windows.serving_version(connection, traffic)
        return replace(traffic, model_version=served or Registry(settings.tracking_uri).resolve(want))
    return traffic


async def _baseline(
    connection: asyncpg.Connection, settings: CheckSettings, traffic: Traffic
) -> tuple[Baseline, str, Window | None]:
    """The file's, the version's own, or that of its first window; and that window where it was made just
    now."""
    if settings.baseline is not None:
        _, _, named, source = version_baseline(settings)
        return named, source, None
    registry = Registry(settings.tracking_uri)
    model = registry.version(traffic.model_name, traffic.model_version)
    baseline, source = baseline_of(registry, model)
    if baseline is not None:
        return baseline, source, None
    kept = await runs.first_window_baseline(connection, traffic)
    if kept is not None:
        return kept, FIRST_WINDOW, None
    names = first_window.feature_names(registry, model)
    made = await first_window.make(connection, traffic, duration(settings.window), names)
    return made.baseline, FIRST_WINDOW, made.window


FIRST_WINDOW = "the version's first window of traffic, since its training wrote no baseline"


def notes(window: Window, counts: Counts, baseline: Baseline, absent: Sequence[str] = ()) -> Sequence[str]:
    """What a reader of the report should know of how the window came about."""
    said = [f"the baseline was {baseline.note}"] if baseline.note.startswith("made of") else []
    if window.cut:
        said.append(
            f"another version answered until {window.start:%Y-%m-%d %H:%M:%S} UTC; the window begins there, "
            f"{in_words(window.end - window.start)} long"
        )
    if counts.every > 1:
        said.append(
            f"every {counts.every}th of {counts.scanned:,} rows was read; the intervals account for it"
        )
    if absent:
        said.append(f"not tested, since the log does not keep them: {', '.join(absent)}")
    if window.pending_since is not None:
        said.append(f"a pod has delivered its log only up to {window.pending_since:%Y-%m-%d %H:%M:%S} UTC")
    return said
