"""Retraining: runs the user's function, holds its model against the champion, and offers the better one to
the canary.

Nothing is registered before the gate is passed. What then fails after registration (moving the version to its
stage or alias) leaves a version that no stage names: nothing serves it, and the run fails with that sentence.
A model that is not better leaves a run in MLflow, by which the next attempt against the same champion is
counted: each has a smaller error rate, or trying often enough would pass the gate by chance.

Where there is no champion, or the function returns no hold-out, there is nothing to compare and the model is
registered: the canary's judge sees it next. A failure is a sentence in the termination message, from which
the operator tells of it.
"""

import importlib.util
import json
import os
import warnings
from datetime import UTC, datetime
from typing import Any

from driftlead_drift.command_result import CommandResult
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.retraining import champion, gate
from driftlead_drift.retraining.training_function import RetrainContext, Trained, call, load_function
from driftlead_drift.settings import RetrainSettings
from driftlead_drift.storage import s3
from driftlead_drift.storage.registry import wanted
from driftlead_formats import termination
from driftlead_formats.summaries import RetrainingSummary
from driftlead_formats.verdicts import CommandExit, RetrainingResult

PARAMETER = "DRIFTLEAD_PARAM_"


def run(settings: RetrainSettings) -> CommandResult:
    """Retrains now: 0 also where the champion stays. Raises CannotJudgeError."""
    summary = retrain(settings, datetime.now(UTC))
    return CommandResult(CommandExit.NO_DRIFT, f"{summary.result}: {summary.message}", summary.dump())


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
    trained = call(function, context, settings.function)
    comparison = against_champion(trained, context, settings)
    if comparison is not None and not comparison.better(settings.margin):
        return _not_better(trained, comparison, context, settings)
    return _register(trained, comparison, context, settings)


def make_context(settings: RetrainSettings, now: datetime) -> RetrainContext:
    """What the function is told, from the settings and the environment."""
    serving = settings.champion or None
    return RetrainContext(
        registered_model=settings.registered_model,
        champion_uri=serving,
        champion_version=wanted(serving).version or serving if serving else None,
        report=drift_report(settings),
        now=now,
        parameters={
            name.removeprefix(PARAMETER): value
            for name, value in os.environ.items()
            if name.startswith(PARAMETER)
        },
    )


def drift_report(settings: RetrainSettings) -> dict[str, Any] | None:
    """The report that called for it, from the bucket of reports; None where none is named or kept."""
    if not settings.report_id or not settings.report_bucket:
        return None
    from driftlead_drift.storage.reports import prefix  # noqa: PLC0415

    where = prefix(settings.report_bucket, settings.traffic(settings.deployment))
    body = s3.get(f"{where}/{settings.report_id}/report.json")
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

    from driftlead_drift.training import log_model  # noqa: PLC0415

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
    # Who names a stage has chosen so, and MLflow's warning of its deprecation would head the Job's log.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*stages will be removed", category=FutureWarning)
        client.transition_model_version_stage(settings.registered_model, version, stage)
        _clear_stage(client, settings, stage, version)
    return f"stage {stage}"


def _clear_stage(client: Any, settings: RetrainSettings, stage: str, version: str) -> None:
    """Has older candidates leave the stage, since several versions in it would be ambiguous.

    They are archived, but for those that are in use: the champion, and whatever an alias names.
    """
    name = settings.registered_model
    used = {str(each) for each in client.get_registered_model(name).aliases.values()}
    if settings.champion:
        used.add(str(wanted(settings.champion).version))
    quote = '"' if "'" in name else "'"
    for each in client.search_model_versions(f"name={quote}{name}{quote}"):
        older = str(each.version)
        if each.current_stage == stage and older != version:
            client.transition_model_version_stage(name, older, "None" if older in used else "Archived")


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
            "pip install '.[drift,train]' in a clone of driftlead's repository"
        )


def _prepare_environment(settings: RetrainSettings) -> None:
    """What MLflow reads from the environment by itself."""
    import mlflow  # noqa: PLC0415

    # Whoever asks for a stage has decided so; the guides say that aliases are what MLflow goes on with.
    warnings.filterwarnings(
        "ignore", message=r"(?s).*registry stages will be removed", category=FutureWarning
    )
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if settings.tracking_uri:
        mlflow.set_tracking_uri(settings.tracking_uri)
