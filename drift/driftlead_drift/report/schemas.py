"""Documents are held against the JSON Schemas that are shipped beside them, before they leave."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a document, by what the document says in its member `schema`: `drift-report/v1`."""
    file = f"schemas/{name.replace('/', '-')}.schema.json"
    loaded: dict[str, Any] = json.loads(files("driftlead_formats").joinpath(file).read_text())
    return loaded


def encode(document: Mapping[str, Any]) -> bytes:
    """The document as it is stored; infinite numbers become null. Raises jsonschema's error if invalid."""
    import jsonschema  # noqa: PLC0415 - 0.1 s that other commands need not pay
    import orjson  # noqa: PLC0415

    body = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    jsonschema.Draft202012Validator(schema(document["schema"])).validate(orjson.loads(body))
    return body
