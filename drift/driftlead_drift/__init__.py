"""The drift check, the comparison of canary with prod, and retraining.

For a notebook or a training script: `driftlead_drift.log_model(model, X, registered_model=..., time=...)`, or
`driftlead_drift.log_baseline(X, time=..., groups=...)` after logging a model yourself.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from driftlead_drift.baseline import LoggedVersion, log_baseline, log_model

__all__ = ["LoggedVersion", "log_baseline", "log_model"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the operator imports the settings from this package and has no numpy.
    if name in __all__:
        from driftlead_drift import baseline  # noqa: PLC0415

        return getattr(baseline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
