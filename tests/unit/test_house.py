"""The house itself: traps that would only show far from where they were set."""

import operator
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_our_operator_folder_never_shadows_the_standard_library() -> None:
    assert not (ROOT / "operator/__init__.py").exists()
    assert Path(operator.__file__).parent == Path(sysconfig.get_paths()["stdlib"])


@pytest.mark.parametrize(
    ("package", "at_least"),
    [("boto3", (1, 40)), ("kopf", (1, 45)), ("kubernetes", (37, 0)), ("mlflow-skinny", (3, 1))],
    ids=str,
)
def test_the_resolver_took_no_ancient_release(package: str, at_least: tuple[int, ...]) -> None:
    assert tuple(int(part) for part in version(package).split(".")[:2]) >= at_least


@pytest.mark.parametrize("room", ["operator", "inference", "drift", "hack/devcluster"])
def test_each_room_has_a_readme_of_at_most_forty_lines(room: str) -> None:
    assert 3 <= len((ROOT / room / "README.md").read_text().splitlines()) <= 40
