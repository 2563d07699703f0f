"""Whether answers depend on the unit of times: of a model that reads the integer behind a time.

A signature says `datetime` and no unit, and a stored example holds text. The model gets nanoseconds, as
MLflow's own type means; one that was trained on microseconds, pandas 3's default, and takes the integer would
answer something else. It is found out by asking with both, and said.
"""

from typing import Any

from driftlead_inference.model import frames
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.prepare.probing import same, tried
from driftlead_inference.rows.signature import Signature

OTHER = "datetime64[us]"


def doubts(loaded: Loaded, signature: Signature, takes: str, row: list[Any]) -> list[str]:
    """A sentence where an answered row with times would be answered otherwise in another unit."""
    timed = [at for at, feature in enumerate(signature.features) if feature.kind == "datetime"]
    if not timed or takes != "frame":
        return []
    frame = frames.frame(signature, [row])

    def answers(data: Any) -> list[Any]:
        return list(loaded.predict(data, probabilities=loaded.has_probabilities))

    # A zone is kept; `as_unit` changes the unit alone.
    other = frame.assign(**{name: frame[name].dt.as_unit("us") for name in frame.columns[timed]})
    one, two = (tried(answers, each) for each in (frame, other))
    if one is None or two is None or same(one, two):
        return []  # what takes one unit alone is told by its own error
    names = ", ".join(repr(signature.features[at].name) for at in timed)
    sentence = (
        f"the answers depend on the unit of the times in {names}, which MLflow does not store; the model "
        "gets nanoseconds. If it was trained on another unit, as pandas 3 makes by default, its answers are "
        'wrong: convert within the pipeline, .astype("datetime64[ns]"), before the integer is taken'
    )
    return [sentence]
