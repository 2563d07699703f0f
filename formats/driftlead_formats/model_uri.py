"""`models:/` as MLflow writes it: which version of a registered model is meant."""

import re
from dataclasses import dataclass

_FORMS = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<tail>[^/@]+)|@(?P<alias>[^/@]+))?")
_VERSION = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """A registered model, and at most one of version, alias and registry stage; empty is not given.

    Version "0" is that of a model which no registry counts: it stands so in the prediction log.
    """

    name: str
    version: str = ""
    alias: str = ""
    stage: str = ""


def parse(uri: str) -> ModelReference | None:
    """Reads `models:/Name/3`, `models:/Name@alias`, `models:/Name/Production` and `models:/Name`.

    None for everything else. A number is a version, every other word behind the slash a stage.
    """
    found = _FORMS.fullmatch(uri)
    if not found:
        return None
    name, alias, tail = found["name"], found["alias"] or "", found["tail"] or ""
    if _VERSION.fullmatch(tail):
        return ModelReference(name=name, version=tail)
    return ModelReference(name=name, alias=alias, stage=tail)
