"""The map in CONTRIBUTING.md leads somewhere: every path in it exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
PATH = re.compile(r"`((?:[A-Za-z0-9_.-]+/)+[A-Za-z0-9_.-]*)`")
MAP = PAGE.split("\n## To change X, open Y\n")[1].split("\n## ")[0]
WAYS = PAGE.split("\n## Three paths through the code\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("path", sorted(set(PATH.findall(MAP + WAYS))))
def test_every_path_of_the_map_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_row_of_the_map_names_a_place_to_open() -> None:
    rows = [line.strip("|").split("|") for line in MAP.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    assert [subject for subject, places, _ in rows if not PATH.search(places)] == []


def test_the_way_of_each_of_the_three_is_a_numbered_path_of_files() -> None:
    ways = re.split(r"\n\*\*", WAYS)[1:]
    assert len(ways) == 3
    for way in ways:
        steps = re.split(r"\n\d+\. ", way)[1:]
        assert len(steps) > 5
        assert [step for step in steps if not PATH.search(step)] == []
