"""Baselines of training rows: as a document, or in the folder of a model that was logged."""

import tempfile
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.reference import sparse
from driftlead_drift.traffic.files import Columns
from driftlead_drift.traffic.identifiers import is_key
from driftlead_drift.traffic.times import epoch_seconds
from driftlead_drift.traffic.training_rows import holds_dates, is_a_date, numbers_rows
from driftlead_formats.baseline import ARTIFACT, Baseline, build

if TYPE_CHECKING:
    import pandas as pd


def make_baseline(
    X: "pd.DataFrame",  # noqa: N803 - the name that scikit-learn's users know
    *,
    time: Any = None,
    groups: Any = None,
    prediction: Any = None,
    calendar: Collection[str] = (),
) -> Baseline:
    """Bins and counts of training rows.

    `X`: a DataFrame, one column a feature. `time`: when each row happened (a Series of datetimes, UTC where
    they name no zone, or epoch seconds). `groups`: the user or session of each row. `prediction`: the model's
    answers.
    """
    check_frame(X)
    columns = {str(name): _array(X.iloc[:, place]) for place, name in enumerate(X.columns)}
    other = _no_features(columns, calendar, "" if time is None else "`time` says so already")
    for sentence in other.values():
        warnings.warn(sentence, stacklevel=2)
    return build(
        {name: column for name, column in columns.items() if name not in other},
        time=None if time is None else _seconds(time),
        groups=None if groups is None else _array(groups),
        prediction=None if prediction is None else _array(prediction),
        calendar=calendar,
    )


def _no_features(columns: Columns, calendar: Collection[str], timed: str) -> dict[str, str]:
    """Columns that every later window has others of, and why they are left out.

    Where nothing else is left they stay: a baseline has features.
    """
    found = {}
    for name, column in columns.items():
        if name in calendar:
            continue
        if holds_dates(name, column):
            found[name] = is_a_date(name, timed or f"pass time=X[{name!r}]")
        elif is_key(name, column):
            found[name] = numbers_rows(name)
    return found if len(found) < len(columns) else {}


def check_frame(X: Any) -> None:  # noqa: N803
    """Raises TypeError unless the rows are a DataFrame: an array's features have no names."""
    if not hasattr(X, "columns"):
        raise TypeError(
            f"the rows are {type(X).__name__}, they must be a pandas DataFrame whose columns are named as "
            "the features: pd.DataFrame(X, columns=[...])"
        )


def log_baseline(
    X: "pd.DataFrame",  # noqa: N803
    *,
    model_id: str | None = None,
    time: Any = None,
    groups: Any = None,
    prediction: Any = None,
    calendar: Collection[str] = (),
) -> Baseline:
    """Writes the baseline of training rows into a logged model's folder, registered or not.

    `model_id`: as `mlflow.sklearn.log_model(...)` returns it; by default the last model logged in this
    session. The other arguments are those of `make_baseline`. Warns where rows with times are so few that the
    windows of checks must be long. Raises ValueError where no model was logged.
    """
    import mlflow  # noqa: PLC0415

    if model_id is None:
        last = mlflow.last_logged_model()
        if last is None:
            raise ValueError(
                "there is no logged model to write the baseline to; call mlflow.sklearn.log_model(...) "
                "first, or name it: log_baseline(X, model_id=info.model_id)"
            )
        model_id = last.model_id
    baseline = make_baseline(X, time=time, groups=groups, prediction=prediction, calendar=calendar)
    if note := sparse(baseline):
        warnings.warn(note, stacklevel=2)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ARTIFACT
        file.parent.mkdir(parents=True)
        file.write_bytes(baseline.to_json())
        mlflow.MlflowClient().log_model_artifacts(model_id, folder)
    return baseline


def _seconds(time: Any) -> NDArray[np.float64]:
    array = _array(time)
    if array.dtype.kind == "O":
        zone = getattr(getattr(time, "dt", None), "tz", None)
        if zone is not None:
            array = np.asarray(time.dt.tz_convert("UTC").dt.tz_localize(None))
    return epoch_seconds(array, "time")


def _array(column: Any) -> NDArray[Any]:
    """A Series or list as a plain array: categories as their values, pandas' nullable numbers as floats."""
    kind = str(getattr(column, "dtype", ""))
    if kind in (
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Float32",
        "Float64",
    ):
        return np.asarray(column.astype("float64"))
    if kind in ("category", "string", "str", "boolean") or kind.startswith("string"):
        return np.asarray(column.astype(object))
    array = np.asarray(column)
    # Dates and keys are looked for among numbers that eight or sixteen bits do not hold.
    return array.astype(np.int64) if array.dtype.kind in "iu" and array.dtype.itemsize < 8 else array
