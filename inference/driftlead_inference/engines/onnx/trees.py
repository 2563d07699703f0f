"""The trees of an ensemble in an ONNX model, and the order in which they are walked fastest.

ONNX Runtime puts a split's "no" side right behind it in memory. A forest is larger than a processor's caches,
so nearly all of its time is waiting for nodes: where "no" is the side that most rows take, a row often finds
the next node in a line that it has already, and a forest takes half the time. A split is flipped by asking of
-x instead of x, so that all splits still ask the same kind of question, which is another fast path.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Nodes:
    """The nodes of an ensemble, tree after tree; each array is (nodes,), but `start` (trees,).

    start         where each tree begins
    feature       of a split, which asks: is it at most `threshold`?
    yes, no       where it goes then, and otherwise: places in these arrays
    leaf          whether it is a leaf, not a split
    missing_yes   whether NaN goes to `yes`
    samples       how many rows of the training came by
    value         scikit-learn's own answer: of the last class, or the first number
    """

    start: Whole
    feature: Whole
    threshold: NDArray[np.float32]
    yes: Whole
    no: Whole
    leaf: NDArray[np.bool_]
    missing_yes: NDArray[np.bool_]
    samples: NDArray[np.float64]
    value: NDArray[np.float64]


def trees_of(estimator: Any) -> list[Any]:
    """scikit-learn's own trees of a model, in their order; empty for other models."""
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    trees = [tree.tree_ for tree in np.ravel(getattr(final, "estimators_", [])) if hasattr(tree, "tree_")]
    return [final.tree_] if hasattr(final, "tree_") else trees


def read(node: Any, trees: list[Any]) -> Nodes | None:
    """An ensemble's nodes; None unless its trees are the estimator's, node by node."""
    attributes = {attribute.name: attribute for attribute in node.attribute}
    tree = np.array(attributes["nodes_treeids"].ints)
    place = np.array(attributes["nodes_nodeids"].ints)
    sizes = [each.node_count for each in trees]
    start = np.cumsum([0, *sizes[:-1]])
    leaf = np.array([mode == b"LEAF" for mode in attributes["nodes_modes"].strings])
    asks = {*attributes["nodes_modes"].strings} <= {b"LEAF", b"BRANCH_LEQ"}
    if not asks or len(tree) != sum(sizes) or (start[tree] + place != np.arange(len(tree))).any():
        return None
    learnt = [each.__getstate__()["nodes"] for each in trees]
    return Nodes(
        start,
        np.array(attributes["nodes_featureids"].ints),
        np.array(attributes["nodes_values"].floats, dtype=np.float32),
        np.array(attributes["nodes_truenodeids"].ints) + start[tree],
        np.array(attributes["nodes_falsenodeids"].ints) + start[tree],
        leaf,
        np.concatenate([each["missing_go_to_left"] for each in learnt]).astype(bool),
        np.concatenate([each["weighted_n_node_samples"] for each in learnt]),
        np.concatenate([each.value[:, 0, -1] for each in trees]),
    )


def flipped(nodes: Nodes, width: int) -> Nodes:
    """The same ensemble with the busier side of every split under "no".

    It is asked of (rows, 2 * width): the features, then their negatives. Where x <= t was asked, "no" to
    -x < -t is the same as "yes" to it; and -x < -t asks whether -x is at most the float32 before -t.
    """
    busy = nodes.samples[nodes.yes] > nodes.samples[nodes.no]
    flip = busy & ~nodes.leaf & np.isfinite(nodes.threshold)
    before = np.nextafter(-nodes.threshold, np.float32(-np.inf))
    return replace(
        nodes,
        feature=np.where(flip, nodes.feature + width, nodes.feature),
        threshold=np.where(flip, before, nodes.threshold),
        yes=np.where(flip, nodes.no, nodes.yes),
        no=np.where(flip, nodes.yes, nodes.no),
        missing_yes=nodes.missing_yes ^ flip,
    )
