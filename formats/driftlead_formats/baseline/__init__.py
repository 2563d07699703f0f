"""The baseline of a model version: bins chosen from its training data, counts in them, and its file.

`binning` says how a value becomes a count, `choosing` which bins a feature gets, `blocks` how much traffic
differs between its own hours or days; `fields` is what a baseline holds, `file` how it is kept, `baseline`
what one does with it and `build` how it is made.
"""

from driftlead_formats.baseline.baseline import ARTIFACT, PREDICTION, Baseline, BaselineError
from driftlead_formats.baseline.build import build

__all__ = ["ARTIFACT", "PREDICTION", "Baseline", "BaselineError", "build"]
