"""`models:/` as MLflow writes it: which version of a registered model is meant, or which logged model."""

import re
from dataclasses import dataclass

_FORMS = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<tail>[^/@]+)|@(?P<alias>[^/@]+))?")
_VERSION = re.compile(r"0|[1-9][0-9]*")
_LOGGED = re.compile(r"models:/(m-[0-9a-f]{32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """A registered model, and at most one of version, alias and registry stage; empty is not given.

    Or, with `model_id` and nothing else, a logged model, which needs no registry (MLflow 3).

    Version "0" is that of a model which no registry counts: it stands so in the prediction log.
    """

    name: str = ""
    version: str = ""
    alias: str = ""
    stage: str = ""
    model_id: str = ""


def parse(uri: str) -> ModelReference | None:
    """Reads `models:/Name/3`, `models:/Name@alias`, `models:/Name/Production`, `models:/Name` and
    `models:/m-<id>`.

    None for everything else. A number is a version, every other word behind the slash a stage.
    """
    if logged := _LOGGED.fullmatch(uri):
        return ModelReference(model_id=logged[1])
    found = _FORMS.fullmatch(uri)
    if not found:
        return None
    name, alias, tail = found["name"], found["alias"] or "", found["tail"] or ""
    if _VERSION.fullmatch(tail):
        return ModelReference(name=name, version=tail)
    return ModelReference(name=name, alias=alias, stage=tail)
