"""What skl2onnx leaves out of scikit-learn's trees: where a missing value goes, and that they see float32.

They learn for every split to which side NaN goes (`missing_go_to_left`); without that a converted forest
sends NaN to the right everywhere. They round what they are given to float32 and add up in float64: in float32
the sum of a hundred votes depends on their order, so on the number of threads, and half of them is no tie any
more. The verification afterwards judges whether this repeats scikit-learn.
"""

from typing import Any

import numpy as np

ENSEMBLES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
TRACKS = "nodes_missing_value_tracks_true"


def complete(model: Any, estimator: Any, dtype: str) -> None:
    """Makes the tree ensembles of an ONNX model do what scikit-learn's trees do, in place."""
    sides = sides_of(estimator)
    for node in list(model.graph.node) if sides else ():
        if node.op_type in ENSEMBLES:
            fill(node, sides)
            if dtype == "double":
                narrow(model, node)


def narrow(model: Any, node: Any) -> None:
    """Rounds what an ensemble is given to float32, and back to float64 so that it adds up in that."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - heavy

    given, rounded, widened = node.input[0], f"{node.name}.float", f"{node.name}.double"
    casts = [
        helper.make_node("Cast", [given], [rounded], to=TensorProto.FLOAT),
        helper.make_node("Cast", [rounded], [widened], to=TensorProto.DOUBLE),
    ]
    place = list(model.graph.node).index(node)
    for cast in reversed(casts):
        model.graph.node.insert(place, cast)
    model.graph.node[place + len(casts)].input[0] = widened


def sides_of(estimator: Any) -> list[Any]:
    """For each tree, whether NaN goes to the left (true) branch, by node; empty without scikit-learn's own
    trees."""
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    trees = [tree.tree_ for tree in np.ravel(getattr(final, "estimators_", [])) if hasattr(tree, "tree_")]
    if hasattr(final, "tree_"):
        trees = [final.tree_]
    return [tree.__getstate__()["nodes"]["missing_go_to_left"] for tree in trees]


def fill(node: Any, sides: list[Any]) -> None:
    """Fills one ensemble's attribute, split by split."""
    values = {attribute.name: attribute for attribute in node.attribute}
    trees, places = values["nodes_treeids"].ints, values["nodes_nodeids"].ints
    if not trees or max(trees) >= len(sides):
        return  # not one ensemble tree for each of the estimator's: it stays as it is, and is judged so
    tracks = [int(sides[tree][place]) for tree, place in zip(trees, places, strict=True)]
    attribute = values.get(TRACKS)
    if attribute is None:
        from onnx import helper  # noqa: PLC0415 - heavy

        node.attribute.append(helper.make_attribute(TRACKS, tracks))
        return
    del attribute.ints[:]
    attribute.ints.extend(tracks)
