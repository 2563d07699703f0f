"""A check's window from a file."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from driftlead_drift.check import runs
from driftlead_drift.check.gathered import Gathered
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.facts import WindowCounts
from driftlead_drift.report.document import Subject
from driftlead_drift.settings import CheckSettings
from driftlead_drift.storage.baselines import version_baseline
from driftlead_drift.traffic.counting import Counter
from driftlead_drift.traffic.files import (
    Columns,
    Table,
    all_numbers,
    check_columns,
    notation,
    read_table,
    reading_of_numbers,
)
from driftlead_drift.traffic.number_text import Profile, Reading
from driftlead_drift.traffic.times import Times, epoch_seconds, left_out
from driftlead_formats.baseline import PREDICTION, Baseline
from driftlead_formats.baseline.bulk import in_bulk


def gather(settings: CheckSettings, subject: Subject) -> Gathered:
    """Counts the rows of `--data` in the bins of `--baseline`. Raises CannotJudgeError."""
    if settings.data is None:
        raise CannotJudgeError("no file is named; give --data FILE")
    if settings.baseline is None and not settings.model:
        raise CannotJudgeError(
            "there is no baseline to judge against: give --baseline FILE or --model models:/Name/3; "
            "make one with: driftlead-drift baseline --data reference.csv --out baseline.json"
        )
    name, version, baseline, source = version_baseline(settings)
    table = read_table(settings.data).named_as(baseline.names)
    counter, times, notes = _count(settings, table, baseline)
    span = None if times is None else times.span
    subject = replace(
        subject,
        traffic=replace(subject.traffic, model_name=name or settings.data.name, model_version=version),
        start=subject.created if span is None else datetime.fromtimestamp(span[0], UTC),
        end=subject.created if span is None else datetime.fromtimestamp(span[1], UTC),
        rows=counter.rows,
        scanned=counter.rows,
        path="parquet" if table.parquet else "csv",
        scheduled=True,
        baseline_source=source,
        notes=notes,
    )
    window = WindowCounts(
        features=counter.features,
        prediction=counter.prediction if settings.prediction_column or PREDICTION in table.names else None,
        rows=counter.rows,
        start=None if span is None else span[0],
        end=None if span is None else span[1],
        version=version,
        baseline_sha256=baseline.sha256,
        stretches=counter.stretches,
    )
    history = runs.from_folder(settings.history, baseline.sha256) if settings.history else []
    return Gathered(subject=subject, baseline=baseline, window=window, history=history)


def _count(
    settings: CheckSettings, table: Table, baseline: Baseline
) -> tuple[Counter, Times | None, list[str]]:
    prediction = settings.prediction_column or (PREDICTION if PREDICTION in table.names else None)
    special = [name for name in (settings.time_column, prediction) if name]
    additional = check_columns(table, [*baseline.names, *special])
    notes = (
        [f"columns that the baseline does not have were left out: {', '.join(additional[:10])}"]
        if additional
        else []
    )
    profiles = table.profiles({*baseline.names, *special})
    readings = _readings(table, baseline, profiles, prediction)
    times = _times(table, profiles, settings.time_column, notes)
    counter, seen = Counter(baseline, None if times is None else times.stretches), 0
    for chunk in table.chunks(readings):
        rows = len(next(iter(chunk.values())))
        answers = chunk[prediction] if prediction in readings else np.full(rows, np.nan)
        if times is None:
            counter.add(_matrix(chunk, baseline), answers)
        else:
            inside, seconds = times.kept[seen : seen + rows], times.seconds[seen : seen + rows]
            counter.add(_matrix(chunk, baseline)[inside], answers[inside], seconds[inside])
        seen += rows
    return counter, times, notes


def _readings(
    table: Table, baseline: Baseline, profiles: Mapping[str, Profile], prediction: str | None
) -> dict[str, Reading]:
    """How the columns are read, by what the baseline holds; the text of its codes is text."""
    others = notation(profiles)
    wanted = {bins.name: bins for bins in baseline.features}
    if prediction and baseline.prediction is not None:
        wanted[prediction] = baseline.prediction
    return {
        name: Reading.TEXT
        if bins.kind == "categorical" and not all_numbers(bins.categories)
        else _codes(profiles[name])
        if bins.kind == "categorical"
        else reading_of_numbers(table, name, profiles[name], others)
        for name, bins in wanted.items()
    }


def _codes(profile: Profile) -> Reading:
    """Codes of the baseline are numbers where the file's are, so that gaps among them are gaps."""
    plain = profile.plain == profile.present and not profile.codes
    return Reading.PLAIN if plain else Reading.TEXT


def _times(table: Table, profiles: Mapping[str, Profile], name: str | None, notes: list[str]) -> Times | None:
    """When rows were, and which of them count; `notes` gets what is left out. None without a time column."""
    if name is None:
        return None
    profile, parts, seen = profiles[name], [], 0
    reading = Reading.PLAIN if profile.plain == profile.present else Reading.TEXT
    for chunk in table.chunks({name: reading}):
        parts.append(epoch_seconds(chunk[name], name, seen + 1))
        seen += len(parts[-1])
    seconds = np.concatenate(parts) if parts else np.empty(0)
    kept = in_bulk(seconds)
    if seen and not kept.any():
        raise CannotJudgeError(f"column '{name}' of {table.path} holds no time in any row; name another one")
    notes += left_out(seconds, kept, name)
    return Times(seconds, kept)


def _matrix(columns: Columns, baseline: Baseline) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.column_stack([feature.codes(columns[feature.name]) for feature in baseline.features])
