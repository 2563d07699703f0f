"""The columns of training rows as MLflow's signature can say them. Pure.

A signature must hold for the rows that the model was trained on: `mlflow.pyfunc`, batch scoring and Spark
refuse what does not fit it. So a column keeps its type; whole numbers stay whole. Only a column that no type
of MLflow holds as it is becomes another one, and whoever logs the model is told.
"""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

MOST_LONG = 2**63 - 1
GAPS = "whole numbers with gaps are registered as double, for no type of MLflow holds both"
TRUTHS = "booleans with gaps are registered as an optional boolean, whose gaps are None"
CATEGORIES = "pandas categories are registered as their values, and so the server gives them to the model"
UNSIGNED = "unsigned numbers of 64 bits are registered as long"
HALVES = "numbers of 16 bits are registered as float"
ZONES = "times with a zone are registered in UTC, and so the server gives them to the model"


def declared(X: "pd.DataFrame") -> "tuple[pd.DataFrame, dict[str, list[str]]]":  # noqa: N803
    """Rows whose every column has a type that MLflow knows, and the columns that were changed, by sentence.

    Raises ValueError for a name that stands twice, and for numbers beyond MLflow's.
    """
    if not X.columns.is_unique:
        name = X.columns[X.columns.duplicated()][0]
        raise ValueError(f"column {name!r} stands twice in the rows; give each feature a name of its own")
    frame = X.copy(deep=False)
    changed: dict[str, list[str]] = {}
    for name in X.columns:
        column, why = _declared(X[name])
        if why:
            frame[name] = column
            changed.setdefault(why, []).append(str(name))
    return frame, changed


def _declared(column: "pd.Series[Any]") -> "tuple[pd.Series[Any], str]":
    """A column as MLflow holds it, and why it is another one; "" where it is the same."""
    import pandas as pd  # noqa: PLC0415 - heavy

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _declared(pd.Series(np.asarray(column), column.index))[0], CATEGORIES
    if isinstance(dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC"), ZONES
    if not isinstance(dtype, np.dtype) and column.isna().any():
        if pd.api.types.is_bool_dtype(dtype):
            return column.astype(object).where(column.notna(), None), TRUTHS
        return (column.astype("float64"), GAPS) if pd.api.types.is_integer_dtype(dtype) else (column, "")
    if str(dtype).lower() == "uint64":
        return _long(column), UNSIGNED
    return (column.astype("float32"), HALVES) if str(dtype) == "float16" else (column, "")


def _long(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Unsigned numbers as signed ones."""
    if (most := column.max()) > MOST_LONG:
        raise ValueError(
            f"column {column.name!r} holds {most}, and MLflow's numbers end at {MOST_LONG}: give it as text"
        )
    return column.astype("int64")


def tell(changed: dict[str, list[str]]) -> None:
    """Warns of the columns that `declared` changed."""
    for why, names in changed.items():
        warnings.warn(
            f"{', '.join(map(repr, names))}: {why}. Rows for mlflow.pyfunc must be of these types too",
            stacklevel=3,
        )


def signature(frame: "pd.DataFrame", prediction: NDArray[Any]) -> Any:
    """MLflow's signature of declared rows. Raises ValueError for a column that no row of JSON can hold."""
    from mlflow.models import infer_signature  # noqa: PLC0415 - heavy

    with warnings.catch_warnings():
        # MLflow advises floats for whole numbers; the server takes a null in such a column as it is.
        warnings.filterwarnings("ignore", message="(?s).*integer column")
        found = infer_signature(frame, prediction)
        if _servable(found):
            return found
        # Of several columns MLflow does not say which one it cannot name.
        name = next(name for name in frame.columns if not _servable(infer_signature(frame[[name]])))
    raise ValueError(
        f"column {name!r} ({frame[name].dtype}) has no type of MLflow that a request can hold; a feature is "
        "numbers, text, booleans or times"
    )


def _servable(found: Any) -> bool:
    """Whether every input is one value of a kind that JSON has."""
    from mlflow.types import DataType  # noqa: PLC0415 - heavy

    types = [spec.type for spec in found.inputs]
    return all(isinstance(each, DataType) and each != DataType.binary for each in types)
