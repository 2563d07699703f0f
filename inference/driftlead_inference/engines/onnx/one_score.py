"""Ensembles whose trees add up to one score - regressions and two classes - as the operator `TreeEnsemble`.

skl2onnx writes the older operators, which keep a leaf's value apart from the leaf, another wait for memory
for each tree, know leaves in float32 alone, and answer in float32. This one holds a leaf's value in its node,
in float64, so a forest's probabilities are scikit-learn's to the last digits; and its file is half as large.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_inference.engines.onnx.graph import Steps
from driftlead_inference.engines.onnx.trees import Nodes

ML, OPSET = "ai.onnx.ml", 5  # the first with TreeEnsemble
CHANGED = {"LabelEncoder"}  # what else of the domain differs in that from skl2onnx's older one
SUM, UNTOUCHED, AT_MOST = 1, 0, 0  # TreeEnsemble's numbers for its attributes
CUTS = {b"NONE": 0.5, b"LOGISTIC": 0.0}  # above which score an ensemble says the second class


def rewrite(model: Any, node: Any, nodes: Nodes, both: str, dtype: str) -> bool:
    """Replaces an ensemble of skl2onnx's, asked of the input `both`; False where it has several scores, and
    stays."""
    from onnx import helper  # noqa: PLC0415 - heavy

    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    operators = {each.op_type for each in model.graph.node if each.domain == ML}
    if operators & CHANGED or nodes.leaf[nodes.start].any() or not has_one_score(attributes):
        return False
    made = Steps(model, node, dtype)
    score = added_up(made, both, nodes, *leaves(nodes, attributes))
    base = attributes.get("base_values", [])
    if len(base):
        score = made.step("Add", score, made.constant("base", [base[0]]))
    if "n_targets" in attributes:
        made.step("Identity", score, out=node.output[0])
    else:
        classes(made, node, attributes, score)
    made.insert()
    model.graph.node.remove(node)
    for domain in model.opset_import:
        if domain.domain == ML:
            domain.version = OPSET
    return True


def has_one_score(attributes: dict[str, Any]) -> bool:
    """Whether an ensemble, by its attributes, is a regression of one number or tells two classes apart."""
    plain = bool(attributes.get("aggregate_function", b"SUM") == b"SUM")
    if "n_targets" in attributes:
        return plain and (attributes["n_targets"], attributes["post_transform"]) == (1, b"NONE")
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or []
    weights = attributes.get("class_weights") or [-1.0]
    votes = attributes["post_transform"] == b"LOGISTIC" or min(weights) >= 0.0
    return plain and votes and len(labels) == 2 and len(set(attributes["class_ids"])) == 1


def leaves(nodes: Nodes, attributes: dict[str, Any]) -> tuple[NDArray[np.float64], float]:
    """What every leaf adds, (nodes,), and by what the sum is divided.

    A forest's are scikit-learn's own, which are added up and then divided, as it does; others, such as
    boosting's, which stand for a learning rate too, are what skl2onnx says.
    """
    kind = "target" if "n_targets" in attributes else "class"
    at = nodes.start[np.array(attributes[f"{kind}_treeids"])] + np.array(attributes[f"{kind}_nodeids"])
    added = np.zeros(len(nodes.leaf))
    added[at] = attributes[f"{kind}_weights"]
    own, count = nodes.value, len(nodes.start)
    if np.allclose(own[nodes.leaf] / count, added[nodes.leaf], rtol=1e-6, atol=0.0):
        return own, float(count)
    return added, 1.0


def added_up(made: Steps, both: str, nodes: Nodes, added: NDArray[np.float64], divisor: float) -> str:
    """The trees' sum, divided: (rows, 1). Splits and leaves are numbered apart, over all trees."""
    from onnx import numpy_helper  # noqa: PLC0415 - heavy

    split = ~nodes.leaf
    number = np.where(split, np.cumsum(split), np.cumsum(nodes.leaf)) - 1
    yes, no = nodes.yes[split], nodes.no[split]
    score = made.step(
        "TreeEnsemble",
        both,
        domain=ML,
        aggregate_function=SUM,
        post_transform=UNTOUCHED,
        n_targets=1,
        tree_roots=number[nodes.start].tolist(),
        nodes_featureids=nodes.feature[split].tolist(),
        nodes_splits=numpy_helper.from_array(nodes.threshold[split].astype(made.dtype)),
        nodes_modes=numpy_helper.from_array(np.full(int(split.sum()), AT_MOST, np.uint8)),
        nodes_truenodeids=number[yes].tolist(),
        nodes_falsenodeids=number[no].tolist(),
        nodes_trueleafs=nodes.leaf[yes].astype(int).tolist(),
        nodes_falseleafs=nodes.leaf[no].astype(int).tolist(),
        nodes_missing_value_tracks_true=nodes.missing_yes[split].astype(int).tolist(),
        leaf_targetids=[0] * int(nodes.leaf.sum()),
        leaf_weights=numpy_helper.from_array(added[nodes.leaf].astype(made.dtype)),
    )
    return made.step("Div", score, made.constant("trees", [divisor])) if divisor != 1 else score


def classes(made: Steps, node: Any, attributes: dict[str, Any], score: str) -> None:
    """Label and probabilities of two classes from the second one's score."""
    from onnx import TensorProto  # noqa: PLC0415 - heavy

    above = made.step("Greater", score, made.constant("cut", [CUTS[attributes["post_transform"]]]))
    index = made.step("Cast", above, to=TensorProto.INT64)
    labels = attributes.get("classlabels_int64s") or attributes["classlabels_strings"]
    found = made.step("Gather", made.constant("labels", list(labels), labels=True), index)
    made.step("Reshape", found, made.constant("flat", [-1], labels=True), out=node.output[0])
    second = made.step("Sigmoid", score) if attributes["post_transform"] == b"LOGISTIC" else score
    first = made.step("Sub", made.constant("one", [1.0]), second)
    made.step("Concat", first, second, out=node.output[1], axis=1)
    for output in made.model.graph.output:
        if output.name == node.output[1]:
            output.type.tensor_type.elem_type = made.kind
