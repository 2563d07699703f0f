"""The evidence on a canary: what both sides did, minute by minute, and what is judged of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.comparison import Arm, CanaryJudgement, Measure
from driftlead_drift.judging.truth import Tally
from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.traffic import Traffic

MINUTE: Final = timedelta(minutes=1)
NO_LABELS: Final = Tally()


@dataclass
class Minutes:
    """What one side did, by the minute's start; filled from the database, each minute once it has ended.

    `predictions`: in the bins of prod's baseline; empty where there is none. `failures_known`: whether
    histograms told of requests that failed, which the log itself does not hold.
    """

    traffic: Traffic
    requests: dict[datetime, int] = field(default_factory=dict)
    errors: dict[datetime, int] = field(default_factory=dict)
    latency: dict[datetime, NDArray[np.int64]] = field(default_factory=dict)
    predictions: dict[datetime, NDArray[np.int64]] = field(default_factory=dict)
    labels: dict[datetime, Tally] = field(default_factory=dict)
    failures_known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one look at both sides found, from when to when. `own`: prod against its own past."""

    prod: Traffic
    canary: Traffic
    start: datetime
    end: datetime
    judgement: CanaryJudgement
    bins: FeatureBins | None
    sides: tuple[Minutes, Minutes]
    notes: tuple[str, ...]
    own: tuple[Measure, ...] = ()


def whole_minutes(start: datetime, end: datetime) -> list[datetime]:
    """The minutes that begin at `start` or later and have ended by `end`."""
    first = start.replace(second=0, microsecond=0)
    count = int((end - first) / MINUTE)
    return [first + n * MINUTE for n in range(max(count, 0))]


def arms(prod: Minutes, canary: Minutes, minutes: Sequence[datetime]) -> tuple[Arm, Arm]:
    """Both sides over the same minutes, as the judge takes them.

    Where no histograms tell of failed requests there is nothing to compare errors by: no requests at all are
    given, so that the check stays undecided instead of calling both faultless.
    """
    compared = bool(prod.predictions and canary.predictions)
    labels = bool(prod.labels and canary.labels)
    return (
        _arm(prod, minutes, compared=compared, labels=labels),
        _arm(canary, minutes, compared=compared, labels=labels),
    )


def _arm(side: Minutes, minutes: Sequence[datetime], *, compared: bool, labels: bool) -> Arm:
    return Arm(
        requests=_column(side.requests, minutes),
        errors=_column(side.errors, minutes),
        latency=_matrix(side.latency, minutes) if side.latency else None,
        predictions=_matrix(side.predictions, minutes) if compared else None,
        labels=[side.labels.get(minute, NO_LABELS) for minute in minutes] if labels else None,
    )


def _column(values: Mapping[datetime, int], minutes: Sequence[datetime]) -> NDArray[np.int64]:
    return np.array([values.get(minute, 0) for minute in minutes], dtype=np.int64)


def _matrix(values: Mapping[datetime, NDArray[Any]], minutes: Sequence[datetime]) -> NDArray[np.int64]:
    empty = np.zeros_like(next(iter(values.values())))
    if not minutes:
        return np.zeros((0, len(empty)), dtype=np.int64)
    return np.stack([values.get(minute, empty) for minute in minutes]).astype(np.int64)
