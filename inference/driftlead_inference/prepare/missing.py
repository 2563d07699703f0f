"""What a missing value was in training: NaN, as pandas reads files, or None. JSON's null is either.

scikit-learn keeps the two apart: an encoder that learned NaN takes None for a category it has never seen. The
fitted parts know best, then the input example; without a word from either it is NaN, which pandas makes of
an empty cell. A column of truth values with a gap is one of objects (pandas reads such a file so), and so is
one of numbers among which None stood.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from driftlead_inference.model.examples import stored_cells
from driftlead_inference.rows.signature import NUMERIC, Signature

Missing = Literal["nan", "none"]
INNER = ("best_estimator_", "estimator_", "regressor_", "classifier_")  # of estimators around another one


def with_missing(signature: Signature, estimator: Any, folder: Path) -> Signature:
    """The signature with what a missing text is, column by column."""
    known: dict[str, Missing] = {}
    objects: set[str] = set()
    for name, values in encoders(estimator, signature.names):
        kinds = {kind_of(value) for value in values}
        if "none" in kinds or ("nan" in kinds and any(isinstance(value, bool) for value in values)):
            objects.add(name)
        if "nan" in kinds:
            known.setdefault(name, "nan")
        elif "none" in kinds:
            known.setdefault(name, "none")
    known = {**of_example(folder), **known}
    features = [
        msgspec.structs.replace(
            feature,
            missing=known.get(feature.name, "nan"),
            objects=feature.kind in NUMERIC and feature.name in objects,
        )
        for feature in signature.features
    ]
    return msgspec.structs.replace(signature, features=tuple(features))


def encoders(part: Any, columns: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The values that encoders and imputers within an estimator know, with the column's name."""
    if hasattr(part, "steps"):
        for _, step in part.steps:
            if getattr(step, "n_features_in_", len(columns)) != len(columns):
                return  # the columns behind a step that made others have no names
            yield from encoders(step, columns)
    elif hasattr(part, "transformers_"):
        for _, inner, chosen in part.transformers_:
            yield from encoders(inner, selected(chosen, columns))
    elif hasattr(part, "transformer_list"):
        for _, inner in part.transformer_list:
            yield from encoders(inner, columns)
    elif inner := next((getattr(part, name) for name in INNER if hasattr(part, name)), None):
        yield from encoders(inner, columns)
    else:
        yield from of_one(part, columns)


def of_one(part: Any, columns: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """What one fitted transformer knows of each column."""
    if type(part).__name__ == "SimpleImputer" and part.missing_values is None:
        yield from ((str(name), [None]) for name in columns)
    categories = getattr(part, "categories_", None)
    if isinstance(categories, list) and len(categories) == len(columns):
        for name, values in zip(columns, categories, strict=True):
            if isinstance(values, np.ndarray):
                yield str(name), values.tolist()


def kind_of(value: Any) -> Missing | None:
    """Which of the two a value is, if any."""
    if value is None:
        return "none"
    return "nan" if isinstance(value, float) and math.isnan(value) else None


def selected(chosen: Any, columns: Sequence[Any]) -> list[Any]:
    """The names of a column transformer's choice: names, positions, a slice or a mask."""
    if isinstance(chosen, slice) and not isinstance(chosen.start or chosen.stop, str):
        return list(columns[chosen])
    names = [chosen] if isinstance(chosen, str | int) else list(np.ravel(np.asarray(chosen)).tolist())
    if names and all(isinstance(name, bool) for name in names):
        return [name for name, wanted in zip(columns, names, strict=False) if wanted]
    return [
        columns[name] if isinstance(name, int) and -len(columns) <= name < len(columns) else name
        for name in names
    ]


def of_example(folder: Path) -> dict[str, Missing]:
    """What the stored example holds, where it is a table: MLflow writes NaN and null apart."""
    kinds = [(name, kind_of(value)) for name, value in stored_cells(folder)]
    return {name: kind for name, kind in kinds if kind is not None}
