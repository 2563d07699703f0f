"""What earlier runs say: windows in a row that drifted, and the overdispersion of live traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from driftlead_drift.judging.facts import Run
from driftlead_drift.judging.reference import Reference
from driftlead_drift.statistics.dependence import Component
from driftlead_formats.baseline import Baseline
from driftlead_formats.verdicts import DriftVerdict

LIVE_WINDOWS: Final = 8  # fewer disjoint quiet windows say too little of how much live traffic varies


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """An earlier run, as recorded.

    `start`, `end`: its window in epoch seconds, None where rows carried no time (then it is taken as
    disjoint).
    `status`: its verdict. `consecutive`: windows in a row that showed drift, itself included; 0: it showed
    none.
    `scheduled`: manual runs never advance persistence. `version`: the model version judged.
    `values`: feature -> (value of the statistic, dof, noise), noise = 1/n + 1/m, for the estimate from live
    windows.
    """

    status: DriftVerdict
    consecutive: int
    start: float | None = None
    end: float | None = None
    scheduled: bool = True
    version: str = ""
    values: Mapping[str, tuple[float, int, float]] = field(default_factory=dict)


def as_history(runs: Sequence[Run], version: str, *, timed: bool = True) -> list[PastRun]:
    """The runs as the judge takes them. `timed`: whether their windows' times are those of rows."""
    return [
        PastRun(
            status=run.verdict,
            consecutive=run.consecutive,
            start=run.window_from.timestamp() if timed else None,
            end=run.window_to.timestamp() if timed else None,
            scheduled=run.scheduled,
            version=version,
            values={
                name: (each["psi"], each["dof"], each["noise"])
                for name, each in run.features.items()
                if each.get("psi") is not None and each.get("noise") is not None
            },
        )
        for run in runs
    ]


def disjoint(history: Sequence[PastRun], start: float | None, version: str) -> list[PastRun]:
    """Scheduled, conclusive runs of the same version whose windows overlap neither `start` nor one another.

    Newest first; of overlapping windows the latest is kept. Runs without times keep the order given (oldest
    first).
    """
    told = [
        r
        for r in history
        if r.scheduled
        and r.version == version
        and r.status not in (DriftVerdict.ERROR, DriftVerdict.INSUFFICIENT)
    ]
    if start is None:
        return told[::-1]
    kept: list[PastRun] = []
    for run in sorted((r for r in told if r.end is not None), key=lambda r: r.end or 0.0, reverse=True):
        if run.end is not None and run.end <= start:
            kept.append(run)
            start = run.start if run.start is not None else run.end
    return kept


def consecutive_before(
    history: Sequence[PastRun], start: float | None, end: float | None, version: str
) -> int:
    """Disjoint windows directly before this one, in a row, that showed drift.

    A gap longer than the window itself ends the row.
    """
    count, edge = 0, start
    length = None if start is None or end is None else end - start
    for run in disjoint(history, start, version):
        if run.consecutive == 0:
            break
        if edge is not None and length is not None and run.end is not None and edge - run.end > length:
            break
        count += 1
        edge = run.start
    return count


def live_components(
    reference: Reference, baseline: Baseline, history: Sequence[PastRun], version: str
) -> Reference:
    """The reference with its overdispersion estimated from at least eight earlier quiet windows, unchanged
    with fewer.

    What the windows move by is taken to lie in one direction: the careful end of what is possible.
    """
    quiet = [
        r
        for r in disjoint(history, np.inf, version)
        if r.status in (DriftVerdict.STABLE, DriftVerdict.CHANGED) and r.values
    ]
    if len(quiet) < LIVE_WINDOWS:
        return reference
    names = [*baseline.names, *([baseline.prediction.name] if baseline.prediction else [])]
    found = tuple(_from_windows([r.values[n] for r in quiet if n in r.values], baseline.rows) for n in names)
    return replace(
        reference,
        between=found,
        independence="live",
        sentence=f"variation between periods was estimated from {len(quiet)} earlier windows of live traffic",
    )


def _from_windows(seen: Sequence[tuple[float, int, float]], rows: int) -> Component | None:
    if len(seen) < LIVE_WINDOWS:
        return None
    first = max(0.0, float(np.mean([value - freedom * noise for value, freedom, noise in seen])))
    return Component(first, first**2, len(seen), len(seen) - 1, float(rows))
