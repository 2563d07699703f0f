"""The page of `kubectl driftlead` has every command and flag, and shows what the command really prints."""

import re
from pathlib import Path

from typer.main import get_command

from driftlead_cli.__main__ import app
from driftlead_cli.lint import lint

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/kubectl-driftlead.md").read_text()


def test_every_command_has_a_section_with_its_help_s_name() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == list(commands)
    for name, command in commands.items():
        assert command.help
        section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
        shared = {"--namespace", "-n", "--context", "--no-color", "--help"}
        own = {flag for each in command.params for flag in each.opts if flag.startswith("-")} - shared
        assert {flag for flag in own if flag not in section} == set(), name


def test_what_lint_prints_on_the_page_is_what_it_prints() -> None:
    head = "apiVersion: driftlead.dev/v1alpha1\nkind: ModelDeployment\nmetadata: {name: demo}\n"
    typing_error = head + "spec: {model: M, prod: {stage: Production, replica: 2}}\n"
    no_drift = head + (
        "spec: {model: M, prod: {stage: Production}, canary: {stage: Staging}, retraining: {function: a:b}}\n"
    )
    for text in (typing_error, no_drift):
        (problem,) = lint(text)[1]
        assert f"    demo.yaml: {problem}" in PAGE


def test_the_tree_on_the_page_is_the_one_that_the_unit_test_draws() -> None:
    drawn = (ROOT / "tests/unit/test_cli_view.py").read_text().split('HEALTHY_TREE = """\\\n')[1]
    lines = drawn.split('"""')[0].splitlines()
    assert "\n".join(f"    {line}" if line else "" for line in lines) in PAGE
