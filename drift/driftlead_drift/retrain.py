"""Retraining: runs the user's function, holds its model against the champion, and offers the better one to
the canary.

A training function looks like this:

    from driftlead_drift.retrain import RetrainContext, Trained

    def train(context: RetrainContext) -> Trained:
        ...
        return Trained(model=fitted, features=rows, time=times, holdout_features=later, holdout_target=labels)
"""

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftlead_drift import champion, gate, storage
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.settings import RetrainSettings
from driftlead_formats import termination
from driftlead_formats.summaries import RetrainingSummary
from driftlead_formats.verdicts import RetrainingResult

if TYPE_CHECKING:
    import pandas as pd

PARAMETER = "DRIFTLEAD_PARAM_"


@dataclass(frozen=True)
class RetrainContext:
    """What a training function is told.

    `champion_uri`, `champion_version`: the version that serves, None when there is none yet. `report`: the
    drift report that asked for the training (`drift-report/v1`), None when somebody started it by hand.
    `now`: the time to take for the present. `parameters`: of the resource, from the variables
    DRIFTLEAD_PARAM_*.
    """

    registered_model: str
    champion_uri: str | None
    champion_version: str | None
    report: dict[str, Any] | None
    now: datetime
    parameters: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training function returns.

    `model`: a fitted scikit-learn estimator. `features`: the rows it was trained on; `time`, `groups`: of
    these rows, for the baseline. `holdout_features`, `holdout_target`: rows later than both models' training,
    in the order of time; with them the model must beat the champion. `metric`: a name that
    `sklearn.metrics.get_scorer` knows. `metrics`: more figures to log. `skops_trusted_types`: types that
    skops must trust beyond those it finds.
    """

    model: Any
    features: "pd.DataFrame"
    time: "pd.Series[Any] | None" = None
    groups: "pd.Series[Any] | None" = None
    holdout_features: "pd.DataFrame | None" = None
    holdout_target: "pd.Series[Any] | None" = None
    metric: str = "roc_auc"
    metrics: Mapping[str, float] = field(default_factory=dict)
    skops_trusted_types: Sequence[str] = ()
    calendar: Sequence[str] = ()


def retrain(settings: RetrainSettings, now: datetime) -> RetrainingSummary:
    """Trains, compares, registers; whatever ends it early is in the termination message too."""
    try:
        summary = _retrain(settings, now)
    except CannotJudgeError as error:
        failed = RetrainingSummary(result=RetrainingResult.FAILED, message=str(error))
        termination.write(settings.termination_log, failed.dump())
        raise
    termination.write(settings.termination_log, summary.dump())
    return summary


def _retrain(settings: RetrainSettings, now: datetime) -> RetrainingSummary:
    _check(settings)
    function = load_function(settings.function)
    _prepare_environment(settings)
    context = make_context(settings, now)
    trained = _call(function, context, settings.function)
    comparison = against_champion(trained, context, settings)
    if comparison is not None and not comparison.better(settings.margin):
        return _not_better(trained, comparison, context, settings)
    return _register(trained, comparison, context, settings)


def load_function(name: str) -> Callable[[RetrainContext], Trained]:
    """The function that `module:function` names; its module may lie in the working folder. Raises
    CannotJudgeError.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise CannotJudgeError(
            f"'{name}' names no training function; write module:function, for example jobs:train"
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except AttributeError:
        raise CannotJudgeError(
            f"module {module_name} has no function {attribute}; see its spelling"
        ) from None
    except Exception as error:
        raise CannotJudgeError(
            f"module {module_name} cannot be imported: {type(error).__name__}: {error}; it must lie in "
            "the working folder or on PYTHONPATH of the training image"
        ) from error
    if not callable(function):
        raise CannotJudgeError(f"{name} is a {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]


def make_context(settings: RetrainSettings, now: datetime) -> RetrainContext:
    """What the function is told, from the settings and the environment."""
    serving = settings.champion or None
    return RetrainContext(
        registered_model=settings.registered_model,
        champion_uri=serving,
        champion_version=serving.rpartition("/")[2] if serving else None,
        report=drift_report(settings),
        now=now,
        parameters={
            name.removeprefix(PARAMETER): value
            for name, value in os.environ.items()
            if name.startswith(PARAMETER)
        },
    )


def drift_report(settings: RetrainSettings) -> dict[str, Any] | None:
    """The report that asked for it, from the bucket of reports; None where none is named or kept."""
    if not settings.report_id or not settings.report_bucket:
        return None
    from driftlead_drift.upload import prefix  # noqa: PLC0415

    where = prefix(settings.report_bucket, settings, settings.deployment)
    body = storage.get(f"{where}/{settings.report_id}/report.json")
    return None if body is None else json.loads(body)


def against_champion(
    trained: Trained, context: RetrainContext, settings: RetrainSettings
) -> gate.Comparison | None:
    """Both models on the hold-out; None where there is no hold-out or nobody to beat. Raises
    CannotJudgeError."""
    if trained.holdout_features is None or trained.holdout_target is None or context.champion_uri is None:
        return None
    return champion.compare(
        context.champion_uri,
        trained.model,
        trained.holdout_features,
        trained.holdout_target,
        metric=trained.metric,
        alpha=champion.level(
            settings.alpha, champion.failed_attempts(settings.registered_model, context.champion_version)
        ),
    )


def _register(
    trained: Trained, comparison: gate.Comparison | None, context: RetrainContext, settings: RetrainSettings
) -> RetrainingSummary:
    import mlflow  # noqa: PLC0415

    from driftlead_drift.baseline import log_model  # noqa: PLC0415

    figures = {**trained.metrics, **champion.figures(trained.metric, comparison)}
    tags = {
        "driftlead.report": settings.report_id or "",
        "driftlead.champion": context.champion_version or "",
    }
    try:
        made = log_model(
            trained.model,
            trained.features,
            registered_model=settings.registered_model,
            time=trained.time,
            groups=trained.groups,
            calendar=trained.calendar,
            metrics=figures,
            parameters={"driftlead.function": settings.function, **context.parameters},
            tags={name: value for name, value in tags.items() if value},
            skops_trusted_types=trained.skops_trusted_types,
        )
        where = _offer(mlflow.MlflowClient(), settings, made.version)
    except Exception as error:
        raise CannotJudgeError(
            f"the new model cannot be registered as {settings.registered_model}: "
            f"{type(error).__name__}: {error}"
        ) from error
    why = champion.in_words(trained.metric, comparison)
    message = (
        f"version {made.version} of {settings.registered_model} is registered and moved to {where}: {why}"
    )
    return RetrainingSummary(
        result=RetrainingResult.REGISTERED, version=made.version, message=message, metrics=figures
    )


def _offer(client: Any, settings: RetrainSettings, version: str) -> str:
    """Moves the version to where the canary looks; where, in words."""
    if settings.to_alias:
        client.set_registered_model_alias(settings.registered_model, settings.to_alias, version)
        return f"alias {settings.to_alias}"
    stage = settings.to_stage or "Staging"
    # Older candidates leave the stage: several versions in it would be ambiguous.
    client.transition_model_version_stage(
        settings.registered_model, version, stage, archive_existing_versions=True
    )
    return f"stage {stage}"


def _not_better(
    trained: Trained, comparison: gate.Comparison, context: RetrainContext, settings: RetrainSettings
) -> RetrainingSummary:
    said = champion.in_words(trained.metric, comparison)
    figures = {**trained.metrics, **champion.figures(trained.metric, comparison)}
    champion.remember_failure(settings.registered_model, context.champion_version, figures)
    return RetrainingSummary(
        result=RetrainingResult.NOT_BETTER,
        message=f"nothing was registered: {said}, and the whole interval must lie above {settings.margin:g}",
        metrics=figures,
    )


def _call(function: Callable[[RetrainContext], Trained], context: RetrainContext, name: str) -> Trained:
    try:
        trained = function(context)
    except Exception as error:
        raise CannotJudgeError(f"{name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(trained, Trained):
        raise CannotJudgeError(
            f"{name} returned {type(trained).__name__}, it must return driftlead_drift.retrain.Trained"
        )
    return trained


def _check(settings: RetrainSettings) -> None:
    if not settings.registered_model:
        raise CannotJudgeError(
            "no registered model is named for the new version; give --registered-model NAME "
            "(DRIFTLEAD_REGISTERED_MODEL)"
        )
    if settings.to_stage and settings.to_alias:
        raise CannotJudgeError(
            "--to-stage and --to-alias were both given; the new version goes to one of them"
        )
    missing = [name for name in ("mlflow", "sklearn") if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotJudgeError(
            f"{' and '.join(missing)} are not installed here; retraining needs the training image, or "
            "pip install 'driftlead[drift,train]'"
        )


def _prepare_environment(settings: RetrainSettings) -> None:
    """What MLflow reads from the environment by itself."""
    import mlflow  # noqa: PLC0415

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if settings.tracking_uri:
        mlflow.set_tracking_uri(settings.tracking_uri)


def utc_now() -> datetime:
    """The clock, for the command line."""
    return datetime.now(UTC)
