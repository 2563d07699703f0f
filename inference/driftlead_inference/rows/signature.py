"""What a model takes: its features in order, as MLflow's signature or the estimator itself says. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

Kind = Literal["float", "integer", "boolean", "string", "datetime"]

# MLflow's column types, the kind of value that we accept for each, and the pandas type the model gets.
COLUMN_TYPES: Mapping[str, tuple[Kind, str]] = {
    "double": ("float", "float64"),
    "float": ("float", "float32"),
    "long": ("integer", "int64"),
    "integer": ("integer", "int32"),
    "boolean": ("boolean", "bool"),
    "string": ("string", "object"),
    "datetime": ("datetime", "datetime64[ns]"),
}
ZONED = "datetime64[ns, UTC]"  # of times that had a zone in training
NUMERIC: frozenset[Kind] = frozenset({"float", "integer", "boolean"})


class Unservable(Exception):  # noqa: N818 - a property of the model, in a sentence
    """The model says nothing, or something that a row of features cannot be."""


class Feature(msgspec.Struct, frozen=True):
    """One input: `dtype` is the pandas type that the model gets; `missing`: what a missing value is among
    objects. `objects`: training held truth values or numbers as objects, since no value was among them."""

    name: str
    kind: Kind = "float"
    dtype: str = "float64"
    required: bool = True
    missing: Literal["nan", "none"] = "nan"
    objects: bool = False


class Signature(msgspec.Struct, frozen=True):
    """The features in the model's order; `named` when the model knows them by name."""

    features: tuple[Feature, ...]
    named: bool

    @property
    def names(self) -> list[str]:
        """The features' names in order."""
        return [feature.name for feature in self.features]

    @property
    def numeric(self) -> bool:
        """Whether a row is numbers alone, so that an array of float64 holds it."""
        return all(feature.kind in NUMERIC for feature in self.features)

    @property
    def whole(self) -> list[int]:
        """The positions of integer and boolean columns, whose types hold no null."""
        return [
            at
            for at, feature in enumerate(self.features)
            if feature.kind in ("integer", "boolean") and not feature.objects
        ]

    @property
    def array_dtype(self) -> str:
        """The type of the array that the model takes: its tensor's own, float64 for columns by name."""
        return "float64" if self.named else self.features[0].dtype

    def exact(self, takes: str) -> bool:
        """Whether whole numbers must reach the model without a detour by float64, which cuts beyond 2**53."""
        wide = any(feature.kind == "integer" for feature in self.features)
        return wide and (takes != "array" or not self.named)


def unnamed(count: int, dtype: str = "float64") -> Signature:
    """A signature of `count` numbers without names; they are called f0, f1, ... in sentences and logs."""
    if count < 1:
        raise Unservable("the model takes no feature")
    kind: Kind = "integer" if dtype.startswith(("int", "uint")) else "float"
    return Signature(tuple(Feature(f"f{index}", kind, dtype) for index in range(count)), named=False)


def from_mlflow(inputs: Sequence[Mapping[str, Any]]) -> Signature:
    """The signature from MLflow's `inputs` (the list that `Schema.to_dict` gives).

    Raises `Unservable` for tensors that are not rows of numbers, and for nested columns.
    """
    tensors = [column for column in inputs if column.get("type") == "tensor"]
    if tensors:
        return from_tensor(tensors)
    features = []
    for index, column in enumerate(inputs):
        name = str(column.get("name", f"f{index}"))
        if column.get("type") not in COLUMN_TYPES:
            raise Unservable(f"column {name!r} is of type {column.get('type')!r}, which a row cannot hold")
        kind, dtype = COLUMN_TYPES[str(column["type"])]
        features.append(Feature(name, kind, dtype, bool(column.get("required", True))))
    if not features:
        raise Unservable("the signature names no input")
    return Signature(tuple(features), named="name" in inputs[0])


def from_tensor(tensors: Sequence[Mapping[str, Any]]) -> Signature:
    """The signature of one tensor of rows: its shape is [-1, features]."""
    spec = tensors[0]["tensor-spec"]
    shape = tuple(spec["shape"])
    if len(tensors) != 1 or len(shape) != 2 or shape[1] < 1:
        raise Unservable(
            f"the signature asks for {len(tensors)} tensor(s), the first of shape {shape}; "
            "served are rows: one tensor of shape (-1, number of features)"
        )
    dtype = str(spec["dtype"])
    if not dtype.startswith(("float", "int", "uint")):
        raise Unservable(f"the signature's tensor is of type {dtype}; served are numbers")
    return unnamed(int(shape[1]), dtype)


def from_estimator(estimator: object) -> Signature:
    """The signature of a scikit-learn estimator that was logged without one."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return Signature(tuple(Feature(str(name)) for name in names), named=True)
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        raise Unservable("the model has no signature and does not say how many features it takes")
    return unnamed(int(count))
