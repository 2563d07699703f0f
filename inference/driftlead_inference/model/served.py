"""The model version that this process serves, as protocols and documentation see it. Pure."""

import msgspec

from driftlead_formats.classes import class_name
from driftlead_inference.model.prepared import Prepared
from driftlead_inference.rows.validation import RowValidator


class ServedModel:
    """What is known of the version, the check of its rows, and `since` when it answers (ISO 8601).

    `middle` is the part of every reply of `/predict` that never changes, between the answer and the request's
    id; `classes` are the model's classes as the log names them beside their probabilities.
    """

    def __init__(self, known: Prepared, validator: RowValidator, since: str) -> None:
        self.known = known
        self.validator = validator
        self.since = since
        name = msgspec.json.encode(known.source.name)
        version = msgspec.json.encode(known.source.version)
        self.middle = b',"model_name":%b,"model_version":%b,"request_id":"' % (name, version)
        self.classes = tuple(map(class_name, known.classes or ()))
