"""What skl2onnx lacks, mended in the preparing process.

`SimpleImputer` keeps float64 (ONNX's own Imputer knows float32 alone), and an infinite threshold, which trees
have that split present from missing values, no longer sends the converter into an endless loop.
"""

from typing import Any

import numpy as np


def repair() -> None:
    """Mends skl2onnx, for as long as this process lives."""
    from skl2onnx import update_registered_converter  # noqa: PLC0415 - heavy
    from skl2onnx.common import tree_ensemble  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415

    update_registered_converter(SimpleImputer, "DriftleadSimpleImputer", shape, fill)
    if getattr(tree_ensemble.sklearn_threshold, "mended", False):
        return
    searched = tree_ensemble.sklearn_threshold

    def threshold(cut: Any, *arguments: Any) -> Any:
        """A threshold in float32; an infinite one is its own nearest number."""
        return cut if np.isinf(cut) else searched(cut, *arguments)

    threshold.mended = True  # type: ignore[attr-defined]
    tree_ensemble.sklearn_threshold = threshold


def shape(operator: Any) -> None:
    """The output is like the input."""
    given = operator.inputs[0].type
    operator.outputs[0].type = type(given)([None, given.shape[1]])


def fill(scope: Any, operator: Any, container: Any) -> None:
    """Where a value is NaN, the feature's statistic. Raises `NotImplementedError` for other uses."""
    from skl2onnx.algebra.onnx_ops import OnnxIsNaN, OnnxWhere  # noqa: PLC0415
    from skl2onnx.common.data_types import guess_numpy_type  # noqa: PLC0415

    imputer, given, opset = operator.raw_operator, operator.inputs[0], container.target_opset
    statistics = np.asarray(imputer.statistics_)
    missing_value = imputer.missing_values
    plain = isinstance(missing_value, float) and np.isnan(missing_value)
    if not plain or imputer.add_indicator or statistics.dtype.kind != "f" or np.isnan(statistics).any():
        raise NotImplementedError("an imputer that does more than to fill NaN with a number")
    numbers = statistics.astype(guess_numpy_type(given.type))[np.newaxis, :]
    missing = OnnxIsNaN(given, op_version=opset)
    filled = OnnxWhere(missing, numbers, given, op_version=opset, output_names=operator.outputs[:1])
    filled.add_to(scope, container)
