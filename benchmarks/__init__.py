"""Measurements of benchmarks/README.md, each run from the repository's root as `python -m benchmarks.NAME`.

Registries, databases and clusters are started as the component tests start them, by modules of the tests'
folder, which is put on the path.
"""

import sys

from hack import ROOT

sys.path.append(str(ROOT / "tests"))
