"""Tells ONNX tree ensembles where a missing value goes, which skl2onnx leaves out.

scikit-learn's trees learn for every split to which side NaN goes (`missing_go_to_left`); without that a
converted forest sends NaN to the right everywhere. The verification afterwards judges whether this repeats
scikit-learn.
"""

from typing import Any

import numpy as np

ENSEMBLES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
TRACKS = "nodes_missing_value_tracks_true"


def route_missing(model: Any, estimator: Any) -> None:
    """Writes each split's side for NaN into the tree ensembles of an ONNX model, in place."""
    sides = sides_of(estimator)
    for node in model.graph.node if sides else ():
        if node.op_type in ENSEMBLES:
            fill(node, sides)


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
