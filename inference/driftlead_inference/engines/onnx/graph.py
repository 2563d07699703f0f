"""Parts of an ONNX graph in the making."""

from typing import Any

import numpy as np


class Steps:
    """ONNX nodes that are put before another one, in order; their names begin with its name."""

    def __init__(self, model: Any, before: Any, dtype: str) -> None:
        from onnx import TensorProto  # noqa: PLC0415 - heavy

        self.model, self.before, self.prefix = model, before, before.name
        self.kind = TensorProto.DOUBLE if dtype == "double" else TensorProto.FLOAT
        self.dtype = np.float64 if dtype == "double" else np.float32
        self.steps: list[Any] = []

    def step(self, operator: str, *inputs: str, out: str = "", domain: str = "", **attributes: Any) -> str:
        """Appends a node; the name of its output."""
        from onnx import helper  # noqa: PLC0415 - heavy

        name = out or f"{self.prefix}.{operator}"
        self.steps.append(helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, name: str, values: list[Any], *, labels: bool = False) -> str:
        """A constant of the ensemble's type, or of `labels` (integers or text)."""
        from onnx import numpy_helper  # noqa: PLC0415 - heavy

        array = np.array(values, dtype=None if labels else self.dtype)
        if array.dtype.kind in "SU":
            array = array.astype(object)
        self.model.graph.initializer.append(numpy_helper.from_array(array, f"{self.prefix}.{name}"))
        return f"{self.prefix}.{name}"

    def insert(self) -> None:
        """Puts the nodes where they belong."""
        place = list(self.model.graph.node).index(self.before)
        for step in reversed(self.steps):
            self.model.graph.node.insert(place, step)
