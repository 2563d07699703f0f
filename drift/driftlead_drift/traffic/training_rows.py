"""The training rows of a file: which columns are features, and when each row happened.

Row numbers and dates are not features: every later window has others, which says nothing of the model. Rows
without a time, and rows whose time lies far outside of all others, are left out and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.settings import BaselineSettings
from driftlead_drift.traffic.files import Columns, Table, notation, read_table
from driftlead_drift.traffic.identifiers import is_key, is_time
from driftlead_drift.traffic.number_text import DATE, MeantOtherwiseError, Profile, Reading
from driftlead_drift.traffic.times import epoch_seconds, left_out
from driftlead_formats.baseline.bulk import in_bulk


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """`columns`: the features. `time`, `groups`, `prediction`: by row, None where no column is named.

    `notes`: what was left out, in sentences.
    """

    columns: Columns
    time: NDArray[np.float64] | None
    groups: NDArray[Any] | None
    prediction: NDArray[Any] | None
    notes: Sequence[str]


def training_rows(settings: BaselineSettings) -> TrainingRows:
    """Reads the file. Raises CannotJudgeError."""
    table = read_table(settings.data)
    special = [settings.time_column, settings.group_column, settings.prediction_column]
    _all_there(settings, table)
    profiles = table.profiles([name for name in table.names if name not in settings.exclude])
    notes: list[str] = []
    readings = _readings(settings, table, profiles, notes)
    columns = table.columns(readings)
    time, groups, prediction = (columns.pop(name) if name else None for name in special)
    for name in list(columns):
        if name in settings.calendar:
            continue
        if holds_dates(name, columns[name]):
            columns.pop(name)
            notes.append(is_a_date(name, f"name it with --time-column '{name}'"))
        elif is_key(name, columns[name]):
            columns.pop(name)
            notes.append(numbers_rows(name))
    seconds = None if time is None else epoch_seconds(time, settings.time_column or "")
    kept = None if seconds is None else in_bulk(seconds)
    if kept is None or kept.all():
        return TrainingRows(columns=columns, time=seconds, groups=groups, prediction=prediction, notes=notes)
    assert seconds is not None  # noqa: S101 - kept was made of it
    return TrainingRows(
        columns={name: column[kept] for name, column in columns.items()},
        time=seconds[kept],
        groups=None if groups is None else groups[kept],
        prediction=None if prediction is None else prediction[kept],
        notes=[*notes, *left_out(seconds, kept, settings.time_column or "")],
    )


def _all_there(settings: BaselineSettings, table: Table) -> None:
    special = (settings.time_column, settings.group_column, settings.prediction_column)
    named = [
        *(name for name in special if name),
        *settings.exclude,
        *settings.calendar,
        *settings.text_columns,
    ]
    unknown = [name for name in named if name not in table.names]
    if unknown:
        raise CannotJudgeError(
            f"{settings.data} has no column {', '.join(unknown)}; it has {', '.join(table.names[:20])}"
        )


def _readings(
    settings: BaselineSettings, table: Table, profiles: dict[str, Profile], notes: list[str]
) -> dict[str, Reading]:
    """How each column that is wanted is read; `notes` gets those that are not features."""
    others, readings = notation(profiles), {}
    for name, profile in profiles.items():
        if name == settings.time_column:
            readings[name] = Reading.PLAIN if profile.plain == profile.present else Reading.TEXT
        elif name == settings.group_column or name in settings.text_columns:
            readings[name] = Reading.TEXT
        elif name in table.index and name not in (settings.prediction_column, *settings.calendar):
            notes.append(numbers_rows(name))
        else:
            found = _reading(table, name, profile, others)
            if found is Reading.DATE:
                notes.append(is_a_date(name, f"name it with --time-column '{name}'"))
            else:
                readings[name] = found
                notes += _mixed(name, profile, found)
    return readings


def _reading(table: Table, name: str, profile: Profile, others: Reading | None) -> Reading:
    if table.parquet and not profile.rows:
        return Reading.PLAIN
    try:
        found = profile.reading(others)
    except MeantOtherwiseError as error:
        advice = (
            f"; or leave the column out (--exclude '{name}'), or keep it as text (--text-columns '{name}')"
        )
        raise table.refused(name, error, advice) from error
    if table.parquet and found in (Reading.PLAIN, Reading.POINT, Reading.COMMA) and profile.numbers:
        # Parquet says what is text, and the log has what the model was asked with: text as well.
        return Reading.TEXT
    return found


def _mixed(name: str, profile: Profile, found: Reading) -> list[str]:
    if found is not Reading.TEXT or not profile.numbers or not profile.other:
        return []
    line, text = profile.examples["other"]
    return [f"column '{name}' is text: it holds numbers, and '{text[:40]}' in line {line}"]


def numbers_rows(name: str) -> str:
    """Why a column of row numbers is left out."""
    return f"column '{name}' numbers the rows: it was left out"


def is_a_date(name: str, do: str) -> str:
    """Why a column of dates is left out; `do`: how to say that it is the time of each row."""
    return (
        f"column '{name}' holds dates, which every later window has others of: it was left out as a feature; "
        f"if it says when a row happened, {do}"
    )


def holds_dates(name: str, column: NDArray[Any]) -> bool:
    """Whether every value that is there is a time, counts the seconds to one, or is a date as text."""
    if column.dtype.kind == "M" or is_time(name, column):
        return True
    if column.dtype.kind not in "OUT":
        return False
    values = [each for each in column.tolist() if not _missing(each)]
    texts = (each.isoformat() if isinstance(each, date) else each for each in values)
    return bool(values) and all(
        isinstance(each, str) and DATE.fullmatch(each.strip()) is not None for each in texts
    )


def _missing(value: object) -> bool:
    """None, NaN, and pandas' NaT and NA, of which the last is not even equal or unequal to itself."""
    return value is None or type(value).__name__ == "NAType" or value != value  # noqa: PLR0124
