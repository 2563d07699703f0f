"""Retraining: a user's function trains, the champion gate compares, MLflow's registry gets the better model.

For training code: `from driftlead_drift.retraining import RetrainContext, Trained`.
"""

from driftlead_drift.retraining.training_function import RetrainContext, Trained

__all__ = ["RetrainContext", "Trained"]
