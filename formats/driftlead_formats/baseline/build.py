"""A baseline from a reference: bins are chosen from its columns, then its rows are counted in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.baseline.baseline import PREDICTION, Baseline, BaselineError, shown
from driftlead_formats.baseline.binning import Floats
from driftlead_formats.baseline.blocks import make_blocks
from driftlead_formats.baseline.bulk import in_bulk
from driftlead_formats.baseline.choosing import bin_feature

YEAR: Final = 365.25 * 86_400
LONGEST: Final = 100 * YEAR  # blocks by the day of more take memory, and are a mistake in the times


def build(
    columns: Mapping[str, NDArray[Any]],
    *,
    time: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
    prediction: NDArray[Any] | None = None,
    calendar: Collection[str] = (),
    note: str = "",
) -> Baseline:
    """Choose bins and count the reference.

    `columns`: name -> array (n,): numbers, truth values, or objects (text; None, NaN for missing).
    `time`: when each row happened: datetime64 (UTC) or epoch seconds; `groups`: which user, session or other
    entity each row belongs to. Time is the stronger statement and wins where both are given.
    `prediction`: the model's own outputs on these rows. `calendar`: features that move with the date by
    nature.
    Raises BaselineError with a sentence for no rows, unequal lengths, unusable columns or times.
    """
    rows = _checked(columns, time=time, groups=groups, prediction=prediction, calendar=calendar)
    seconds = None if time is None else _epoch(time)
    try:
        features = [bin_feature(str(n), np.asarray(c), calendar=n in calendar) for n, c in columns.items()]
        outputs = None if prediction is None else bin_feature(PREDICTION, np.asarray(prediction))
    except ValueError as error:
        raise BaselineError(str(error)) from error
    everything = [*features, *([outputs] if outputs else [])]
    sources = [*columns.values(), *([prediction] if prediction is not None else [])]
    codes = [f.codes(np.asarray(c)) for f, c in zip(everything, sources, strict=True)]
    kept = None if seconds is None else in_bulk(seconds)
    if seconds is not None and kept is not None and not kept.all():
        # A stray time makes no period of its own; its row counts, since its values are training's.
        stray = int(np.count_nonzero(~kept))
        note = " ".join([note, f"{stray:,} rows lie far outside of all other times: in no block."]).strip()
        seconds, codes = seconds[kept], [column[kept] for column in codes]
        groups = None if groups is None else np.asarray(groups)[kept]
    if seconds is not None and float(seconds.max() - seconds.min()) > LONGEST:
        raise BaselineError(
            f"times reach over {(seconds.max() - seconds.min()) / YEAR:,.0f} years, from {seconds.min():.0f} "
            f"to {seconds.max():.0f} seconds since 1970: correct them, or leave these rows out"
        )
    blocks, independence = make_blocks(everything, codes, seconds, groups)
    return Baseline(
        features=tuple(features),
        prediction=outputs,
        rows=rows,
        blocks=blocks,
        independence=independence,
        time_from=None if seconds is None else float(seconds.min()),
        time_to=None if seconds is None else float(seconds.max()),
        note=note,
    )


def _checked(
    columns: Mapping[str, NDArray[Any]],
    *,
    time: NDArray[Any] | None,
    groups: NDArray[Any] | None,
    prediction: NDArray[Any] | None,
    calendar: Collection[str],
) -> int:
    if not columns:
        raise BaselineError("a baseline needs at least one feature column, there is none")
    lengths = {str(name): len(column) for name, column in columns.items()}
    lengths |= {
        k: len(v)
        for k, v in (("time", time), ("groups", groups), ("prediction", prediction))
        if v is not None
    }
    if len(set(lengths.values())) > 1:
        raise BaselineError(f"columns differ in length: {lengths}")
    rows = next(iter(lengths.values()))
    if rows == 0:
        raise BaselineError("the reference has no rows: a baseline needs at least one, better a thousand")
    unknown = [name for name in calendar if name not in columns]
    if unknown:
        raise BaselineError(
            f"marked as calendar, but there is no column {shown(unknown)}; columns are {shown(list(lengths))}"
        )
    return rows


def _epoch(time: NDArray[Any]) -> Floats:
    array = np.asarray(time)
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[us]").astype(np.float64) / 1e6
        seconds[np.isnat(array)] = np.nan
    elif array.dtype.kind in "fiu":
        seconds = array.astype(np.float64)
    else:
        raise BaselineError(
            f"time must be datetime64 or epoch seconds, it is {array.dtype}: convert it first"
        )
    missing = int(np.count_nonzero(~np.isfinite(seconds)))
    if missing:
        raise BaselineError(
            f"{missing} of {len(seconds)} rows have no time: leave them out, or give no time at all"
        )
    return seconds
