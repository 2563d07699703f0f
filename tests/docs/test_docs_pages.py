"""Pages say what is: commands exist, links lead somewhere, generated pages are fresh."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.split("\n")
PAGES = [name for name in TRACKED if name.endswith(".md")]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def targets() -> set[str]:
    """What the Makefile can make."""
    return set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_every_make_command_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`make ([a-z][a-z0-9-]*)", (ROOT / page).read_text()))
    assert named <= targets()


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_to_a_file(page: str) -> None:
    broken = [
        link
        for link in LINK.findall((ROOT / page).read_text())
        if not (ROOT / page).parent.joinpath(link).exists()
    ]
    assert broken == []


def test_the_makefile_offers_what_people_look_for() -> None:
    promised = "setup lint test test-unit test-e2e up down images demo demo-down bench crds docs"
    assert set(promised.split()) <= targets()


def test_make_alone_prints_every_target_with_a_line() -> None:
    printed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert {line.split()[1] for line in printed.splitlines()} == targets()


def test_generated_reference_pages_are_fresh() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "hack.reference", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert check.returncode == 0, check.stdout + check.stderr
