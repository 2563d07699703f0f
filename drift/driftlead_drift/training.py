"""Baselines from training data: into a file, or into the model version that was trained on it.

MLflow is imported when a model is logged; making a baseline needs numpy only.
"""

import tempfile
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.reference import sparse
from driftlead_drift.traffic.times import epoch_seconds
from driftlead_formats.baseline import ARTIFACT, Baseline, build
from driftlead_formats.classes import TAG, from_tag, numbered, to_tag

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedVersion:
    """What `log_model` made: version in the registry, MLflow's run and model, the baseline's digest."""

    name: str
    version: str
    run_id: str
    model_id: str
    baseline_sha256: str

    @property
    def uri(self) -> str:
        """The version as MLflow names it."""
        return f"models:/{self.name}/{self.version}"


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
    _check_frame(X)
    columns = {str(name): _array(X.iloc[:, place]) for place, name in enumerate(X.columns)}
    return build(
        columns,
        time=None if time is None else _seconds(time),
        groups=None if groups is None else _array(groups),
        prediction=None if prediction is None else _array(prediction),
        calendar=calendar,
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


def log_model(
    model: Any,
    X: "pd.DataFrame",  # noqa: N803
    *,
    registered_model: str,
    time: Any = None,
    groups: Any = None,
    calendar: Collection[str] = (),
    metrics: Mapping[str, float] | None = None,
    parameters: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    skops_trusted_types: Sequence[str] = (),
) -> LoggedVersion:
    """Logs a fitted scikit-learn estimator with signature, input example and baseline, and registers it.

    `X`: the rows it was trained on. Types inside the model that skops does not know by itself are trusted,
    since the model was made here; they are written into the version's metadata. Opens an MLflow run where
    none is active.
    """
    import mlflow  # noqa: PLC0415

    _check_frame(X)
    with _active_run(mlflow) as run:
        prediction = np.asarray(model.predict(X))
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=mlflow.models.infer_signature(_nullable(X), prediction),
            input_example=X.head(EXAMPLE_ROWS),
            tags=dict(tags or {}),
            **_serialization(model, skops_trusted_types),
        )
        # Of several outputs the log's column `prediction` holds the first.
        first = prediction if prediction.ndim == 1 else prediction[:, 0]
        mlflow.log_metrics({name: float(value) for name, value in (metrics or {}).items()})
        mlflow.log_params(dict(parameters or {}))
        baseline = log_baseline(
            X, model_id=info.model_id, time=time, groups=groups, prediction=first, calendar=calendar
        )
        version = mlflow.register_model(info.model_uri, registered_model, tags=dict(tags or {}))
        _number_classes(mlflow.MlflowClient(), registered_model, getattr(model, "classes_", None))
        return LoggedVersion(
            name=registered_model,
            version=str(version.version),
            run_id=run.info.run_id,
            model_id=info.model_id,
            baseline_sha256=baseline.sha256,
        )


def _check_frame(X: Any) -> None:  # noqa: N803
    """Refuses rows whose columns have no names."""
    if not hasattr(X, "columns"):
        raise TypeError(
            f"the rows are {type(X).__name__}, they must be a pandas DataFrame whose columns are named as "
            "the features: pd.DataFrame(X, columns=[...])"
        )


def _number_classes(client: Any, registered_model: str, classes: Any) -> None:
    """Gives text classes that are new to the registered model the next numbers in its log."""
    known = from_tag(client.get_registered_model(registered_model).tags.get(TAG))
    order = numbered(known, None if classes is None else np.ravel(classes).tolist())
    if order and order != known:
        client.set_registered_model_tag(registered_model, TAG, to_tag(order))


def _active_run(mlflow: Any) -> Any:
    """The run that the caller opened, left open, or a new one."""
    active = mlflow.active_run()
    if active is None:
        return mlflow.start_run()
    return mlflow.start_run(run_id=active.info.run_id, nested=True)


def _nullable(X: "pd.DataFrame") -> "pd.DataFrame":  # noqa: N803
    """The rows to read the signature from: integers as floats, since live traffic has gaps."""
    integers = {name: "float64" for name in X.columns if X[name].dtype.kind in "iu"}
    return X.astype(integers)


def _serialization(model: Any, trusted: Sequence[str]) -> dict[str, Any]:
    """MLflow's arguments: skops with the model's own types trusted, else cloudpickle."""
    import skops.io  # noqa: PLC0415

    try:
        types = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    except Exception:
        return {"serialization_format": "cloudpickle"}
    return {"serialization_format": "skops", "skops_trusted_types": sorted({*trusted, *types}) or None}


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
    return np.asarray(column)
