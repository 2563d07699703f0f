"""`driftlead-drift`: baseline, check, compare, retrain, migrate.

Exit codes: 0 no drift found, 2 drift, 1 it could not judge; a wrong flag is a 1 too.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import structlog

from driftlead_drift.command_result import CommandResult
from driftlead_drift.commandline import Parser, add_settings, settings_from
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.printable import printable
from driftlead_drift.settings import (
    BaselineSettings,
    CheckSettings,
    CompareSettings,
    Connections,
    MigrateSettings,
    RetrainSettings,
)
from driftlead_formats.connections import export_connections
from driftlead_formats.verdicts import CommandExit


class Command(NamedTuple):
    """A subcommand: its settings, what runs it, and a line of help."""

    settings: type[Connections]
    run: Callable[[Any], CommandResult]
    help: str


def baseline(settings: BaselineSettings) -> CommandResult:
    """Makes a baseline of a file."""
    from driftlead_drift.commands import make_baseline_file  # noqa: PLC0415

    return make_baseline_file(settings)


def check(settings: CheckSettings) -> CommandResult:
    """Judges a window of traffic or a file."""
    from driftlead_drift.check.command import run  # noqa: PLC0415

    return run(settings)


def compare(settings: CompareSettings) -> CommandResult:
    """Compares the canary with prod: 0 not worse or too early to tell, 2 worse, 1 it could not be
    compared."""
    from driftlead_drift.compare.command import run  # noqa: PLC0415

    return run(settings)


def retrain(settings: RetrainSettings) -> CommandResult:
    """Trains by the user's function and registers what beats the champion; 0 also where that stays."""
    from driftlead_drift.retraining.command import run  # noqa: PLC0415

    return run(settings)


def migrate(settings: MigrateSettings) -> CommandResult:
    """Brings the database to this release's schema."""
    from driftlead_drift.commands import migrate_command  # noqa: PLC0415

    return migrate_command(settings)


COMMANDS = {
    "baseline": Command(BaselineSettings, baseline, "make a baseline of training rows in a file"),
    "check": Command(CheckSettings, check, "judge logged traffic, or a file, against a baseline"),
    "compare": Command(CompareSettings, compare, "compare the canary with prod"),
    "retrain": Command(
        RetrainSettings, retrain, "train by your function, and register what beats the champion"
    ),
    "migrate": Command(MigrateSettings, migrate, "make or update the tables"),
}


def parser() -> Parser:
    """The parser of the whole command line."""
    main = Parser(prog="driftlead-drift", description=__doc__, allow_abbrev=False)
    main.add_argument("--version", action="version", version=f"driftlead-drift {version('driftlead')}")
    commands = main.add_subparsers(dest="command", required=True, parser_class=Parser)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name, help=command.help, description=command.run.__doc__, allow_abbrev=False
        )
        add_settings(sub, command.settings)
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, 2 or 1, whatever happens."""
    given = vars(parser().parse_args(arguments))
    name = given.pop("command")
    command = COMMANDS[name]
    # Standard output belongs to the result, which programs read.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        settings = settings_from(command.settings, given)
        export_connections(settings.connections_dir)
        result = command.run(settings)
        if settings.json_output or result.words:
            print(
                json.dumps(result.document) if settings.json_output else printable(result.words, keep="\n"),
                flush=True,
            )
        if result.error:
            _say(name, result.error)
        return result.exit_code
    except CannotJudgeError as error:
        _say(name, str(error))
    except KeyboardInterrupt:
        _say(name, "interrupted")
    except BrokenPipeError:
        # Whoever read our output is gone; Python's flush at exit must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if os.environ.get("DRIFTLEAD_DEBUG"):
            raise
        _say(name, f"unexpected {type(error).__name__}: {error}; set DRIFTLEAD_DEBUG=1 to see where")
    return CommandExit.CANNOT_JUDGE


def _say(name: str, error: str) -> None:
    print(f"driftlead-drift {name}: {printable(error)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
