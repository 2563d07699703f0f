"""A parser made from the settings, so that a flag, a variable and its documentation are one definition."""

import argparse
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.printable import printable
from driftlead_formats.settings_source import variable_names
from driftlead_formats.verdicts import CommandExit

S = TypeVar("S", bound=BaseSettings)
POSITIONAL = frozenset({"function"})
ONCE_FOLDED = {"json_output": "json"}


class Parser(argparse.ArgumentParser):
    """Ends with 1 and a sentence on bad usage: Python's own 2 would mean drift."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong and how to get help."""
        self.exit(CommandExit.CANNOT_JUDGE, f"{self.prog}: {printable(message)}; see {self.prog} --help\n")


def add_settings(parser: argparse.ArgumentParser, settings: type[BaseSettings]) -> None:
    """One flag per field; what is not given is left to the environment and the defaults."""
    for name, field in settings.model_fields.items():
        variables = " ".join(variable_names(settings, name))
        help_ = f"{field.description} [{variables}]".replace("%", "%%")
        options: dict[str, Any] = {"dest": name, "help": help_, "default": argparse.SUPPRESS}
        if name in POSITIONAL:
            parser.add_argument(
                name, nargs="?", help=help_, default=argparse.SUPPRESS, metavar="module:function"
            )
        elif bool in _choices(field.annotation):
            parser.add_argument(flag(name), action=argparse.BooleanOptionalAction, **options)
        else:
            parser.add_argument(flag(name), metavar=name.split("_")[-1].upper(), **options)


def flag(name: str) -> str:
    """The flag of a field."""
    return f"--{ONCE_FOLDED.get(name, name).replace('_', '-')}"


def settings_from(settings: type[S], given: Mapping[str, Any]) -> S:
    """The settings from flags, environment, files and defaults. Raises CannotJudgeError with a sentence."""
    try:
        return settings(**given)
    except ValidationError as error:
        raise CannotJudgeError("; ".join(_sentences(settings, error))) from None


def _sentences(settings: type[BaseSettings], error: ValidationError) -> Sequence[str]:
    sentences = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        field = next(
            (key for key in settings.model_fields if name in (key, *variable_names(settings, key))), name
        )
        variable = variable_names(settings, field)[0]
        what = problem["msg"].removeprefix("Value error, ")
        seen = "" if problem["type"] == "missing" else f", not {problem['input']!r}"
        sentences.append(f"{flag(field)} ({variable}): {what[0].lower()}{what[1:]}{seen}")
    return sentences


def _choices(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)
