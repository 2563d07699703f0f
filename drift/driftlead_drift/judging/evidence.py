"""The evidence on a canary: what both sides did, minute by minute, and what is judged of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.comparison import Arm, ByPod, CanaryJudgement, Measure
from driftlead_drift.judging.truth import Tally
from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.histograms import LATENCY_BINS
from driftlead_formats.traffic import Traffic

MINUTE: Final = timedelta(minutes=1)
NO_LABELS: Final = Tally()
LabelBlock = tuple[datetime, datetime]
"""When labels came, and when their rows had been answered: labels of a day may come in one minute."""


@dataclass(frozen=True, slots=True)
class PodMinute:
    """A minute of one pod: its requests, how many of them failed (5xx), and the latencies of the others.

    `latency`: counts in the bins of `driftlead_formats.histograms`, of requests that succeeded. `rows`: that
    these carried; nothing is judged by rows.
    """

    requests: int
    errors: int
    latency: NDArray[np.int64]
    rows: int = 0

    def __add__(self, other: PodMinute) -> PodMinute:
        """The minute of a pod whose server was restarted in it."""
        return PodMinute(
            self.requests + other.requests,
            self.errors + other.errors,
            self.latency + other.latency,
            self.rows + other.rows,
        )


@dataclass
class Minutes:
    """What one side did, by the minute's start; filled from the database, each minute once it has ended.

    `pods`: by minute and pod. `predictions`: in the bins of prod's baseline; empty where there is none.
    `labels`: by the block of time in which they came and their rows were answered. `earlier`: of labels that
    came before the comparison. `history`: of the time before it, which only tells how failures vary.
    """

    traffic: Traffic
    pods: dict[datetime, dict[str, PodMinute]] = field(default_factory=dict)
    predictions: dict[datetime, NDArray[np.float64]] = field(default_factory=dict)
    labels: dict[LabelBlock, Tally] = field(default_factory=dict)
    earlier: dict[LabelBlock, Tally] = field(default_factory=dict)
    history: dict[datetime, dict[str, PodMinute]] = field(default_factory=dict)

    @property
    def failures_known(self) -> bool:
        """Whether histograms told of requests that failed, which the log itself does not hold."""
        return bool(self.pods)

    @property
    def requests(self) -> int:
        """All requests of the comparison, failed ones included."""
        return sum(each.requests for minute in self.pods.values() for each in minute.values())

    @property
    def errors(self) -> int:
        """How many of them failed."""
        return sum(each.errors for minute in self.pods.values() for each in minute.values())

    @property
    def rows(self) -> int:
        """Rows of those that succeeded."""
        return sum(each.rows for minute in self.pods.values() for each in minute.values())


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


def arms(
    prod: Minutes, canary: Minutes, minutes: Sequence[datetime], bins: FeatureBins | None = None
) -> tuple[Arm, Arm]:
    """Both sides over the same minutes, as the judge takes them. `bins`: prod's, of its predictions.

    Where no histograms tell of failed requests there is nothing to compare errors by: no requests at all are
    given, so that the check stays undecided instead of calling both faultless.
    """
    compared = bool(prod.predictions and canary.predictions)
    blocks = sorted({*prod.labels, *canary.labels})
    numeric = many_numbers(bins)
    return (
        _arm(prod, minutes, blocks, compared=compared, numeric=numeric),
        _arm(canary, minutes, blocks, compared=compared, numeric=numeric),
    )


def many_numbers(bins: FeatureBins | None) -> bool:
    """Whether training's predictions were more values than classes have, and no probabilities."""
    if bins is None or bins.kind != "numeric" or bins.points or bins.minimum is None or bins.maximum is None:
        return False
    return bins.minimum < 0 or bins.maximum > 1


def _arm(
    side: Minutes,
    minutes: Sequence[datetime],
    blocks: Sequence[LabelBlock],
    *,
    compared: bool,
    numeric: bool,
) -> Arm:
    pods = _by_pod(side.pods, minutes)
    return Arm(
        requests=pods.requests.sum(axis=1),
        errors=pods.errors.sum(axis=1),
        latency=None if pods.latency is None else pods.latency.sum(axis=1),
        predictions=_matrix(side.predictions, minutes) if compared else None,
        labels=[side.labels.get(block, NO_LABELS) for block in blocks] if side.labels else None,
        earlier=[side.earlier[block] for block in sorted(side.earlier)],
        numeric=numeric,
        pods=pods,
        history=_by_pod(side.history, _stretch(side.history)) if side.history else None,
    )


def _by_pod(known: Mapping[datetime, Mapping[str, PodMinute]], minutes: Sequence[datetime]) -> ByPod:
    """The minutes as arrays, a column for each pod that is known in any of them."""
    names = sorted({name for minute in minutes for name in known.get(minute, ())})
    places = {name: place for place, name in enumerate(names)}
    requests, errors = (np.zeros((len(minutes), len(names)), dtype=np.int64) for _ in range(2))
    latency = np.zeros((len(minutes), len(names), LATENCY_BINS), dtype=np.int64)
    for at, minute in enumerate(minutes):
        for name, seen in known.get(minute, {}).items():
            place = at, places[name]
            requests[place], errors[place], latency[place] = seen.requests, seen.errors, seen.latency
    return ByPod(requests=requests, errors=errors, latency=latency if known else None)


def _stretch(known: Mapping[datetime, object]) -> list[datetime]:
    """All minutes from the first to the last, those without requests too: an outage's length is in them."""
    return whole_minutes(min(known), max(known) + MINUTE)


def _matrix(values: Mapping[datetime, NDArray[Any]], minutes: Sequence[datetime]) -> NDArray[np.float64]:
    empty = np.zeros_like(next(iter(values.values())))
    if not minutes:
        return np.zeros((0, len(empty)))
    return np.stack([values.get(minute, empty) for minute in minutes])
