"""For training code: baselines of training rows, and a model in the registry that any server can load.

Begin reading in `log`, which asks `columns` what the signature says, and `loading` how the model is written.
MLflow is imported when a model is logged; making a baseline needs numpy only.
"""

from driftlead_drift.training.baseline import log_baseline, make_baseline
from driftlead_drift.training.log import LoggedVersion, log_model

__all__ = ["LoggedVersion", "log_baseline", "log_model", "make_baseline"]
