"""The user's training function: what it is told, what it returns, and how it is found and called.

    from driftlead_drift.retraining import RetrainContext, Trained

    def train(context: RetrainContext) -> Trained:
        ...
        return Trained(model=fitted, features=rows, time=times, holdout_features=later, holdout_target=labels)

It may raise whatever it likes: to whoever runs the command that is one sentence, not a traceback.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftlead_drift.errors import CannotJudgeError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RetrainContext:
    """What a training function is told.

    `champion_uri`, `champion_version`: the version that serves, None when there is none yet. `report`: the
    drift report that called for the training (`drift-report/v1`), None when somebody started it by hand.
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


def load_function(name: str) -> Callable[[RetrainContext], Trained]:
    """The function that `module:function` names; its module may lie in the working folder. Raises
    CannotJudgeError.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise CannotJudgeError(
            f"'{name}' does not name a training function; write module:function, for example jobs:train"
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


def call(function: Callable[[RetrainContext], Trained], context: RetrainContext, name: str) -> Trained:
    """Runs the function, named `name`. Raises CannotJudgeError where it fails or returns something else."""
    try:
        trained = function(context)
    except Exception as error:
        raise CannotJudgeError(f"{name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(trained, Trained):
        raise CannotJudgeError(
            f"{name} returned {type(trained).__name__}, it must return driftlead_drift.retraining.Trained"
        )
    return trained
