"""Two kinds of model that take flights as they are, unknown values included."""

from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TRUSTED_TYPES = {
    "logistic": ["numpy.dtype"],
    "boosted": ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"],
}
"""What skops, MLflow's format for scikit-learn, must trust beyond its own list to save such a model."""


def new(kind: str) -> Any:
    """An estimator that is not fitted yet: `logistic` or `boosted`; ValueError for any other word."""
    if kind == "logistic":
        return make_pipeline(
            SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1000)
        )
    if kind == "boosted":
        return HistGradientBoostingClassifier(max_iter=200, learning_rate=0.05, random_state=0)
    raise ValueError(f"a model is `logistic` or `boosted`; got {kind!r}")
