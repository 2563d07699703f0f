"""A check's window from a file."""

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
    check_columns,
    coded,
    epoch_seconds,
    read_table,
)
from driftlead_formats.baseline import PREDICTION, Baseline


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
    table = read_table(settings.data)
    counter, span, notes = _count(settings, table, baseline)
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
    )
    history = runs.from_folder(settings.history, baseline.sha256) if settings.history else []
    return Gathered(subject=subject, baseline=baseline, window=window, history=history)


def _count(
    settings: CheckSettings, table: Table, baseline: Baseline
) -> tuple[Counter, tuple[float, float] | None, list[str]]:
    prediction = settings.prediction_column or (PREDICTION if PREDICTION in table.names else None)
    special = [name for name in (settings.time_column, prediction) if name]
    additional = [
        name for name in check_columns(table, [*baseline.names, *special]) if name not in baseline.names
    ]
    notes = (
        [f"columns that the baseline does not have were left out: {', '.join(additional[:10])}"]
        if additional
        else []
    )
    kinds = {feature.name: str(feature.kind) for feature in baseline.features}
    text = {name for name, kind in kinds.items() if kind == "categorical"}
    counter, first, last = Counter(baseline), np.inf, -np.inf
    for chunk in table.chunks(text=text):
        columns = coded(chunk, kinds, table.path)
        answers = chunk[prediction] if prediction else np.full(len(next(iter(chunk.values()))), np.nan)
        counter.add(_matrix(columns, baseline), answers)
        if settings.time_column:
            times = epoch_seconds(chunk[settings.time_column], settings.time_column)
            first, last = min(first, float(np.nanmin(times))), max(last, float(np.nanmax(times)))
    span = (first, np.nextafter(last, np.inf)) if np.isfinite(first) else None
    return counter, span, notes


def _matrix(columns: Columns, baseline: Baseline) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.column_stack([feature.codes(columns[feature.name]) for feature in baseline.features])
