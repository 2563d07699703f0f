"""What the operator's process holds in memory without ever using it."""

import subprocess
import sys


def test_the_client_libraries_that_kopf_would_take_are_not_imported_and_can_be_afterwards() -> None:
    code = (
        "import importlib.util, sys, driftlead_operator.cluster.handlers; "
        "print({'kubernetes', 'kubernetes_asyncio', 'pykube'} & set(sys.modules)); "
        "print(bool(importlib.util.find_spec('kubernetes')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\nTrue\n"
