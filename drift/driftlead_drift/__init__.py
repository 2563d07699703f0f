"""The drift check, the comparison of canary with prod, and retraining.

For a notebook or a training script: `driftlead_drift.log_model(model, X, registered_model=..., time=...)`, or
`driftlead_drift.log_baseline(X, time=..., groups=...)` after logging a model yourself. For training on
labels that came by POST /feedback: `driftlead_drift.labelled_rows(registered_model, features, since=...)`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from driftlead_drift.traffic.labelled import LabelledRows, labelled_rows
    from driftlead_drift.training import LoggedVersion, log_baseline, log_model

__all__ = ["LabelledRows", "LoggedVersion", "labelled_rows", "log_baseline", "log_model"]
_LABELLED = ("LabelledRows", "labelled_rows")


def __getattr__(name: str) -> Any:
    # Loaded at first use: who wants the settings alone need not wait for numpy.
    if name in _LABELLED:
        from driftlead_drift.traffic import labelled  # noqa: PLC0415

        return getattr(labelled, name)
    if name in __all__:
        from driftlead_drift import training  # noqa: PLC0415

        return getattr(training, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
