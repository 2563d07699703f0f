"""Makes the tree ensembles that skl2onnx writes do what scikit-learn's trees do, and fast.

scikit-learn learns for every split to which side NaN goes; without that a converted forest sends NaN to the
right everywhere. Its trees round what they are given to float32 and add up in float64: in float32 the sum of
a hundred votes depends on their order, so on the number of threads, and half of them is a tie no longer. The
verification afterwards judges whether this repeats scikit-learn.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_inference.engines.onnx import one_score
from driftlead_inference.engines.onnx.graph import Steps
from driftlead_inference.engines.onnx.trees import Nodes, flipped, read, trees_of

ENSEMBLES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")


def complete(model: Any, estimator: Any, dtype: str) -> None:
    """Makes the tree ensembles of an ONNX model do what scikit-learn's trees do, in place."""
    trees = trees_of(estimator)
    for node in list(model.graph.node) if trees else ():
        nodes = read(node, trees) if node.op_type in ENSEMBLES else None
        if nodes is None:
            continue  # no ensemble, or not of these trees: it stays as it is, and is judged so
        both = prepare_input(model, node, dtype)
        nodes = flipped(nodes, trees[0].n_features)
        if not one_score.rewrite(model, node, nodes, both, dtype):
            write(node, nodes, both)


def prepare_input(model: Any, node: Any, dtype: str) -> str:
    """Puts before an ensemble what it is asked of: its input, rounded to float32, and that negative. The name
    of both side by side."""
    from onnx import TensorProto  # noqa: PLC0415 - heavy

    made, given = Steps(model, node, dtype), node.input[0]
    if dtype == "double":  # it is rounded, and added up in float64 all the same
        rounded = made.step("Cast", given, out=f"{node.name}.float", to=TensorProto.FLOAT)
        given = made.step("Cast", rounded, out=f"{node.name}.double", to=TensorProto.DOUBLE)
    both = made.step("Concat", given, made.step("Neg", given), out=f"{node.name}.both", axis=1)
    made.insert()
    return both


def write(node: Any, nodes: Nodes, both: str) -> None:
    """Puts the nodes into an ensemble of skl2onnx's, asked of the input `both`."""
    from onnx import helper  # noqa: PLC0415 - heavy

    first = np.repeat(nodes.start, np.diff([*nodes.start, len(nodes.leaf)]))
    written: dict[str, NDArray[Any]] = {
        "nodes_featureids": nodes.feature,
        "nodes_values": nodes.threshold,
        "nodes_truenodeids": np.where(nodes.leaf, 0, nodes.yes - first),
        "nodes_falsenodeids": np.where(nodes.leaf, 0, nodes.no - first),
        "nodes_missing_value_tracks_true": nodes.missing_yes.astype(int),
    }
    kept = [attribute for attribute in node.attribute if attribute.name not in written]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(name, values.tolist()) for name, values in written.items())
    node.input[0] = both
