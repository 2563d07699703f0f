"""`driftlead-inference serve`: the command line."""

import sys

from driftlead_inference.commandline import parse

HELP = """\
usage: driftlead-inference serve --model URI [--port N] [--name NAME] [--host H] [--<setting> VALUE ...]

Serves one exact version of a model over HTTP. Every setting is a flag, a variable DRIFTLEAD_<SETTING>, or a
file of that name in the folder DRIFTLEAD_CONNECTIONS_DIR; docs/reference/settings.md lists them.
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0 if words else 2
    if words[0] != "serve":
        print(
            f"driftlead-inference: there is no command {words[0]!r}; try `driftlead-inference serve --help`",
            file=sys.stderr,
        )
        return 2
    settings = parse(words[1:])
    if settings is None:
        return 2
    from driftlead_inference.bootstrap import start  # noqa: PLC0415 - a wrong flag needs no server

    return int(start(settings))


if __name__ == "__main__":
    sys.exit(main())
