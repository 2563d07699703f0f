"""What a check is about, as plain data: from when to when, and what earlier runs found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.verdicts import DriftVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of traffic, start included, end excluded, and what is known of it before it is read.

    `rows`: in the log, `packed`: of these with features_f32. `first`, `last`: acceptance time of the first
    and last of them, None without rows.
    `cut`: another version served until then, so the window begins there.
    `pending_since`: acceptance time up to which the slowest live pod has delivered, None where none lags.
    """

    start: datetime
    end: datetime
    rows: int = 0
    packed: int = 0
    first: datetime | None = None
    last: datetime | None = None
    cut: bool = False
    pending_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """A window's counts by stretches of its time, which are equally long.

    `edges`: epoch seconds, one more than there are stretches. `rows`: of each stretch. `features`: counts
    (stretches, bins) of each feature of the baseline, in its order; `prediction`: None where not known.
    """

    edges: NDArray[np.float64]
    rows: NDArray[np.int64]
    features: Sequence[NDArray[np.int64]]
    prediction: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """A feature within its window.

    `distances`: PSI of each stretch less what chance adds, None where it has too few rows.
    `apart`: places of the stretches that chance does not explain. `began`, `ended`: epoch seconds between
    which it differs, where that can be told; `began` None: from the window's start on, `ended` None: to its
    end. `sentence`: the same in words, empty where it cannot be told.
    """

    distances: tuple[float | None, ...]
    apart: tuple[int, ...] = ()
    began: float | None = None
    ended: float | None = None
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class WindowCounts:
    """A window of traffic, counted in the baseline's bins.

    `features`: one vector for each feature of the baseline, in its order; `prediction`: None where not known.
    `rows`: of the window. `start`, `end`: epoch seconds, end exclusive; None where rows carry no time.
    `blocks`: optionally (blocks, bins) counts of each feature (then the prediction) by stretches of the
    window, used where the baseline knows nothing of dependence. `version`: the model version whose rows these
    are.
    `baseline_sha256`: of the baseline in whose bins they were counted; empty: of the one that is judged
    against. `stretches`: the same rows by the time they came, None where that is not known.
    """

    features: Sequence[NDArray[Any]]
    rows: int
    prediction: NDArray[Any] | None = None
    start: float | None = None
    end: float | None = None
    blocks: Sequence[NDArray[Any]] | None = None
    version: str = ""
    baseline_sha256: str = ""
    stretches: Stretches | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recorded run. `features` maps a name to what later runs and sparklines need of it."""

    run_id: str
    window_from: datetime
    window_to: datetime
    rows: int
    scheduled: bool
    verdict: DriftVerdict
    exit_code: int
    consecutive: int
    message: str = ""
    features: Mapping[str, Any] = field(default_factory=dict)
    baseline_sha256: str = ""
    report_uri: str | None = None
