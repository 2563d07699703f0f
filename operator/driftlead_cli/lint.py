"""Judges manifests without a cluster: as the API server would, then as the operator would."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from driftlead_cli.errors import Refused
from driftlead_operator.decisions.names import GROUP
from driftlead_operator.decisions.spec import parse

API_VERSION = f"{GROUP}/v1alpha1"
KIND = "ModelDeployment"
UNTRANSLATED = "autoscaling.minReplicas must not be more than autoscaling.maxReplicas"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that would be refused: in which document (from 1), at which field, and why."""

    document: int
    path: str
    message: str

    def __str__(self) -> str:
        """`document 1, spec.prod.replicas: 'two' is not of type 'integer'`."""
        return f"document {self.document}, {self.path or 'the whole'}: {self.message}"


@cache
def validator() -> Draft202012Validator:
    """Made once from the schema that travels with the package."""
    file = resources.files("driftlead_cli") / "schemas/modeldeployment_v1alpha1.json"
    return Draft202012Validator(json.loads(file.read_text()))


def documents(text: str) -> list[Any]:
    """The documents of a YAML file that are not empty. Raises Refused when it is not valid YAML."""
    try:
        return [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        raise Refused(f"the file is not valid YAML: {error}") from error


def is_ours(document: object) -> bool:
    """Whether a document means to be a ModelDeployment; others are not ours to judge."""
    if not isinstance(document, Mapping):
        return False
    group = str(document.get("apiVersion", "")).split("/")[0]
    return document.get("kind") == KIND or group == GROUP


def _place(parts: Sequence[str | int]) -> str:
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in parts).lstrip(".")


def _sentence(error: ValidationError) -> str | None:
    """The sentence of the rule that was broken, where the API has one."""
    schema: Any = validator().schema
    found = None
    for step in error.absolute_schema_path:
        found = schema.get("errorMessage", found) if isinstance(schema, Mapping) else found
        schema = schema[step]
    return found


def _unknown(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Each unknown field with its likely name."""
    schema: Any = error.schema
    instance: Any = error.instance
    known, given = list(schema["properties"]), [str(name) for name in instance]
    for name in sorted(set(given) - set(known)):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
        yield _place([*error.absolute_path, name]), f"unknown field; {hint}"


def _explained(error: ValidationError) -> Iterator[tuple[str, str]]:
    place = _place(list(error.absolute_path))
    closed = isinstance(error.schema, Mapping) and "properties" in error.schema
    if sentence := _sentence(error):
        yield place, sentence
    elif error.validator == "additionalProperties" and closed:
        yield from _unknown(error)
    else:
        yield place, error.message


def _compared(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the API server sets against one another in a document whose every field is good."""
    scaling = document["spec"]["prod"].get("autoscaling")
    if scaling and scaling.get("minReplicas", 1) > scaling["maxReplicas"]:
        yield "spec.prod.autoscaling", UNTRANSLATED


def _judged(document: Any) -> Iterator[tuple[str, str]]:
    """Everything wrong with one resource. The operator is asked only about what the API server would take."""
    errors = sorted(validator().iter_errors(document), key=lambda each: _place(list(each.absolute_path)))
    found = [pair for error in errors for pair in _explained(error)]
    found = found or list(_compared(document))
    yield from found or (("spec", sentence) for sentence in parse(document)[1])


def lint(text: str) -> tuple[int, list[Problem]]:
    """How many ModelDeployments a text holds, and what is wrong. Raises Refused when it is not valid YAML."""
    ours, problems = 0, []
    for number, document in enumerate(documents(text), start=1):
        if not is_ours(document):
            continue
        ours += 1
        problems += [Problem(number, *pair) for pair in dict.fromkeys(_judged(document))]
    return ours, problems
