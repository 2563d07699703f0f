"""Flags to settings: every field of `Settings` is a flag, `spool_dir` is `--spool-dir`."""

import argparse
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from driftlead_formats.connections import export_connections
from driftlead_inference.settings import Settings


def parser() -> argparse.ArgumentParser:
    """The flags, each with its setting's description."""
    result = argparse.ArgumentParser(
        prog="driftlead-inference serve", description="Serves one exact version of a model over HTTP."
    )
    for name, field in Settings.model_fields.items():
        text = (field.description or "").replace("%", "%%")
        result.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUE", help=text)
    return result


def parse(words: Sequence[str]) -> Settings | None:
    """The settings; None after a sentence on standard error when they are wrong. `--help` exits by itself."""
    flags = {name: value for name, value in vars(parser().parse_args(words)).items() if value is not None}
    try:
        settings = Settings(**flags)
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else "settings"
            sys.stderr.write(f"driftlead-inference: {name}: {problem['msg']}\n")
        return None
    export_connections(settings.connections_dir)
    return settings
