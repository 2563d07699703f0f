"""`log_model`: a fitted estimator with signature, input example and baseline, registered once it was seen to
load."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.training import columns, loading
from driftlead_drift.training.baseline import check_frame, log_baseline
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

    `X`: the rows it was trained on; the signature has the types of its columns. Types inside the model that
    skops does not know by itself are trusted, since the model was made here; they are written into the
    version's metadata. Functions and classes of a notebook, or of modules that are not installed, are carried
    along. A fresh process must load the model and answer training rows as it does here, else ValueError is
    raised and nothing is registered. Opens an MLflow run where none is active.
    """
    check_frame(X)
    import mlflow  # noqa: PLC0415

    declared, changed = columns.declared(X)
    prediction = _answers(model, X)
    signature = columns.signature(declared, prediction)
    with loading.by_value():
        way = loading.proven(model, loading.Rows(model, X, declared), signature, skops_trusted_types)
        columns.tell(changed)
        with _active_run(mlflow) as run:
            info = mlflow.sklearn.log_model(
                model,
                name="model",
                signature=signature,
                input_example=declared.head(EXAMPLE_ROWS),
                tags=dict(tags or {}),
                **way,
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


def _answers(model: Any, X: "pd.DataFrame") -> NDArray[Any]:  # noqa: N803
    """What the model says of its training rows. Raises ValueError where it is not one answer a row."""
    answers = np.asarray(model.predict(X))
    if answers.shape[:1] != (len(X),):
        count = len(answers) if answers.shape else 1
        raise ValueError(
            f"the model gives {count} answers to {len(X)} rows, it must give one a row; a text pipeline that "
            "was fitted on a Series takes a frame's name for its text: begin it with "
            "make_column_transformer((CountVectorizer(), 'text')) and fit it on a DataFrame"
        )
    return answers


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
