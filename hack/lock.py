"""Resolves the dependencies: requirements.lock for development, and one lock beside each Dockerfile.

The components' locks are constrained by the root's, so that what the tests saw is what the images run.
Locks carry hashes and no address of a registry: any mirror serves them.
"""

import subprocess
import sys

from hack import ROOT

COMPILE = [
    "uv", "pip", "compile", "pyproject.toml", "--quiet", "--universal", "--python-version", "3.11",
    "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url",
]  # fmt: skip
COMPONENTS = {
    "operator/requirements.lock": ["--extra", "operator"],
    "inference/requirements.lock": ["--extra", "inference"],
    "drift/requirements.lock": ["--extra", "drift"],
    "drift/requirements-train.lock": ["--extra", "drift", "--extra", "train"],
    "hack/images/mlflow/requirements.lock": ["--extra", "mlflow-server"],
}


def main() -> int:
    """Writes every lock file."""
    everything = [*COMPILE, "--all-extras", "--group", "dev", "--output-file", "requirements.lock"]
    subprocess.run(everything, cwd=ROOT, check=True)
    for target, extras in COMPONENTS.items():
        component = [*COMPILE, *extras, "--constraint", "requirements.lock", "--output-file", target]
        subprocess.run(component, cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
