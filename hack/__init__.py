"""Tools of this repository, each run from its root as `python -m hack.NAME`.

`make up` and `make images` run before there is a virtualenv: `local_cluster` and whatever it imports need
Python's standard library alone.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
