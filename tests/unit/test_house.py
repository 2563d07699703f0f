"""The house itself: traps that would only show far from where they were set."""

import operator
import os
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_our_operator_folder_never_shadows_the_standard_library() -> None:
    assert not (ROOT / "operator/__init__.py").exists()
    assert Path(operator.__file__).parent == Path(sysconfig.get_paths()["stdlib"])


def test_nor_does_it_where_the_root_is_the_first_place_that_python_looks_at() -> None:
    """As in `python -m hack.tools`, and for a module that nothing has imported before."""
    script = "import sys; sys.modules.pop('operator', None); import operator; print(operator.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
    )  # fmt: skip
    assert done.stdout.split() == [str(Path(sysconfig.get_paths()["stdlib"]) / "operator.py")]


def test_the_cluster_is_made_by_a_python_without_packages() -> None:
    """`make up` and `make images` run before `make setup`."""
    command = [sys.executable, "-S", "-m", "hack.local_cluster"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert "up | down | images | status" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("package", "at_least"),
    [("boto3", (1, 40)), ("kopf", (1, 45)), ("kubernetes", (37, 0)), ("mlflow-skinny", (3, 1))],
    ids=str,
)
def test_the_resolver_took_no_ancient_release(package: str, at_least: tuple[int, ...]) -> None:
    assert tuple(int(part) for part in version(package).split(".")[:2]) >= at_least


@pytest.mark.parametrize("folder", ["operator", "inference", "drift", "formats", "log", "hack/devcluster"])
def test_each_component_has_a_readme_of_at_most_forty_lines(folder: str) -> None:
    assert 3 <= len((ROOT / folder / "README.md").read_text().splitlines()) <= 40


def test_every_package_stands_in_layers_and_no_other_is_left_out_of_the_contracts() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    packages = {Path(each).name for each in tools["hatch"]["build"]["targets"]["wheel"]["packages"]}
    layered: set[str] = set()
    for contract in tools["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            names = [each.strip() for layer in contract["layers"] for each in layer.split("|")]
            within = contract.get("containers", [name for name in names if "." in name])
            layered |= {name.split(".")[0] for name in within}
    assert set(tools["importlinter"]["root_packages"]) == packages
    assert layered == packages
