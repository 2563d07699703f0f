"""JSON Schemas of what the protocols take, made of what the served model takes. Pure.

What a schema takes, the model answers: whoever generates a client from `/openapi.json` sends rows that fit.
"""

from driftlead_inference.protocols.protocol import Schema
from driftlead_inference.rows.validation import FLOAT32_MAX, RowValidator

EXACT = 2**53  # whole numbers up to here are the same in float64
VALUES: dict[str, Schema] = {
    "float": {"type": "number", "minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX},
    "integer": {"type": "integer", "minimum": -EXACT, "maximum": EXACT},
    "boolean": {"type": "boolean"},
    "string": {"type": "string", "pattern": "^[^\\u0000]*$"},
    "datetime": {"type": "string", "format": "date-time"},
}


def values(validator: RowValidator) -> list[Schema]:
    """Each feature's value in the model's order; null where the model answers without it."""
    found = []
    for at, feature in enumerate(validator.signature.features):
        schema = VALUES[feature.kind]
        missing = {"type": [schema["type"], "null"]} if at in validator.accepts_missing else {}
        found.append({**schema, **missing})
    return found


def row(validator: RowValidator) -> Schema:
    """A row by position, or by name where the features have names."""
    each = values(validator)
    width = {"type": "array", "minItems": len(each), "maxItems": len(each)}
    alike = all(schema == each[0] for schema in each)
    listed = {**width, "items": each[0]} if alike else {**width, "prefixItems": each}
    if not validator.signature.named:
        return listed
    names = validator.signature.names
    named = {"type": "object", "required": names, "properties": dict(zip(names, each, strict=True))}
    return {"anyOf": [listed, {**named, "additionalProperties": False}]}


def rows(validator: RowValidator) -> Schema:
    """Several rows."""
    return {"type": "array", "items": row(validator), "minItems": 1}


def holding(name: str, schema: Schema) -> Schema:
    """An object with one member that must be there."""
    return {"type": "object", "required": [name], "properties": {name: schema}}
