"""Both models on the hold-out: what each answers, how the metric scores it, and what came of it in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.retraining import gate
from driftlead_formats.verdicts import RetrainingResult

MODEL_TAG, CHAMPION_TAG, RESULT_TAG = "driftlead.model", "driftlead.champion", "driftlead.result"


def compare(
    champion_uri: str, challenger: Any, features: Any, target: Any, *, metric: str, alpha: float
) -> gate.Comparison:
    """Loads the champion and scores both on the hold-out rows, which are in the order of time.

    `metric`: a name that `sklearn.metrics.get_scorer` knows. Raises CannotJudgeError where one cannot be
    scored."""
    import mlflow  # noqa: PLC0415 - the check's image has neither
    from sklearn.metrics import get_scorer  # noqa: PLC0415

    try:
        champion = mlflow.sklearn.load_model(champion_uri)
    except Exception as error:
        raise CannotJudgeError(
            f"the champion {champion_uri} cannot be loaded: {error}; check that its version exists and that "
            "this image has what it needs"
        ) from error
    try:
        scorer = get_scorer(metric)
        old, new = (_answers(model, features, scorer) for model in (champion, challenger))
        return gate.compare(np.asarray(target), old, new, _score(scorer), alpha=alpha)
    except Exception as error:
        raise CannotJudgeError(
            f"champion and challenger cannot be compared by {metric} on {len(features)} hold-out rows: "
            f"{type(error).__name__}: {error}; check holdout_features, holdout_target and metric"
        ) from error


def level(alpha: float, earlier: int) -> float:
    """The error rate of the attempt after `earlier` failed ones against the same champion.

    alpha / (k (k + 1)) for the k-th: however often somebody tries, the chance that a model that is not better
    passes stays below alpha in all.
    """
    return alpha / ((earlier + 1) * (earlier + 2))


def failed_attempts(registered_model: str, champion_version: str | None) -> int:
    """How many models were held against this champion and were not better, by the runs they left in
    MLflow."""
    import mlflow  # noqa: PLC0415

    name, version = registered_model.replace("'", ""), champion_version or ""
    runs = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.`{MODEL_TAG}` = '{name}' and tags.`{CHAMPION_TAG}` = '{version}' "
        f"and tags.`{RESULT_TAG}` = '{RetrainingResult.NOT_BETTER}'",
        output_format="list",
    )
    return len(runs)


def remember_failure(
    registered_model: str, champion_version: str | None, metrics: Mapping[str, float]
) -> None:
    """Leaves a run in MLflow, so that the attempt is counted and its figures can be looked at."""
    import mlflow  # noqa: PLC0415

    tags = {
        MODEL_TAG: registered_model.replace("'", ""),
        CHAMPION_TAG: champion_version or "",
        RESULT_TAG: str(RetrainingResult.NOT_BETTER),
    }
    with mlflow.start_run(run_name="retraining that was not better", tags=tags):
        mlflow.log_metrics({name: float(value) for name, value in metrics.items()})


def figures(metric: str, comparison: gate.Comparison | None) -> dict[str, float]:
    """The comparison as metrics to log."""
    if comparison is None:
        return {}
    return {
        f"{metric}_challenger": comparison.challenger,
        f"{metric}_champion": comparison.champion,
        "difference_low": comparison.low,
        "difference_high": comparison.high,
    }


def in_words(metric: str, comparison: gate.Comparison | None) -> str:
    """The comparison in words, or why there was none."""
    if comparison is None:
        return "there was no hold-out or no champion to beat"
    return (
        f"{metric} {comparison.challenger:.4g} against the champion's {comparison.champion:.4g} on "
        f"{comparison.rows:,} hold-out rows (difference {comparison.low:+.3g} to {comparison.high:+.3g})"
    )


def _answers(model: Any, rows: Any, scorer: Any) -> NDArray[Any]:
    """What the scorer wants: probabilities (of the positive class, where there are two), else predictions."""
    wanted = getattr(scorer, "_response_method", "predict")
    if "predict" in ((wanted,) if isinstance(wanted, str) else wanted):
        return np.asarray(model.predict(rows))
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(rows))
        return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return np.asarray(model.decision_function(rows))


def _score(scorer: Any) -> gate.Score:
    """A scorer's function of (target, answers), higher is better."""
    function, sign, options = scorer._score_func, scorer._sign, scorer._kwargs

    def score(target: NDArray[Any], answers: NDArray[Any]) -> float:
        return float(sign * function(target, answers, **options))

    return score
